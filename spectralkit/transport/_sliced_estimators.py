"""Sliced Wasserstein distances of many clouds, and the flow along their gradient, as estimators."""

from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from spectralkit._core.callbacks import reporter
from spectralkit._core.checks import check_integer, check_number, check_option, invalid
from spectralkit._core.dtypes import dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, library_name, to_host
from spectralkit._core.parallel import block_ranges
from spectralkit._core.random import as_rng
from spectralkit.base import unchanged_on_error, validate_table
from spectralkit.transport._arguments import as_array
from spectralkit.transport._control_variates import (
    Marginals,
    controlled_mean,
    deviations,
    gaussian_mean,
    grouped_mean,
    published_mean,
)
from spectralkit.transport._directions import control_directions, randomised
from spectralkit.transport._one_dimension import (
    check_weights,
    in_range,
    ordered,
    powers,
    uniform_coupling,
    uniform_if_none,
    weighted_coupling,
)
from spectralkit.transport._sliced import (
    ESTIMATORS,
    check_directions,
    moments_of,
    sliced_wasserstein_gradient,
)

# Sorted projections of two blocks of clouds that `pairwise` holds at a time, in bytes.
_BLOCK_BYTES = 64 << 20
# Shares of the mass that count as zero in the flow.
_NO_WEIGHT = 1e-200


@dataclass(frozen=True)
class _Directions:
    """The directions that all distances of one estimator share."""

    theta: np.ndarray
    starts: np.ndarray
    control: np.ndarray
    """(groups, directions, d); empty in one dimension."""
    kind: str


@dataclass(frozen=True)
class _Profile:
    """What the distances to other clouds need of a cloud: sorted projections, and moments of projections."""

    quantiles: Any
    """(L, n), rows in order."""
    weights: Any
    """In the order of the quantiles; None for uniform."""
    mean: np.ndarray
    trace: float
    at_directions: np.ndarray
    at_controls: np.ndarray


