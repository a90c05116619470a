"""Sparse Bayesian regression whose design may be a Kronecker product."""

import math

import array_api_compat
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from spectralkit._core.checks import check_flag, invalid
from spectralkit._core.dtypes import dtype_of, working_dtype_name
from spectralkit._core.namespaces import array_namespace, to_host
from spectralkit.base import check_same_library, is_host_table, unchanged_on_error, validate_table
from spectralkit.recovery._arguments import as_array, as_factors, cast, check_finite, double, real
from spectralkit.recovery._posterior import predictive_parts, predictive_variance
from spectralkit.recovery._products import kronecker_matvec, squared_modulus
from spectralkit.recovery._sbl import kronecker_sbl


class KroneckerSBL(RegressorMixin, BaseEstimator):
    """
    Sparse Bayesian regression, on a table or on a Kronecker product of matrices.

    On a table it is classical sparse Bayesian learning, a stable alternative to scikit-learn's
    ``ARDRegression``, faster and more accurate where there are hundreds of features: few are kept, and
    predictions come with standard deviations. With a list of matrices the design is their Kronecker product,
    which is never formed. Cost and memory are those of
    `kronecker_sbl`, after `O(n d^2)` for a table of n rows and d columns.

    Parameters
    ----------
    method : str, default="svd"
        "svd", "am" or "ksbl", as in `kronecker_sbl`; the same for a table.
    noise_var : float or None, default=None
        Variance of the noise; None to learn it.
    coupling : float, sequence of floats or None, default=None
        Neighbour coupling for block sparsity, one number for each factor. Not with "svd".
    prune : float, sequence of floats or None, default=None
        Share of the largest variance of a factor below which atoms are dropped; None to choose by evidence.
    tol : float, default=1e-4
        Relative change of the variances at which to stop.
    max_iter : int, default=150
        Iterations at the most.
    fit_intercept : bool, default=False
        Fit a constant too, by centring. For tables only.

    Attributes
    ----------
    coef_ : array of shape (N,) or (L, N)
        Coefficients; for targets in `L` columns one row for each, as in scikit-learn's linear models. `N` is
        the number of features, or the product of the numbers of columns of the factors.
    gammas_ : list of arrays of shape (n_i,)
        Factors of the prior variances; zero for atoms that were dropped. One array for a table.
    support_ : array of int
        Sorted indices of the coefficients that are not pruned, in C order.
    noise_var_ : float
        Variance of the noise: as given, or learned.
    coef_var_ : array of shape (N,)
        Posterior variances of the coefficients.
    neg_log_evidence_ : float
        ``-log p(y)`` with all constants.
    intercept_ : float or array of shape (L,)
        The constant; 0.0 unless ``fit_intercept``.
    n_iter_ : int
        Iterations of the start that was chosen.
    converged_ : bool
        Whether they ended because the variances settled.
    n_features_in_ : int
        `N`.
    feature_names_in_ : array of shape (N,)
        Names of the features of a table, if it had them.

    See Also
    --------
    kronecker_sbl : The function behind it, with a callback.
    sklearn.linear_model.ARDRegression : The same model for a table, by other updates.

    Notes
    -----
    Predictions have variance ``noise_var_ + h^H Σ h`` for a row ``h`` of the design, with ``Σ`` the posterior
    covariance of the coefficients, applied factor by factor. It is conditional on the support.

    Complex factors and targets are accepted in a list, of one matrix if need be; a complex table raises
    ValueError, as in all of scikit-learn. Arrays of other libraries stay where they are.

    References
    ----------
    .. [1] Y. He and G. Joseph, "Bayesian algorithms for Kronecker-structured sparse vector recovery with
       application to IRS-MIMO channel estimation", 2023, arXiv:2307.14719.
    .. [2] M. E. Tipping, "Sparse Bayesian learning and the relevance vector machine", Journal of Machine
       Learning Research 1, 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from spectralkit.recovery import KroneckerSBL
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = KroneckerSBL(fit_intercept=True).fit(X, y)
    >>> model.support_
    array([1, 2, 3, 6, 8])
    >>> mean, std = model.predict(X[:1], return_std=True)
    >>> mean.round(), std.round()
    (array([202.]), array([55.]))
    """

    def __init__(
        self,
        method="svd",
        noise_var=None,
        coupling=None,
        prune=None,
        tol=1e-4,
        max_iter=150,
        fit_intercept=False,
    ):
        self.method = method
        self.noise_var = noise_var
        self.coupling = coupling
        self.prune = prune
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept

    def fit(self, X, y):
        """
        Learn the coefficients.

        Parameters
        ----------
        X : array of shape (n, d), or list of arrays of shape (m_i, n_i)
            A table, or the factors of the design.
        y : array of shape (M,), (M, L) or (m_1, .., m_I)
            Targets: `M` is n, or the product of the m_i. A tensor, in C order, only with a list.

        Returns
        -------
        self : KroneckerSBL
            The fitted estimator.

        Raises
        ------
        ValueError
            If shapes do not match, something is not finite, a table is complex, or a parameter is out of
            range. The estimator is then what it was before.
        TypeError
            If arrays are of different libraries, or of a dtype that is not supported.

        Warns
        -----
        ConvergenceWarning
            If the variances have not settled after ``max_iter`` iterations.
        """
        with unchanged_on_error(self):
            fit_intercept = check_flag("fit_intercept", self.fit_intercept)
            self._is_table = not _is_list_of_matrices(X)
            if self._is_table:
                X, y = self._table(X, y)
                factors, xp = [X], array_namespace(X=X, y=y)
            else:
                if fit_intercept:
                    remedy = "A constant column in one factor does not make a constant column of the product."
                    raise ValueError(invalid("fit_intercept", "False with a list of factors", True, remedy))
                y = as_array("y", y)
                factors, xp = as_factors("X", X, y=y)
                self.n_features_in_ = math.prod(factor.shape[1] for factor in factors)
                vars(self).pop("feature_names_in_", None)
            dtype = working_dtype_name("X", xp.result_type(*factors))
            working = dtype_of(xp, double(dtype))
            matrices = [xp.astype(factor, working) for factor in factors]
            targets = xp.astype(y, dtype_of(xp, double(working_dtype_name("y", y.dtype))))
            self._centre = None
            if fit_intercept:
                self._centre = xp.mean(matrices[0], axis=0)
                offset = xp.mean(targets, axis=0)
                matrices, targets = [_centred(matrices[0], self._centre, xp)], _centred(targets, offset, xp)
            result = kronecker_sbl(
                targets,
                matrices,
                method=self.method,
                noise_var=self.noise_var,
                coupling=self.coupling,
                prune=self.prune,
                tol=self.tol,
                max_iter=self.max_iter,
            )
            self._n_measurements = math.prod(factor.shape[0] for factor in factors)
            self._is_tensor = targets.ndim > 1 and targets.shape[0] != self._n_measurements
            coef = result.coef.T if result.coef.ndim == 2 else result.coef
            self.coef_ = cast(coef, _complex_like(coef, dtype, xp), xp)
            self.gammas_ = [cast(gamma, real(dtype), xp) for gamma in result.gammas]
            self.coef_var_ = cast(result.coef_var, real(dtype), xp)
            self.support_, self.noise_var_ = result.support, result.noise_var
            self.neg_log_evidence_ = result.neg_log_evidence
            self.n_iter_, self.converged_ = result.n_iter, result.converged
            self.intercept_ = 0.0
            if fit_intercept:
                intercept = offset - coef @ self._centre
                self.intercept_ = cast(intercept, dtype, xp) if targets.ndim == 2 else float(intercept)
            gammas = [np.asarray(to_host(gamma)) for gamma in result.gammas]
            self._parts = predictive_parts(matrices, gammas, xp)
        return self

    def predict(self, X, return_std=False):
        """
        Predict targets.

        Parameters
        ----------
        X : array of shape (n, d), or list of arrays of shape (m_i, n_i)
            A table, or the factors of a design with the columns of the one that was fitted.
        return_std : bool, default=False
            Return standard deviations too.

        Returns
        -------
        array of shape (M,), (M, L) or (m_1, .., m_I)
            Predictions, shaped as the targets of fit were.
        array of shape (M,) or (m_1, .., m_I)
            Only if asked for: standard deviations of new measurements, noise included; the same for every
            column of targets.
        """
        check_is_fitted(self)
        return_std = check_flag("return_std", return_std)
        factors, xp = self._rows(X)
        coef = self.coef_.T if self.coef_.ndim == 2 else self.coef_
        sizes = tuple(factor.shape[0] for factor in factors)
        if self._is_table:
            mean = xp.astype(factors[0], coef.dtype, copy=False) @ coef
            if self._centre is not None:
                mean = mean + self.intercept_
        else:
            mean = kronecker_matvec(factors, coef)
        mean = xp.reshape(mean, sizes) if self._is_tensor else mean
        if not return_std:
            return mean
        dtype = real(working_dtype_name("X", mean.dtype))
        doubles = [xp.astype(factor, dtype_of(xp, double(_name(factor)))) for factor in factors]
        extra = 0.0
        if self._centre is not None:
            doubles = [doubles[0] - self._centre[None, :]]
            extra = self.noise_var_ / self._n_measurements  # of the intercept
        variance = self.noise_var_ + extra
        variance = variance + predictive_variance(doubles, self._parts, self.noise_var_, xp)
        std = cast(xp.sqrt(variance), dtype, xp)
        return mean, xp.reshape(std, sizes) if self._is_tensor else std

    def score(self, X, y, sample_weight=None):
        """
        Return the coefficient of determination of the predictions.

        Parameters
        ----------
        X : array of shape (n, d), or list of arrays of shape (m_i, n_i)
            A table, or the factors of a design.
        y : array of shape (M,), (M, L) or (m_1, .., m_I)
            True targets.
        sample_weight : array of shape (M,) or None, default=None
            Weights of the rows; of tables only.

        Returns
        -------
        float
            ``1 - Σ |y - predict(X)|² / Σ |y - mean(y)|²``. Over columns of targets the mean for a table, as
            in scikit-learn, and the sums over all of them for a list of factors.
        """
        if not _is_list_of_matrices(X) and is_host_table(X):
            return super().score(X, y, sample_weight)
        if sample_weight is not None:
            given = "with a list of factors" if not self._is_table else "with arrays that are not NumPy's"
            raise ValueError(invalid("sample_weight", f"None {given}", "weights"))
        predicted = self.predict(X)
        y = as_array("y", y)
        xp = array_namespace(X=predicted, y=y)
        check_finite("y", y, xp)
        if tuple(y.shape) != tuple(predicted.shape):
            constraint = f"of shape {tuple(predicted.shape)}, as predictions are"
            raise ValueError(invalid("y", constraint, f"shape {tuple(y.shape)}"))
        y, predicted = (
            xp.astype(a, dtype_of(xp, double(working_dtype_name("y", a.dtype)))) for a in (y, predicted)
        )
        spread = y - (
            xp.mean(y, axis=0, keepdims=True) if y.ndim == 2 and not self._is_tensor else xp.mean(y)
        )
        total = float(xp.sum(squared_modulus(spread, xp)))
        left = float(xp.sum(squared_modulus(y - predicted, xp)))
        return 1.0 - left / total if total > 0.0 else float(left == 0.0)

    def _table(self, X, y):
        """Return a checked table and targets of the same library."""
        if is_host_table(X) and (y is None or is_host_table(y)):
            return validate_data(self, X, y, dtype="numeric", multi_output=True, y_numeric=True)
        X = validate_table(self, X, reset=True)
        y = as_array("y", y)
        xp = array_namespace(X=X, y=y)
        working_dtype_name("y", y.dtype, allow_complex=False)
        check_finite("y", y, xp)
        if y.ndim > 2 or y.shape[0] != X.shape[0]:
            constraint = f"of shape ({X.shape[0]},) or ({X.shape[0]}, L), a row for each of X"
            raise ValueError(invalid("y", constraint, f"shape {tuple(y.shape)}"))
        return X, y

    def _rows(self, X):
        """Return the factors of a design to predict for, and their namespace."""
        fitted = array_namespace(coef=self.coef_)
        if _is_list_of_matrices(X) == self._is_table:
            wanted = "a table" if self._is_table else "a list of factors"
            raise TypeError(invalid("X", f"{wanted}, as in fit", f"type {type(X).__name__}"))
        if self._is_table:
            X = validate_table(self, X, reset=False)
            return [X], check_same_library(self, X, fitted)
        factors, xp = as_factors("X", X, **{"the coefficients": self.coef_})
        given = tuple(factor.shape[1] for factor in factors)
        wanted = tuple(gamma.shape[0] for gamma in self.gammas_)
        if given != wanted:
            raise ValueError(invalid("X", f"factors with {wanted} columns, as in fit", f"{given} columns"))
        return factors, xp

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        if hasattr(tags, "array_api_support"):
            tags.array_api_support = True
        return tags


def _centred(array, mean, xp):
    """Return what differs from the mean, and zeros for columns that are constant up to rounding."""
    centred = array - mean
    scale = xp.max(xp.abs(array), axis=0)
    constant = xp.max(xp.abs(centred), axis=0) <= 4.0 * float(np.finfo(np.float64).eps) * scale
    return xp.where(constant, xp.zeros_like(centred), centred)


def _is_list_of_matrices(X):
    """Return whether ``X`` is a list of matrices, and not of the rows of one."""
    if array_api_compat.is_array_api_obj(X) or not isinstance(X, list | tuple) or not X:
        return False
    return all(
        np.ndim(item) == 2 if isinstance(item, list | tuple) else getattr(item, "ndim", 0) == 2 for item in X
    )


def _complex_like(array, dtype, xp):
    """Return the dtype name of the precision of ``dtype`` and of the kind of ``array``."""
    if not xp.isdtype(array.dtype, "complex floating"):
        return dtype
    return {"float32": "complex64", "float64": "complex128"}.get(dtype, dtype)


def _name(array):
    return working_dtype_name("X", array.dtype)
