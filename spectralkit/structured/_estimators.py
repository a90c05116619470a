"""Butterflies as scikit-learn estimators."""

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MultiOutputMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from spectralkit._core.checks import check_flag, check_option, invalid
from spectralkit._core.namespaces import is_numpy, library_name
from spectralkit._core.random import as_rng
from spectralkit.base import unchanged_on_error
from spectralkit.structured._arguments import as_working, check_finite
from spectralkit.structured._learn import butterfly_learn
from spectralkit.structured._operator import Butterfly

KINDS = ("dft", "idft", "dct", "dst", "hadamard", "hartley")


class ButterflyRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """
    Linear regression whose matrix is a butterfly.

    For linear maps between signals that hide a fast transform: it learns ``O(n log n)`` numbers in place
    of n² from examples, and predicts as fast. Features and targets are padded with zeros to a power of
    two.

    Parameters
    ----------
    n_blocks : int, default=1
        Butterflies that are multiplied.
    permutation : str, array of shape (n,) or None, default="best"
        Order in which features enter: see `butterfly_learn`.
    fit_intercept : bool, default=True
        Whether to subtract the means of features and targets first.
    init : str, default="factorize"
        "factorize" or "random": see `butterfly_learn`.
    max_iter : int, default=3000
        Steps of descent at the most.
    tol : float, default=1e-8
        Relative residual at which descent stops.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator, default=None
        Source of random starts.

    Attributes
    ----------
    operator_ : Butterfly
        The matrix, of the padded size.
    intercept_ : float or array of shape (n_targets,)
        Intercepts.
    residual_ : float
        Distance of the predictions from the targets, relative to the centred targets.
    n_iter_ : int
        Steps of descent.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (d,)
        Names of the features, if the data of ``fit`` had them.

    See Also
    --------
    butterfly_learn : The function behind it.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.linalg
    >>> from spectralkit.structured import ButterflyRegressor
    >>> X = np.random.default_rng(0).standard_normal((60, 32))
    >>> Y = X @ scipy.linalg.hadamard(32)
    >>> round(ButterflyRegressor().fit(X, Y).score(X, Y), 6)
    1.0
    """

    def __init__(
        self,
        n_blocks=1,
        permutation="best",
        fit_intercept=True,
        init="factorize",
        max_iter=3000,
        tol=1e-8,
        random_state=None,
    ):
        self.n_blocks = n_blocks
        self.permutation = permutation
        self.fit_intercept = fit_intercept
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X, y):
        """
        Learn the matrix from examples.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Inputs.
        y : array of shape (n_samples,) or (n_samples, n_targets)
            Outputs.

        Returns
        -------
        self : ButterflyRegressor
            The fitted regressor.

        Raises
        ------
        ValueError
            If data are not finite, shapes do not match, or a parameter is out of range.

        Warns
        -----
        ConvergenceWarning
            If descent was still going on after ``max_iter`` steps.
        """
        with unchanged_on_error(self):
            X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
            y = np.asarray(y, dtype=np.float64)
            targets = y[:, None] if y.ndim == 1 else y
            means = np.zeros(X.shape[1]), np.zeros(targets.shape[1])
            if check_flag("fit_intercept", self.fit_intercept):
                means = _means("X", X), _means("y", targets)
            size = max(X.shape[1], targets.shape[1], 2)
            n = 1 << (size - 1).bit_length()
            result = butterfly_learn(
                (_padded(X - means[0], n), _padded(targets - means[1], n)),
                n_blocks=self.n_blocks,
                permutation=self.permutation,
                init=self.init,
                max_iter=self.max_iter,
                tol=self.tol,
                rng=as_rng(self.random_state, "random_state"),
            )
            self.operator_, self.residual_, self.n_iter_ = result.operator, result.residual, result.n_iter
            self._n_targets, self._is_vector = targets.shape[1], y.ndim == 1
            intercept = means[1] - self._linear(means[0][None])[0]
            self.intercept_ = float(intercept[0]) if self._is_vector else intercept
        return self

    def predict(self, X):
        """
        Apply the matrix.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_targets)
            Outputs.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        found = (self._linear(X.astype(np.float64)) + self.intercept_).astype(X.dtype, copy=False)
        return found[:, 0] if self._is_vector else found

    def _linear(self, X):
        return self.operator_.matmul(_padded(X, self.operator_.shape[0]))[:, : self._n_targets]


class ButterflyTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """
    A fast transform of signals in the rows of a table.

    The number of columns is a power of two. Cost `O(n log n)` for a row.

    Parameters
    ----------
    kind : str, default="dct"
        "dft", "idft", "dct", "dst", "hadamard" or "hartley": see `Butterfly`. The first two return
        complex numbers.

    Attributes
    ----------
    operator_ : Butterfly
        The transform.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of shape (d,)
        Names of the columns, if the data of ``fit`` had them.

    See Also
    --------
    Butterfly : The operators.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.structured import ButterflyTransformer
    >>> X = np.random.default_rng(0).standard_normal((3, 16))
    >>> transformer = ButterflyTransformer("hartley").fit(X)
    >>> np.allclose(transformer.inverse_transform(transformer.transform(X)), X)
    True
    """

    def __init__(self, kind="dct"):
        self.kind = kind

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags._skip_test = True  # takes signals whose length is a power of two
        return tags

    def fit(self, X, y=None):
        """
        Make the transform.

        Parameters
        ----------
        X : array of shape (n_samples, n)
            Signals.
        y : None
            Ignored.

        Returns
        -------
        self : ButterflyTransformer
            The fitted transformer.

        Raises
        ------
        ValueError
            If the number of columns is no power of two, the kind is not known, or data are not finite.
        """
        with unchanged_on_error(self):
            check_option("kind", self.kind, KINDS)
            X = validate_data(self, X, dtype=[np.float64, np.float32])
            self.operator_ = getattr(Butterfly, self.kind)(X.shape[1])
            self._n_features_out, self._kind = X.shape[1], self.kind
        return self

    def transform(self, X):
        """
        Transform signals.

        Parameters
        ----------
        X : array of shape (n_samples, n)
            Signals.

        Returns
        -------
        array of shape (n_samples, n)
            Their transforms.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return self.operator_.matmul(X)

    def inverse_transform(self, X):
        """
        Transform back.

        Parameters
        ----------
        X : array of shape (n_samples, n)
            Transforms, complex for "dft" and "idft".

        Returns
        -------
        array of shape (n_samples, n)
            The signals, real.

        Raises
        ------
        ValueError
            If the shape is not that of `transform`, or transforms are not finite, or complex where
            `transform` returns real ones.
        TypeError
            If the array is not on the host.
        """
        check_is_fitted(self)
        n = self.operator_.shape[0]
        X, xp = as_working("X", X)
        if not is_numpy(xp):
            given = f"an array of {library_name(xp)}"
            raise TypeError(invalid("X", "a NumPy array", given, "Copy it to the host."))
        if X.ndim != 2 or X.shape[1] != n:
            raise ValueError(invalid("X", f"of shape (n_samples, {n})", f"shape {tuple(X.shape)}"))
        check_finite("X", X, xp)
        if X.dtype.kind == "c" and self._kind not in ("dft", "idft"):
            remedy = "Complex data not supported: transform back real and imaginary parts."
            raise ValueError(invalid("X", f"real for kind={self._kind!r}", f"dtype {X.dtype}", remedy))
        # Rows of all of them are orthogonal.
        squares = np.full(n, 1.0 / n if self._kind == "idft" else float(n))
        if self._kind in ("dct", "dst"):
            squares *= 2.0
            squares[0 if self._kind == "dct" else -1] *= 2.0
        found = self.operator_.H.matmul(X / squares.astype(X.real.dtype))
        return found.real


def _means(name, table):
    """Return the means of the columns, which are to be subtracted."""
    with np.errstate(over="ignore", invalid="ignore"):
        means = table.mean(axis=0)
        spread = np.abs(table - means).max(initial=0.0)
    if not np.isfinite(spread):
        given = f"values up to {np.abs(table).max():.3g}"
        raise ValueError(invalid(name, "small enough for the mean of its columns", given, "Scale it down."))
    return means


def _padded(X, n):
    return np.pad(X, ((0, 0), (0, n - X.shape[1])))
