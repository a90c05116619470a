"""Polynomial regression that chooses where to sample, and weights accordingly."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import (
    check_flag,
    check_integer,
    check_number,
    check_option,
    invalid,
    warn_not_converged,
)
from spectralkit._core.dtypes import dtype_of, eps, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, to_host
from spectralkit._core.random import as_rng
from spectralkit._core.results import Result
from spectralkit.base import check_same_library, is_host_table, unchanged_on_error, validate_table
from spectralkit.sampling._arguments import as_targets, as_weights
from spectralkit.sampling._basis import TensorPolynomialBasis, as_basis
from spectralkit.sampling._dpp import sample_christoffel, sample_dpp, sample_volume
from spectralkit.sampling._least_squares import (
    least_norm,
    optimal_roots,
    smallest_eigenvalue,
    stable_subset,
)

SAMPLINGS = ("iid", "dpp", "volume")
# Stability that greedy removal keeps where none is asked for.
_GREEDY_STABILITY = 0.5


@dataclass(frozen=True, repr=False, eq=False)
class ConditionalMoments(Result):
    """
    Moments of a fitted expansion over the measure of its basis; unpacks to its first three fields.

    Attributes
    ----------
    mean : float or array of shape (k,)
        Mean, of each output.
    variance : float or array of shape (k,)
        Variance.
    sobol : array of shape (d,) or (k, d)
        Share of the variance that each coordinate explains alone: first-order Sobol indices.
    total_sobol : array of shape (d,) or (k, d)
        Share of the variance in which each coordinate has a part: total Sobol indices.
    """

    mean: object
    variance: object
    sobol: object
    total_sobol: object

    def __iter__(self):
        return iter((self.mean, self.variance, self.sobol))


class OptimalWeightedLeastSquares(RegressorMixin, BaseEstimator):
    """
    Least squares in a polynomial basis, on points that it chooses.

    For surrogates of costly functions: `sample` proposes few points on which least squares is stable,
    `fit_function` evaluates the function there and fits it, and `conditional_moments` gives mean, variance
    and Sobol indices. On data that are given it is plain polynomial regression. Cost `O(m^3)` for the points,
    and `O(n m^2)` for the fit, with m functions and n points.

    Parameters
    ----------
    basis : TensorPolynomialBasis or None, default=None
        The basis; None for polynomials of total degree 2 on the bounding box of the data, which only ``fit``
        can know.
    sampling : str, default="dpp"
        How points are drawn: "dpp", independent draws of the projection determinantal point process, as many
        as are needed, the last one cut; "volume", volume sampling; "iid", independent points of the
        Christoffel density.
    n_samples : int or None, default=None
        Number of points to draw; None for twice the number of functions.
    stability : float or None, default=None
        Draw again until the smallest eigenvalue of the Gram matrix is at least this, in (0, 1); None for the
        first draw.
    max_trials : int, default=100
        Draws at the most; then the best one is taken, with a warning.
    greedy : bool, default=False
        Drop points afterwards, down to one for each function, while the smallest eigenvalue stays above
        ``stability``, or 0.5 where that is None.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator, default=None
        Source of randomness of `sample`.

    Attributes
    ----------
    coef_ : array of shape (m,) or (k, m)
        Coefficients; one row for each output.
    weights_ : array of shape (n,)
        Weights of the points.
    stability_ : float
        Smallest eigenvalue of the Gram matrix of the points, 1 at best and 0 for fewer points than functions.
    n_trials_ : int
        Draws that `sample` made.
    X_ : array of shape (n, d)
        Points of the last `sample`.
    basis_ : TensorPolynomialBasis
        The basis.
    n_features_in_ : int
        Number of coordinates, d.
    feature_names_in_ : array of shape (d,)
        Names of the coordinates, if the data of ``fit`` had them.

    See Also
    --------
    sample_dpp : Points of the projection determinantal point process.
    TensorPolynomialBasis : The basis.

    Notes
    -----
    The weights are the inverse of the Christoffel density, ``w = m / Σ_j φ_j(x)²``, and the coefficients
    minimise ``Σ_i w_i |y_i - Σ_j c_j φ_j(x_i)|²``. With "volume", and with "dpp" and as many points as
    functions, they are unbiased: their mean over draws are the coefficients of the best approximation. With
    "iid", several draws, ``stability`` or ``greedy`` they are not, but closer to the best approximation in
    general.

    References
    ----------
    .. [1] A. Nouy and B. Michel, "Weighted least-squares approximation with determinantal point processes
       and generalized volume sampling", 2023, arXiv:2312.14057.
    .. [2] A. Cohen and G. Migliorati, "Optimal weighted least-squares methods", SMAI Journal of
       Computational Mathematics 3, 2017, arXiv:1608.00512.
    .. [3] C. Haberstich, A. Nouy and G. Perrin, "Boosted optimal weighted least-squares", Mathematics of
       Computation 91, 2022, arXiv:1912.07075.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.sampling import OptimalWeightedLeastSquares, TensorPolynomialBasis
    >>> basis = TensorPolynomialBasis("legendre", 6, n_dims=2)
    >>> surrogate = OptimalWeightedLeastSquares(basis, random_state=0)
    >>> surrogate = surrogate.fit_function(lambda X: np.exp(X[:, 0]) * np.cos(X[:, 1]))
    >>> surrogate.X_.shape
    (56, 2)
    >>> surrogate.predict([[0.5, 0.5]]).round(3)
    array([1.447])
    >>> mean, variance, sobol = surrogate.conditional_moments()
    >>> round(mean, 4)  # sinh(1) sin(1)
    0.9889
    """

    def __init__(
        self,
        basis=None,
        sampling="dpp",
        n_samples=None,
        stability=None,
        max_trials=100,
        greedy=False,
        random_state=None,
    ):
        self.basis = basis
        self.sampling = sampling
        self.n_samples = n_samples
        self.stability = stability
        self.max_trials = max_trials
        self.greedy = greedy
        self.random_state = random_state

    def sample(self):
        """
        Draw the points at which to evaluate a function.

        Returns
        -------
        array of shape (n, d)
            The points; kept as ``X_``, with their ``weights_`` and ``stability_``.

        Raises
        ------
        ValueError
            If there is no basis, or a parameter is out of range.

        Warns
        -----
        ConvergenceWarning
            If no draw in ``max_trials`` was as stable as asked for: the best one is returned.
        UserWarning
            If ``greedy`` could drop nothing, since all points are less stable than those left have to be.
        """
        if self.basis is None:
            remedy = "Without one the domain is not known: pass a TensorPolynomialBasis."
            raise ValueError(invalid("basis", "given where points are to be drawn", None, remedy))
        basis = as_basis(self.basis)
        m = basis.n_features
        check_option("sampling", self.sampling, SAMPLINGS)
        n = 2 * m if self.n_samples is None else check_integer("n_samples", self.n_samples, 1)
        if self.sampling == "volume":
            check_integer("n_samples", n, m, remedy=f"The basis has {m} functions.")
        bound = self.stability
        if bound is not None:
            bound = check_number("stability", bound, 0.0, 1.0, open_low=True, open_high=True)
        max_trials = check_integer("max_trials", self.max_trials, 1)
        greedy = check_flag("greedy", self.greedy)
        rng = as_rng(self.random_state, "random_state")
        xp = array_namespace()
        best = (-1.0, None, None, None)
        for trial in range(1, max_trials + 1):  # noqa: B007
            X = _draw(self.sampling, basis, n, rng)
            with np.errstate(over="ignore", invalid="ignore"):
                Phi = basis.evaluate(X)
            if not np.isfinite(Phi).all():
                given = f"degrees up to {basis.multi_indices.max()}, whose values overflow"
                raise ValueError(
                    invalid("basis", "in the range of float64 at its points", given, "Lower them.")
                )
            roots = optimal_roots(Phi, xp)
            rows = Phi * roots[:, None]
            stability = smallest_eigenvalue(rows)
            if stability > best[0]:
                best = (stability, X, rows, roots)
            if bound is None or stability >= bound:
                break
        stability, X, rows, roots = best
        if bound is not None and stability < bound:
            remedy = "Raise n_samples or max_trials, or lower stability."
            warn_not_converged("the smallest eigenvalue of the Gram matrix", stability, bound, remedy)
        if greedy:
            needed = _GREEDY_STABILITY if bound is None else bound
            if stability < needed:
                warnings.warn(
                    f"no point was dropped: the smallest eigenvalue of the Gram matrix is {stability:.3g} "
                    f"with all of them, and {needed:.3g} is to be kept. Raise n_samples, or lower stability.",
                    UserWarning,
                    stacklevel=2,
                )
            kept = stable_subset(rows, m, needed)
            X, roots, stability = X[kept], roots[kept], smallest_eigenvalue(rows[kept])
        self.X_, self.weights_, self.stability_, self.n_trials_ = X, roots**2, stability, trial
        self._optimal = X, roots, basis._families
        return X.copy()

    def fit_function(self, function):
        """
        Draw points, evaluate a function there, and fit it.

        Parameters
        ----------
        function : callable
            ``function(X)`` for points of shape (n, d) returns values of shape (n,) or (n, k).

        Returns
        -------
        self : OptimalWeightedLeastSquares
            The fitted estimator.
        """
        if not callable(function):
            raise TypeError(invalid("function", "a callable", f"type {type(function).__name__}"))
        with unchanged_on_error(self):
            values = function(self.sample())
            return self.fit(self.X_, values)  # and not at what the function may have made of its argument

    def fit(self, X, y, sample_weight=None):
        """
        Fit values at points.

        Parameters
        ----------
        X : array of shape (n, d)
            Points. Those of the last `sample`, in its order, get the optimal weights.
        y : array of shape (n,) or (n, k)
            Values at the points.
        sample_weight : array of shape (n,) or None, default=None
            Weights of the points instead; None for the optimal ones, or ones for points from elsewhere.

        Returns
        -------
        self : OptimalWeightedLeastSquares
            The fitted estimator.

        Raises
        ------
        ValueError
            If shapes do not match, something is not finite, or points are outside of the support of the
            basis. The estimator is then what it was before.
        TypeError
            If the arrays are of different libraries, or of a dtype that is not supported.

        Warns
        -----
        UserWarning
            If there are fewer points than functions: the coefficients of least norm are taken.
        """
        with unchanged_on_error(self):
            X, y = self._data(X, y)
            xp = array_namespace(X=X, y=y)
            dtype = dtype_of(xp, output_dtype_name("X", X.dtype))
            points = xp.astype(X, xp.float64)
            roots = self._roots(points, sample_weight, xp)
            self._place_basis(points, roots, xp, eps(dtype))
            Phi = self.basis_.evaluate(self._placed(points, xp))
            n, m = Phi.shape
            if n < m:
                warnings.warn(
                    f"There are fewer points than basis functions, {n} and {m}: the coefficients of least "
                    "norm are taken. Lower the degree, or sample more points.",
                    UserWarning,
                    stacklevel=2,
                )
            targets = xp.astype(y, xp.float64)
            targets = targets[:, None] if y.ndim == 1 else targets
            rows = Phi * roots[:, None]
            coef = least_norm(rows, targets * roots[:, None], xp)
            coef = coef[:, 0] if y.ndim == 1 else coef
            self.coef_ = xp.astype(coef.T if coef.ndim == 2 else coef, dtype, copy=False)
            self.weights_ = xp.astype(roots**2, dtype, copy=False)
            self.stability_ = smallest_eigenvalue(to_host(rows))
        return self

    def predict(self, X):
        """
        Evaluate the fitted expansion.

        Parameters
        ----------
        X : array of shape (n, d)
            Points; outside of the support too, where polynomials grow fast.

        Returns
        -------
        array of shape (n,) or (n, k)
            Values.
        """
        check_is_fitted(self, "coef_")
        X = validate_table(self, X, reset=False)
        xp = check_same_library(self, X, array_namespace(coef=self.coef_))
        dtype = dtype_of(xp, output_dtype_name("X", X.dtype))
        Phi = self.basis_.evaluate(self._placed(xp.astype(X, xp.float64), xp))
        coef = xp.astype(self.coef_, xp.float64)
        values = Phi @ (coef.T if coef.ndim == 2 else coef)
        return xp.astype(values, dtype, copy=False)

    def conditional_moments(self):
        """
        Return mean, variance and Sobol indices over the measure of the basis.

        They are sums of squared coefficients, since the basis is orthonormal: no sampling, cost `O(m d)`. The
        measure is that of the basis, uniform on the bounding box where none was given. Indices of a function
        that is constant up to rounding are NaN.

        Returns
        -------
        ConditionalMoments
            Mean, variance, first-order and total Sobol indices; unpacks to the first three.
        """
        check_is_fitted(self, "coef_")
        coef = np.asarray(to_host(self.coef_), np.float64)
        rows = np.atleast_2d(coef)
        active = self.basis_.multi_indices > 0
        # Shares of the variance do not depend on the units, in which squares may be out of range.
        size = np.max(np.abs(rows), axis=1, keepdims=True)
        scaled = rows / np.where(size > 0.0, size, 1.0)
        squares = np.where(np.abs(scaled) > rows.shape[1] * np.finfo(float).eps, scaled, 0.0)[:, 1:] ** 2
        parts = np.sum(squares, axis=1)
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            variance = parts * size[:, 0] * size[:, 0]
            alone = active & (np.sum(active, axis=1) == 1)[:, None]
            first = squares @ alone[1:] / parts[:, None]
            total = squares @ active[1:] / parts[:, None]
        if coef.ndim == 1:
            return ConditionalMoments(float(rows[0, 0]), float(variance[0]), first[0], total[0])
        return ConditionalMoments(rows[:, 0], variance, first, total)

    def _data(self, X, y):
        """Return checked points and values of one library."""
        if is_host_table(X) and (y is None or is_host_table(y)):
            X, y = validate_data(self, X, y, dtype="numeric", multi_output=True, y_numeric=True)
            return X, as_targets("y", y, X.shape[0], X, of="X")
        X = as_numbers("X", validate_table(self, X, reset=True))
        return X, as_targets("y", y, X.shape[0], X, of="X")

    def _roots(self, points, sample_weight, xp):
        """Return square roots of the weights: those of optimal ones stay in range where squares do not."""
        if sample_weight is not None:
            weights = as_weights("sample_weight", sample_weight, points.shape[0], points, of="X")
            weights = xp.astype(weights, xp.float64)
            if not bool(xp.any(weights > 0.0)):
                raise ValueError(invalid("sample_weight", "positive somewhere", "only zeros"))
            return xp.sqrt(weights)
        drawn, roots, families = getattr(self, "_optimal", (None, None, None))
        if (
            drawn is not None
            and tuple(points.shape) == drawn.shape
            and (self.basis is not None and as_basis(self.basis)._families == families)
            # But for a rounding to single precision, or in a file.
            and np.allclose(to_host(points), drawn, rtol=1e-6, atol=1e-6)
        ):
            return from_host(roots, xp, points)
        return xp.ones_like(points[:, 0])

    def _place_basis(self, points, roots, xp, unit):
        """Set the basis, and the box that is mapped to its support where it was not given."""
        d = points.shape[1]
        if self.basis is None:
            used = np.asarray(to_host(points))[np.asarray(to_host(roots)) > 0.0]
            low, high = used.min(axis=0), used.max(axis=0)
            # Halves, because the difference may overflow; a unit box where it vanishes.
            half = 0.5 * high - 0.5 * low
            self._centre, self._half_width = (
                tuple(0.5 * low + 0.5 * high),
                tuple(np.where(half > 0.0, half, 0.5)),
            )
            self.basis_ = TensorPolynomialBasis("legendre", 2, n_dims=d)
            return
        self.basis_, self._centre, self._half_width = as_basis(self.basis), None, None
        if self.basis_.n_dims != d:
            constraint = f"of shape (n, {self.basis_.n_dims}), the dimensions of the basis"
            raise ValueError(invalid("X", constraint, f"shape {tuple(points.shape)}"))
        low, high = self.basis_.support
        smallest, largest = to_host(xp.min(points, axis=0)), to_host(xp.max(points, axis=0))
        for i in range(d):
            rounding = 8.0 * unit  # scaled points often end one rounding error outside
            if smallest[i] < low[i] - rounding or largest[i] > high[i] + rounding:
                remedy = "Map the points to the support, or use basis=None."
                constraint = f"within the support of the basis, [{low[i]:g}, {high[i]:g}], in coordinate {i}"
                given = f"points in [{smallest[i]:.17g}, {largest[i]:.17g}]"
                raise ValueError(invalid("X", constraint, given, remedy))

    def _placed(self, points, xp):
        if self._centre is None:
            return points
        centre, half_width = (from_host(np.array(a), xp, points) for a in (self._centre, self._half_width))
        return (points - centre[None, :]) / half_width[None, :]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        if hasattr(tags, "array_api_support"):
            tags.array_api_support = True
        return tags


def _draw(sampling, basis, n, rng):
    if sampling == "iid":
        return sample_christoffel(basis, n, rng=rng)
    if sampling == "volume":
        return sample_volume(basis, n, rng=rng)
    repeats = math.ceil(n / basis.n_features)
    return sample_dpp(basis, n_repeats=repeats, rng=rng).reshape(-1, basis.n_dims)[:n]
