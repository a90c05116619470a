"""The entropic plan between two clouds, as a map from one to the other."""

import math

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_array, check_is_fitted

from spectralkit._core.checks import check_number, check_option, invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, is_numpy
from spectralkit._core.parallel import block_ranges
from spectralkit.base import check_same_library, is_host_table, unchanged_on_error, validate_table
from spectralkit.transport._arguments import as_array, check_finite
from spectralkit.transport._costs import check_metric, pairwise_cost
from spectralkit.transport._problem import (
    cast,
    check_cost_range,
    check_mass,
    common_dtype,
    make_problem,
)
from spectralkit.transport._sinkhorn import sinkhorn, sinkhorn_divergence

NORMALISATIONS = ("max", "mean", "median")
# Entries of the cost that `transform` holds at a time, and the rows that it takes at the least: the points of
# the fitted cloud are read anew for each block.
_BLOCK, _MIN_ROWS = 1 << 17, 64


class EntropicTransport(TransformerMixin, BaseEstimator):
    """
    A smooth map between two point clouds, by entropic optimal transport.

    Use it to move the points of one cloud, new ones included, to where another cloud lies: domain adaptation,
    colour transfer, alignment of batches. Fitting costs O(n m) for each of about ten to fifty evaluations and
    two arrays of n m doubles; mapping k points costs O(k m d), in blocks that take a few MB, or 64 rows of
    length m where that is more.

    Parameters
    ----------
    reg : float, default=0.05
        Regularisation, positive, in the units of the (normalised) cost. Small values give a sharp plan, large
        ones a map that shrinks towards the mean of the second cloud.
    metric : str or callable, default="sqeuclidean"
        Cost of two points: "sqeuclidean", "euclidean", "cityblock", or ``metric(X, Y) -> (n, m)``,
        non-negative. Only with a callable may the clouds have different numbers of features.
    method : str, default="newton"
        "newton", "sinkhorn" or "sns", as in `sinkhorn`.
    tol : float, default=1e-9
        L1 error of both marginals together at which to stop.
    max_iter : int or None, default=None
        Iterations at the most; None for 10 000 of "sinkhorn" and 1 000 otherwise.
    normalize_cost : str or None, default=None
        What ``reg`` is relative to: the "max", the weighted "mean" or the "median" of the costs between
        points of positive weight. None for the cost as it is.
    preprocessing : transformer or None, default=None
        Fitted, as a clone, on the first cloud and applied to both before costs are computed, as a
        ``StandardScaler()`` where features have different units. It sees arrays, not data frames. What
        ``transform`` and ``inverse_transform`` return are points of the original spaces.

    Attributes
    ----------
    plan_ : array of shape (n, m)
        The plan, ``exp((f_ + g_ - C) / (reg * cost_scale_))``, computed when read: O(n m d).
    f_ : array of shape (n,)
        Potential of the first cloud; minus infinity where the weight is zero.
    g_ : array of shape (m,)
        Potential of the second cloud.
    cost_ : float
        Cost of the plan, ``sum(plan_ * C)``, for the cost ``C`` before normalisation.
    value_ : float
        Regularised dual value, for the cost before normalisation.
    cost_scale_ : float
        What the cost was divided by; 1 for ``normalize_cost=None``.
    marginal_error_ : float
        L1 distances of both marginals of the plan from the weights, summed, before any cast to float32.
    converged_ : bool
        Whether ``marginal_error_`` is at most ``tol``.
    n_iter_ : int
        Iterations in all.
    preprocessing_ : transformer or None
        The fitted ``preprocessing``.
    n_features_in_ : int
        Number of features of the first cloud.
    feature_names_in_ : array of shape (d,)
        Names of the features of the first cloud, if it had them.

    See Also
    --------
    sinkhorn : The plan and its potentials, from weights and a cost matrix.
    sinkhorn_divergence : What ``score`` measures.
    TransportPlanDisplay : A picture of the plan.

    Notes
    -----
    The plan minimises ``sum(P * C) + reg * cost_scale_ * sum(P * (log(P) - 1))`` among those whose marginals
    are the weights. A point x goes to the weighted mean of the second cloud

    ``T(x) = sum_j w_j(x) y_j / sum_j w_j(x)``, ``w_j(x) = exp((g_j - c(x, y_j)) / (reg * cost_scale_))``,

    which for points of the first cloud is ``plan_ @ Y`` over its row sums, and between them is as smooth as
    the cost [1]_. ``inverse_transform`` does the same with ``f_`` and the first cloud; it inverts
    ``transform`` only as ``reg`` vanishes.

    A Pipeline transforms the first cloud only and passes the second on as it is: behind a ``StandardScaler``
    standardised points are compared with raw ones, which is right only where the second cloud is in those
    units. Where both have to be scaled, give the scaler as ``preprocessing``.

    Arrays of other libraries stay where they are. float32 clouds are solved in float64 and the results
    rounded once.

    References
    ----------
    .. [1] A.-A. Pooladian and J. Niles-Weed, "Entropic estimation of optimal transport maps", 2021,
       arXiv:2109.12004.
    .. [2] X. Tang, M. Shavlovsky, H. Rahmanian, E. Tardini, K. K. Thekumparampil, T. Xiao and L. Ying,
       "Accelerating Sinkhorn Algorithm with Sparse Newton Iterations", ICLR 2024, arXiv:2401.12253.
    .. [3] N. Courty, R. Flamary, D. Tuia and A. Rakotomamonjy, "Optimal Transport for Domain Adaptation",
       IEEE Transactions on Pattern Analysis and Machine Intelligence 39, 2017, arXiv:1507.00504.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import EntropicTransport
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.uniform(size=(200, 2)), rng.uniform(size=(300, 2)) + [3.0, 0.0]
    >>> transport = EntropicTransport(reg=0.01).fit(X, Y)
    >>> transport.plan_.shape, transport.converged_
    ((200, 300), True)
    >>> transport.transform([[0.5, 0.5]]).round(1)
    array([[3.5, 0.5]])
    """

    def __init__(
        self,
        reg=0.05,
        metric="sqeuclidean",
        method="newton",
        tol=1e-9,
        max_iter=None,
        normalize_cost=None,
        preprocessing=None,
    ):
        self.reg = reg
        self.metric = metric
        self.method = method
        self.tol = tol
        self.max_iter = max_iter
        self.normalize_cost = normalize_cost
        self.preprocessing = preprocessing

    def fit(self, X, Y, sample_weight=None, target_weight=None):
        """
        Compute the plan between two clouds.

        Parameters
        ----------
        X : array of shape (n, d)
            First cloud.
        Y : array of shape (m, d)
            Second cloud. It comes second, where a Pipeline passes on its ``y``.
        sample_weight : array of shape (n,) or None, default=None
            Weights of the points of ``X``, divided by their sum here; None for uniform.
        target_weight : array of shape (m,) or None, default=None
            Weights of the points of ``Y``, likewise.

        Returns
        -------
        self : EntropicTransport
            The fitted estimator.

        Raises
        ------
        ValueError
            If a cloud is empty, complex, or has NaN or infinite entries, the numbers of features or of
            weights do not match, weights or costs are negative, or a parameter is out of range. The
            estimator is then what it was before.
        TypeError
            If a cloud is sparse, or arrays are of different libraries.

        Warns
        -----
        ConvergenceWarning
            If the marginals are not met to ``tol``.
        """
        with unchanged_on_error(self):
            reg = check_number("reg", self.reg, 0.0, open_low=True)
            check_metric(self.metric)
            if self.normalize_cost is not None:
                check_option("normalize_cost", self.normalize_cost, NORMALISATIONS)
            xp = array_namespace(X=X, Y=Y, sample_weight=sample_weight, target_weight=target_weight)
            self._sources, self._targets = self._first_cloud(X, reset=True), self._second_cloud(Y)
            self._target_names = self._names_of_targets(Y)
            a = _shares("sample_weight", sample_weight, self._sources, "X")
            b = self._target_weight = _shares("target_weight", target_weight, self._targets, "Y")
            self.preprocessing_ = None
            if self.preprocessing is not None:
                self.preprocessing_ = clone(self.preprocessing).fit(self._sources)
            self._source_points = self._preprocessed(self._sources)
            self._target_points = self._preprocessed(self._targets)
            C = self._cost(self._source_points, self._target_points)
            self.cost_scale_ = 1.0
            if self.normalize_cost is not None:
                self.cost_scale_ = _typical(self.normalize_cost, a, b, C)
            # The same problem as C / scale at reg, with the figures in the units of C.
            self._reg = reg * self.cost_scale_
            result = sinkhorn(a, b, C, self._reg, method=self.method, tol=self.tol, max_iter=self.max_iter)
            self._potentials = result.f, result.g
            self._dtype = common_dtype(X=self._sources, Y=self._targets)
            self.f_, self.g_ = (cast(potential, self._dtype, xp) for potential in self._potentials)
            self.cost_, self.value_ = result.cost, result.value
            self.marginal_error_, self.converged_ = result.marginal_error, result.converged
            self.n_iter_ = result.n_iter
        return self

    def fit_transform(self, X, Y, sample_weight=None, target_weight=None):
        """
        Compute the plan between two clouds, and map the first one.

        Parameters
        ----------
        X : array of shape (n, d)
            First cloud.
        Y : array of shape (m, d)
            Second cloud.
        sample_weight : array of shape (n,) or None, default=None
            Weights of the points of ``X``; None for uniform.
        target_weight : array of shape (m,) or None, default=None
            Weights of the points of ``Y``; None for uniform.

        Returns
        -------
        array of shape (n, d)
            Where the points of ``X`` go.
        """
        return self.fit(X, Y, sample_weight, target_weight)._forward(X)

    def transform(self, X):
        """
        Map points to where the second cloud lies.

        Parameters
        ----------
        X : array of shape (k, d)
            Points of the space of the first cloud, seen in fit or not.

        Returns
        -------
        array of shape (k, d)
            Weighted means of points of the second cloud, in the dtype of ``X``.
        """
        check_is_fitted(self)
        return self._forward(X)

    def inverse_transform(self, Y):
        """
        Map points to where the first cloud lies.

        Parameters
        ----------
        Y : array of shape (k, d)
            Points of the space of the second cloud.

        Returns
        -------
        array of shape (k, d)
            Weighted means of points of the first cloud, in the dtype of ``Y``. Not the inverse of
            ``transform``, but the map of the same plan the other way.
        """
        check_is_fitted(self)
        Y = self._checked_targets(Y)

        def cost(points):
            return self._cost(self._source_points, points).T

        return _weighted_means(Y, self._preprocessed(Y), cost, self._potentials[0], self._sources, self._reg)

    def score(self, X, Y=None, sample_weight=None):
        """
        Return how well mapped points match the second cloud.

        Parameters
        ----------
        X : array of shape (k, d)
            Points of the space of the first cloud.
        Y : array of shape (l, d) or None, default=None
            What they should match; None for the second cloud of fit, with its weights.
        sample_weight : array of shape (k,) or None, default=None
            Weights of the points of ``X``, divided by their sum here; None for uniform.

        Returns
        -------
        float
            Minus the Sinkhorn divergence between ``transform(X)`` and ``Y`` in the fitted metric, with the
            regularisation of the fit: 0 is perfect, and higher is better. Scores at different ``reg`` do not
            compare, since a large one blurs the difference too: choose ``reg`` by `sinkhorn_divergence` at
            one small value. A callable metric must take points of the second space on both sides.
        """
        check_is_fitted(self)
        mapped = self._forward(X)
        a = _shares("sample_weight", sample_weight, mapped, "X")
        targets, b = (self._targets, self._target_weight) if Y is None else (self._checked_targets(Y), None)
        options = {"metric": self.metric, "method": self.method, "tol": self.tol, "max_iter": self.max_iter}
        clouds = (self._preprocessed(cloud) for cloud in (mapped, targets))
        return -sinkhorn_divergence(*clouds, a, b, reg=self._reg, **options)

    def get_feature_names_out(self, input_features=None):
        """
        Return the names of the features of mapped points.

        Parameters
        ----------
        input_features : array of str or None, default=None
            Ignored: mapped points lie in the space of the second cloud.

        Returns
        -------
        array of shape (d,)
            The column names of the second cloud, or "x0", "x1" and so on.
        """
        check_is_fitted(self)
        return np.asarray(self._target_names, dtype=object)

    @property
    def plan_(self):
        """Plan between the clouds of fit."""
        check_is_fitted(self)
        xp, (f, g) = array_namespace(f=self.f_), self._potentials
        C = self._cost(self._source_points, self._target_points)
        return cast(xp.exp(((f[:, None] - C) + g[None, :]) / self._reg), self._dtype, xp)

    def _forward(self, X):
        # Apart from `transform`, whose answer may be a data frame by set_output.
        X = self._first_cloud(X, reset=False)
        check_same_library(self, X, array_namespace(X=self._sources))

        def cost(points):
            return self._cost(points, self._target_points)

        return _weighted_means(X, self._preprocessed(X), cost, self._potentials[1], self._targets, self._reg)

    def _first_cloud(self, X, *, reset):
        _check_dense("X", X)
        return validate_table(self, X, reset=reset)

    def _second_cloud(self, Y):
        _check_dense("Y", Y)
        if is_host_table(Y):
            Y = as_array("Y", check_array(Y, dtype="numeric", input_name="Y", estimator=self), 2)
        else:
            if dtype_name(Y.dtype).startswith("complex"):
                raise ValueError(
                    "Complex data not supported\n" + invalid("Y", "real", f"dtype {dtype_name(Y.dtype)}")
                )
            check_finite("Y", as_array("Y", Y, 2), array_namespace(Y=Y))
        if not callable(self.metric) and Y.shape[1] != self.n_features_in_:
            remedy = "Clouds of different spaces need a callable metric."
            constraint = f"of shape (m, {self.n_features_in_}), with the features of X"
            raise ValueError(invalid("Y", constraint, f"shape {tuple(Y.shape)}", remedy))
        return Y

    def _checked_targets(self, Y):
        """Return points of the second space, given after the fit."""
        array_namespace(Y=Y, **{"the clouds of fit": self._targets})
        columns, names = list(getattr(Y, "columns", ())), list(self._target_names)
        if columns != names and sorted(map(str, columns)) == sorted(names):
            raise ValueError(invalid("Y", f"in the order of the features of fit, {names}", columns))
        Y = self._second_cloud(Y)
        if Y.shape[1] != self._targets.shape[1]:
            constraint = f"of shape (k, {self._targets.shape[1]}), as in fit"
            raise ValueError(invalid("Y", constraint, f"shape {tuple(Y.shape)}"))
        return Y

    def _names_of_targets(self, Y):
        columns = list(getattr(Y, "columns", ()))
        if not columns or not all(isinstance(column, str) for column in columns):
            return [f"x{feature}" for feature in range(self._targets.shape[1])]
        names = list(getattr(self, "feature_names_in_", columns))
        if columns != names and sorted(columns) == sorted(names):
            remedy = "Reorder its columns by Y[X.columns]."
            raise ValueError(invalid("Y", f"in the order of the features of X, {names}", columns, remedy))
        return columns

    def _preprocessed(self, points):
        if self.preprocessing_ is None:
            return points
        name = "what preprocessing returns"
        transformed = as_array(name, self.preprocessing_.transform(points), 2)
        array_namespace(**{name: transformed, "the cloud": points})
        return transformed

    def _cost(self, X, Y):
        C = pairwise_cost(X, Y, self.metric, array_namespace(X=X))
        shape = (X.shape[0], Y.shape[0])
        if tuple(C.shape) != shape:
            given = f"shape {tuple(C.shape)} from the callable"
            raise ValueError(invalid("metric", f"a cost of shape {shape}", given))
        return C

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # one table is not enough
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if hasattr(tags, "array_api_support"):
            tags.array_api_support = True
        return tags


