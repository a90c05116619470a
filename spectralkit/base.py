"""What our estimators add to scikit-learn's: arrays of any library, and failed calls that leave no trace."""

import contextlib
import math

import array_api_compat
import numpy as np
from sklearn.utils.validation import validate_data

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_name, working_dtype_name
from spectralkit._core.namespaces import array_namespace, is_numpy, library_name, to_host


@contextlib.contextmanager
def unchanged_on_error(estimator):
    """Restore the attributes of an estimator if the body raises, Ctrl-C included.

    Attributes must be replaced, not changed in place.
    """
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def validate_table(estimator, X, *, reset, ensure_finite=True):
    """
    Check a table of samples, and set or compare the number and names of its features.

    Host data (arrays, lists, data frames, SciPy sparse) goes through scikit-learn's own validation; arrays
    of another library stay there, since scikit-learn's dispatch would need a global switch. Numeric host
    arrays are not copied or converted. With ``ensure_finite=False`` the caller looks for NaN and infinity
    itself, in the pass that it makes over the data anyway.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and ``feature_names_in_`` when ``reset``.
    X : array-like of shape (n, d)
        The table.
    reset : bool
        Whether this is the first data that the estimator sees.
    ensure_finite : bool, default=True
        Whether to raise on NaN and infinity here.

    Returns
    -------
    array or sparse matrix of shape (n, d)
        The table; CSR if it was sparse.

    Raises
    ------
    ValueError
        If the table is empty, not two-dimensional, complex, or has another number of features than before.
    TypeError
        If its dtype is not supported.
    """
    if _is_plain(X) and not ensure_finite and not hasattr(estimator, "feature_names_in_"):
        # What scikit-learn's validation comes to for these, at a tenth of its cost: streams call it often.
        if reset:
            estimator.n_features_in_ = X.shape[1]
        if X.shape[1] == estimator.n_features_in_:
            return X
    if not array_api_compat.is_array_api_obj(X) or isinstance(X, np.ndarray):
        X = validate_data(
            estimator, X, reset=reset, accept_sparse="csr", dtype="numeric", ensure_all_finite=ensure_finite
        )
        working_dtype_name("X", X.dtype)
        return X
    xp = array_namespace(X=X)
    name = type(estimator).__name__
    if dtype_name(X.dtype).startswith("complex"):
        raise ValueError(
            "Complex data not supported\n" + invalid("X", "real", f"dtype {dtype_name(X.dtype)}")
        )
    working_dtype_name("X", X.dtype)
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead: shape {tuple(X.shape)}. Reshape your data with "
            "X.reshape(-1, 1) if it is a single feature, or X.reshape(1, -1) if it is a single sample."
        )
    for size, what in zip(X.shape, ("sample", "feature"), strict=True):
        if size < 1:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={tuple(X.shape)}) while a minimum of 1 is required "
                f"by {name}."
            )
    if reset:
        estimator.n_features_in_ = X.shape[1]
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {name} is expecting {estimator.n_features_in_} features as "
            "input."
        )
    if (
        ensure_finite
        and not math.isfinite(float(to_host(xp.sum(X))))
        and not bool(to_host(xp.all(xp.isfinite(X))))
    ):
        raise ValueError(invalid("X", "finite", "NaN or infinity", "Drop or impute those rows."))
    return X


def _is_plain(X):
    """Return whether ``X`` is a non-empty numeric matrix of NumPy's own, which needs no conversion."""
    return (
        type(X) in (np.ndarray, np.memmap)
        and X.ndim == 2
        and X.dtype.kind in "fiub"
        and X.size > 0
        and X.itemsize <= 8
    )


def check_same_library(estimator, X, fitted):
    """Raise TypeError if ``X`` is of another array library than what the estimator was fitted on."""
    xp = array_namespace(X=X if array_api_compat.is_array_api_obj(X) else None)
    if xp is not fitted:
        raise TypeError(
            invalid(
                "X",
                f"a {library_name(fitted)} array, as in fit",
                f"a {library_name(xp)} array",
                f"Convert it explicitly, or fit the {type(estimator).__name__} on arrays of that library.",
            )
        )
    return xp


def is_host_table(X):
    """Return whether ``X`` is data that scikit-learn's own validation takes."""
    return not array_api_compat.is_array_api_obj(X) or is_numpy(array_namespace(X=X))