class SlicedWasserstein(TransformerMixin, BaseEstimator):
    """
    Sliced Wasserstein distances of point clouds, to a reference and among each other.

    Turns clouds of any numbers of points into numbers: distances to the cloud that was fitted, or a matrix of
    distances for methods that take ``metric="precomputed"``. All distances of a fitted instance share their
    directions, and each cloud is projected and sorted once for many distances: K clouds of n points cost
    O(K L n (d + log n)) and then O(L n) for each pair.

    Parameters
    ----------
    n_projections : int, default=100
        Directions to project on; ignored where ``directions`` are given.
    p : float, default=2
        Order of the distance, at least 1. Powers below 1e-308 count as zero, which p in the thousands gives.
    estimator : str, default="auto"
        "monte_carlo", "lcv", "ucv", "gaussian" or "auto", as in `sliced_wasserstein`. With "monte_carlo" and
        p = 2 the matrix of squared distances is that of points in a Euclidean space.
    directions : str or array of shape (L, d), default="auto"
        "iid", "orthogonal", "qmc", "auto", or unit vectors as rows, as in `sliced_wasserstein`.
    random_state : None, int, RandomState or Generator, default=None
        Source of the directions.

    Attributes
    ----------
    reference_ : array of shape (n, d)
        The cloud that was fitted.
    directions_ : ndarray of shape (L, d)
        Unit vectors on which all clouds are projected.
    n_features_in_ : int
        Dimension of the space.
    feature_names_in_ : array of shape (d,)
        Names of the features of the reference, if it had them.

    See Also
    --------
    sliced_wasserstein : One distance, with its standard error.
    SlicedWassersteinFlow : Moves a cloud onto another.

    Notes
    -----
    ``exp(-gamma * D ** 2)`` with the matrix D of `pairwise` is a kernel of clouds, positive
    definite for "monte_carlo" and p = 2; control variates make the distances far more accurate and the
    kernel positive up to what is left of their error.

    The sorted projections of a cloud take 8 L n bytes, 80 MB for n = 100 000 points and L = 100 directions.
    `transform` holds those of two clouds and work arrays of about the same size: 300 MB there, 3 GB for L =
    1000. `pairwise` holds, for each job, those of two blocks of clouds: 64 MB, or two clouds if that is more.

    References
    ----------
    .. [1] K. Nguyen and N. Ho, "Sliced Wasserstein Estimation with Control Variates", ICLR 2024,
       arXiv:2305.00402.
    .. [2] S. Kolouri, Y. Zou and G. K. Rohde, "Sliced Wasserstein Kernels for Probability Distributions",
       CVPR 2016, arXiv:1511.03198.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import SlicedWasserstein
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 3))
    >>> distances = SlicedWasserstein(random_state=0).fit(X)
    >>> distances.transform([X, X + [3.0, 0.0, 0.0]]).round(6)
    array([[0.      ],
           [1.732051]])
    >>> distances.pairwise([X, X + [3.0, 0.0, 0.0], 2 * X]).shape
    (3, 3)
    """

    def __init__(self, n_projections=100, p=2, estimator="auto", directions="auto", random_state=None):
        self.n_projections = n_projections
        self.p = p
        self.estimator = estimator
        self.directions = directions
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags._skip_test = True  # transforms lists of clouds
        return tags

    def fit(self, X, y=None, sample_weight=None):
        """
        Keep a reference cloud and draw the directions.

        Parameters
        ----------
        X : array of shape (n, d)
            The reference.
        y : None
            Ignored.
        sample_weight : array of shape (n,) or None, default=None
            Weights of its points, non-negative; None for uniform.

        Returns
        -------
        SlicedWasserstein
            The fitted estimator.
        """
        check_number("p", self.p, 1.0)
        check_option("estimator", self.estimator, ESTIMATORS)
        with unchanged_on_error(self):
            X = validate_table(self, X, reset=True)
            X = X.toarray() if hasattr(X, "toarray") else X
            xp, d = array_namespace(X=X), X.shape[1]
            weights = check_weights("sample_weight", sample_weight, X.shape[0], True, X, xp)
            kind, theta, n = check_directions(self.directions, self.n_projections, d)
            rng = as_rng(self.random_state, "random_state")
            if theta is None:
                theta, starts = randomised(n, d, kind, rng)
            else:
                starts = np.arange(n)
            control = control_directions(d, theta.shape[0], rng) if d > 1 else np.empty((1, 0, 1))
            self._directions = _Directions(theta, starts, control, kind)
            self.directions_, self.reference_, self._weights = theta, X, weights
        return self

    def transform(self, X):
        """
        Compute the distances of clouds to the reference.

        Parameters
        ----------
        X : list of arrays of shape (n_i, d)
            Clouds, with uniform weights.

        Returns
        -------
        ndarray of shape (n_clouds, 1)
            Their distances, in float64.
        """
        check_is_fitted(self)
        clouds = self._check_clouds(X)
        xp = array_namespace(X=self.reference_)
        (reference, *clouds), factor = in_range(
            self.p,
            (self.reference_, *clouds),
            (self._weights, *(None for _ in clouds)),
            xp,
            ("the reference", *_names(clouds)),
            clouds=True,
        )
        there = _profile(reference, self._weights, self._directions, xp)
        here = (_profile(cloud, None, self._directions, xp) for cloud in clouds)
        found = [self._distance(profile, there, xp) / factor for profile in here]
        return np.asarray(found)[:, None]

    def pairwise(self, X, *, n_jobs=None, callback=None):
        """
        Compute the distances of clouds among each other.

        Parameters
        ----------
        X : list of arrays of shape (n_i, d)
            Clouds, with uniform weights.
        n_jobs : int or None, default=None
            Jobs that joblib runs; None for one, or for what an active joblib backend says, as that of Dask.
        callback : callable or None, default=None
            Called with an ``IterationInfo`` after each block of pairs, its figure the share of the pairs
            done; no blocks are handed out after it returns True, and those that were are finished.

        Returns
        -------
        ndarray of shape (n_clouds, n_clouds)
            Symmetric, with a zero diagonal, in float64; NaN for the pairs that were not done when a callback
            stopped the work.
        """
        from joblib import Parallel, delayed

        check_is_fitted(self)
        clouds = self._check_clouds(X)
        xp = array_namespace(X=self.reference_)
        clouds, factor = in_range(self.p, clouds, [None] * len(clouds), xp, _names(clouds), clouds=True)
        largest = max(cloud.shape[0] for cloud in clouds) * self.directions_.shape[0] * 8
        size = max(1, min(len(clouds), _BLOCK_BYTES // (2 * largest)))
        blocks = [clouds[start:stop] for start, stop in block_ranges(len(clouds), size)]
        pairs = [(i, j) for i in range(len(blocks)) for j in range(i, len(blocks))]
        report, stopped = reporter(callback), False

        def tasks():
            for i, j in pairs:
                if stopped:
                    return
                yield delayed(self._block_distances)(blocks[i], blocks[j] if j > i else None)

        distances = np.full((len(clouds), len(clouds)), np.nan)
        np.fill_diagonal(distances, 0.0)
        results = Parallel(n_jobs=n_jobs, return_as="generator")(tasks())
        # After a stop there are fewer results than pairs: those that had begun.
        for done, ((i, j), block) in enumerate(zip(pairs, results, strict=False), start=1):
            rows = slice(i * size, i * size + block.shape[0])
            columns = slice(j * size, j * size + block.shape[1])
            distances[rows, columns] = block / factor
            distances[columns, rows] = block.T / factor
            stopped = stopped or report(done, done / len(pairs))
        return distances

    def get_feature_names_out(self, input_features=None):
        """
        Return the name of the column that `transform` returns.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (1,)
            The name.
        """
        check_is_fitted(self)
        return np.asarray(["slicedwasserstein0"], dtype=object)

    def _check_clouds(self, X):
        if array_api_compat.is_array_api_obj(X) and X.ndim == 2:
            remedy = "A single cloud goes into a list: [X]."
            raise ValueError(invalid("X", "a list of clouds", f"shape {tuple(X.shape)}", remedy))
        clouds = []
        for index, cloud in enumerate(X):
            _check_names(self, cloud)
            clouds.append(as_array(f"X[{index}]", cloud, 2))
        if not clouds:
            raise ValueError(invalid("X", "a list of at least one cloud", "an empty one"))
        xp = array_namespace(X=self.reference_)
        for index, cloud in enumerate(clouds):
            found = array_namespace(X=cloud)
            if found is not xp:
                raise TypeError(
                    invalid(
                        f"X[{index}]",
                        f"a {library_name(xp)} array, as in fit",
                        f"a {library_name(found)} array",
                        "Convert it explicitly.",
                    )
                )
            if cloud.shape[1] != self.n_features_in_:
                raise ValueError(
                    invalid(f"X[{index}]", f"of {self.n_features_in_} columns", f"shape {tuple(cloud.shape)}")
                )
        return [xp.astype(cloud, xp.float64, copy=False) for cloud in clouds]

    def _block_distances(self, first, second):
        """Return the distances between two lists of clouds, or within one where the second is None."""
        xp = array_namespace(X=first[0])
        rows = [_profile(cloud, None, self._directions, xp) for cloud in first]
        columns = [_profile(cloud, None, self._directions, xp) for cloud in second] if second else rows
        found = np.zeros((len(rows), len(columns)))
        for i, row in enumerate(rows):
            for j in range(0 if second else i + 1, len(columns)):
                found[i, j] = self._distance(row, columns[j], xp)
        return found if second else found + found.T

    def _distance(self, first, second, xp):
        """Return the distance of two profiles."""
        p, starts = float(self.p), self._directions.starts
        if first.weights is None and second.weights is None:
            x, y = first.quantiles, second.quantiles
            coupling = uniform_coupling(x.shape[1], y.shape[1], xp, x)
        else:
            (x, a), (y, b) = ((profile.quantiles, _weights_of(profile, xp)) for profile in (first, second))
            coupling = weighted_coupling(a, b, xp)
        values = np.asarray(to_host(coupling.mean(powers(coupling.differences(x, y, xp), p, xp), xp)))
        shift, theta = first.mean - second.mean, self._directions.theta
        if self.estimator == "monte_carlo" or shift.size == 1:
            power = grouped_mean(values, starts)[0]
        else:
            marginals = Marginals(theta @ shift, first.at_directions, second.at_directions)
            if self.estimator in ("lcv", "ucv"):
                trace = first.trace + second.trace
                power = published_mean(values, marginals, shift, trace, self.estimator, starts)[0]
            else:
                groups = self._directions.control
                flat = groups.reshape(-1, shift.size)

                def known():
                    at = flat @ shift if p != 2.0 else flat[:, 0]  # not needed for p = 2
                    control = Marginals(at, first.at_controls, second.at_controls)
                    return gaussian_mean(control, shift, groups.shape[:2], p)

                power = controlled_mean(values, marginals, starts, p, known, self.estimator)[0]
        return max(power, 0.0) ** (1.0 / p)


def _names(clouds):
    """Return what messages call the clouds of a list."""
    return [f"X[{index}]" for index in range(len(clouds))]


def _check_names(estimator, X):
    """Raise ValueError if the columns of a data frame are not those of the fitted one."""
    if hasattr(estimator, "feature_names_in_") and hasattr(X, "columns"):
        validate_data(estimator, X, reset=False, skip_check_array=True)


def _profile(X, weights, directions, xp):
    """Return the profile of a cloud in float64."""
    projected = from_host(directions.theta, xp, X) @ X.T
    if weights is None:
        quantiles, sorted_weights = xp.sort(projected, axis=1, stable=False), None
    else:
        quantiles, sorted_weights, _ = ordered(projected, weights, xp)
    mean, covariance = moments_of(X, weights, xp)
    flat = directions.control.reshape(-1, mean.size)
    return _Profile(
        quantiles,
        sorted_weights,
        mean,
        float(np.trace(covariance)),
        deviations(covariance, directions.theta),
        deviations(covariance, flat),
    )


def _weights_of(profile, xp):
    """Return the weights of the quantiles of a profile, (L, n)."""
    if profile.weights is not None:
        return profile.weights
    rows, n = profile.quantiles.shape
    row = uniform_if_none(None, profile.quantiles, xp)
    return xp.broadcast_to(row[None, :], (rows, n)) + xp.zeros((rows, 1), dtype=xp.float64)


class SlicedWassersteinFlow(BaseEstimator):
    """
    A cloud moved onto another along the gradient of their sliced Wasserstein distance.

    Each step moves every point towards the mean of its images on the projections, a cheap stand-in for the
    map of full optimal transport. A step costs O(L (n + m) (d + log(n + m))).

    Parameters
    ----------
    n_iter : int, default=100
        Steps.
    learning_rate : float, default=0.5
        Step length, positive: at 1 each point goes all the way to its image as seen by the directions of the
        step; above 2 the flow diverges.
    n_projections : int, default=100
        Directions of a step, drawn anew each time; ignored where ``directions`` are given.
    p : float, default=2
        Order of the distance, at least 1. Steps scale as the gradient of ``SW_p ** p``, so only p = 2 has a
        natural length.
    estimator : str, default="auto"
        As in `sliced_wasserstein_gradient`.
    directions : str or array of shape (L, d), default="auto"
        "iid", "orthogonal", "qmc" or "auto", as in `sliced_wasserstein`; or unit vectors as rows, the same
        for all steps, whose number then takes the place of ``n_projections``.
    n_snapshots : int, default=0
        Clouds to keep along the way, evenly spaced in the steps: the end, from two on the start too.
    random_state : None, int, RandomState or Generator, default=None
        Source of the directions.

    Attributes
    ----------
    embedding_ : array of shape (n, d)
        The cloud at the end.
    history_ : ndarray of shape (n_steps,)
        Estimate of ``SW_p ** p`` before each step.
    snapshots_ : list of arrays of shape (n, d)
        Clouds along the way, ``n_snapshots`` of them unless a callback stopped the flow.
    n_iter_ : int
        Steps that were made.
    n_features_in_ : int
        Dimension of the space.
    feature_names_in_ : array of shape (d,)
        Names of the features of the cloud, if it had them.

    See Also
    --------
    sliced_wasserstein_gradient : The gradient of one step.
    EntropicTransport : A map to another cloud that applies to new points too.

    Notes
    -----
    ``x_i <- x_i - learning_rate * k n / 2 * dSW_2^2 / dx_i`` with k the smaller of the
    dimension and the number of directions. Plain gradient descent at rate r on n times the distance, as in
    the paper, is ``learning_rate = 2 r / k``.

    References
    ----------
    .. [1] K. Nguyen and N. Ho, "Sliced Wasserstein Estimation with Control Variates", ICLR 2024,
       arXiv:2305.00402.
    .. [2] F. Pitié, A. C. Kokaram and R. Dahyot, "Automated colour grading using colour distribution
       transfer", Computer Vision and Image Understanding 107, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import SlicedWassersteinFlow
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.standard_normal((200, 2)), rng.uniform(size=(300, 2))
    >>> flow = SlicedWassersteinFlow(n_iter=20, random_state=0).fit(X, Y)
    >>> bool(flow.history_[-1] < 1e-2 * flow.history_[0])
    True
    """

    def __init__(
        self,
        n_iter=100,
        learning_rate=0.5,
        n_projections=100,
        p=2,
        estimator="auto",
        directions="auto",
        n_snapshots=0,
        random_state=None,
    ):
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.n_projections = n_projections
        self.p = p
        self.estimator = estimator
        self.directions = directions
        self.n_snapshots = n_snapshots
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags._skip_test = True  # fits two clouds
        return tags

    def fit(self, X, Y, sample_weight=None, target_weight=None, *, callback=None):
        """
        Move the cloud ``X`` onto ``Y``.

        Parameters
        ----------
        X : array of shape (n, d)
            The cloud to move.
        Y : array of shape (m, d)
            Where it goes.
        sample_weight : array of shape (n,) or None, default=None
            Weights of ``X``, non-negative; None for uniform. Shares below 1e-200 count as zero, and points of
            weight zero do not move.
        target_weight : array of shape (m,) or None, default=None
            Weights of ``Y``.
        callback : callable or None, default=None
            Called with an ``IterationInfo`` after each step, its figure the power before it; stops the flow
            when it returns True.

        Returns
        -------
        SlicedWassersteinFlow
            The fitted estimator.
        """
        n_iter = check_integer("n_iter", self.n_iter, 1)
        rate = check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        n_snapshots = check_integer("n_snapshots", self.n_snapshots, 0, n_iter + 1)
        rng = as_rng(self.random_state, "random_state")
        with unchanged_on_error(self):
            X = validate_table(self, X, reset=True)
            _check_names(self, Y)
            Y = as_array("Y", Y, 2)
            xp, (n, d) = array_namespace(X=X, Y=Y), X.shape
            weights = check_weights("sample_weight", sample_weight, n, True, X, xp)
            # A point of weight zero does not move: no gradient tells it where to.
            if weights is None:
                inverse = n
            else:
                weights = xp.where(weights < _NO_WEIGHT, 0.0, weights)  # the inverse would overflow
                positive = weights > 0.0
                inverse = xp.where(positive, 1.0 / xp.where(positive, weights, 1.0), 0.0)[:, None]
            dtype = output_dtype_name("X", X.dtype)
            position = xp.astype(X, xp.float64)
            size = min(d, check_directions(self.directions, self.n_projections, d)[2])
            keep = {round(step) for step in np.linspace(n_iter, 0, n_snapshots)}
            report, history, snapshots = reporter(callback), [], []
            for step in range(n_iter + 1):
                if step in keep:
                    snapshots.append(xp.astype(position, dtype_of(xp, dtype)))
                if step == n_iter:
                    break
                power, gradient = sliced_wasserstein_gradient(
                    position,
                    Y,
                    weights,
                    target_weight,
                    p=self.p,
                    n_projections=self.n_projections,
                    estimator=self.estimator,
                    directions=self.directions,
                    rng=rng,
                    normalize=True,
                )
                position = position - (rate * 0.5 * size) * inverse * gradient
                history.append(power)
                if report(step + 1, power):
                    break
            self.embedding_ = xp.astype(position, dtype_of(xp, dtype))
            self.history_, self.snapshots_ = np.asarray(history), snapshots
            self.n_iter_ = len(history)
        return self

    def fit_transform(self, X, Y, sample_weight=None, target_weight=None):
        """
        Move the cloud ``X`` onto ``Y`` and return it.

        Parameters
        ----------
        X : array of shape (n, d)
            The cloud to move.
        Y : array of shape (m, d)
            Where it goes.
        sample_weight : array of shape (n,) or None, default=None
            Weights of ``X``.
        target_weight : array of shape (m,) or None, default=None
            Weights of ``Y``.

        Returns
        -------
        array of shape (n, d)
            The cloud at the end.
        """
        return self.fit(X, Y, sample_weight, target_weight).embedding_