def _check_dense(name, cloud):
    if sp.issparse(cloud):
        raise TypeError(invalid(name, "dense", f"type {type(cloud).__name__}", "Use toarray()."))


def _shares(name, weights, cloud, of):
    """Return weights that sum to one, in float64; None for uniform ones."""
    if weights is None:
        return None
    xp = array_namespace(**{name: weights, of: cloud})
    weights, total, _ = check_mass(name, weights, cloud.shape[0], f"the rows of {of}", cloud, xp)
    return weights / total


def _typical(statistic, a, b, C):
    """Return a positive statistic of the costs between points of positive weight."""
    problem = make_problem(a, b, C, None, None, "sqeuclidean", False)
    xp = problem.xp
    C = problem.cost.matrix if is_numpy(xp) else problem.cost
    low, high = float(xp.min(C)), float(xp.max(C))
    check_cost_range(low, high)
    if statistic == "max":
        scale = high
    elif statistic == "mean":
        scale = float(problem.a @ (C @ problem.b))
    elif is_numpy(xp):
        scale = float(np.median(C))
    else:  # the standard has no median
        entries = xp.sort(xp.reshape(C, (-1,)))
        scale = 0.5 * float(entries[(entries.shape[0] - 1) // 2] + entries[entries.shape[0] // 2])
    if high == 0.0:
        return 1.0
    if scale <= 0.0:
        remedy = "More than half of the costs are zero: use 'mean' or 'max'."
        raise ValueError(invalid("normalize_cost", "a positive statistic of the costs", statistic, remedy))
    return scale


def _weighted_means(X, points, cost, potential, values, reg):
    """
    Return the means of ``values``, weighted for each row by the softmax of ``(potential - cost) / reg``.

    ``X`` gives the dtype and the library, ``points`` are its rows as ``cost`` takes them.
    """
    xp = array_namespace(X=X)
    values = xp.astype(values, xp.float64, copy=False)
    rows = max(_MIN_ROWS, _BLOCK // values.shape[0])
    means = []
    for start, stop in block_ranges(X.shape[0], rows):
        with np.errstate(over="ignore", invalid="ignore"):
            exponents = (potential[None, :] - cost(points[start:stop, :])) / reg
        if not math.isfinite(float(xp.min(xp.max(exponents, axis=1)))):
            remedy = "Scale all points down."
            raise ValueError(
                invalid("the points", "of finite cost to the fitted ones", "an overflow", remedy)
            )
        weights = xp.exp(exponents - xp.max(exponents, axis=1, keepdims=True))
        means.append((weights @ values) / xp.sum(weights, axis=1, keepdims=True))
    return xp.astype(xp.concat(means), dtype_of(xp, output_dtype_name("X", X.dtype)), copy=False)
