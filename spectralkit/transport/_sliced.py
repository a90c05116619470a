"""Sliced Wasserstein distances with control variates, standard errors and gradients."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import array_api_compat
import numpy as np

from spectralkit._core.checks import check_flag, check_integer, check_number, check_option, invalid
from spectralkit._core.dtypes import dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, is_numpy, to_host
from spectralkit._core.parallel import PARALLEL_THRESHOLD, block_ranges
from spectralkit._core.random import as_rng
from spectralkit._core.results import Result
from spectralkit.transport._arguments import as_array
from spectralkit.transport._control_variates import (
    controlled_mean,
    fitted_slope,
    gaussian_mean,
    grouped_mean,
    normal_moment,
    project_moments,
    published_mean,
    published_variate,
)
from spectralkit.transport._directions import KINDS, control_directions, draw, randomised
from spectralkit.transport._one_dimension import (
    check_weights,
    common_dtype,
    in_range,
    ordered,
    powers,
    row_powers,
    tolerance_of,
    uniform_coupling,
    uniform_if_none,
    unscaled,
    weighted_coupling,
)

ESTIMATORS = ("auto", "monte_carlo", "lcv", "ucv", "gaussian")
# Projections in one block, where sorting or where the matrix product takes most of the time.
_SORTED_ELEMENTS, _PRODUCT_ELEMENTS = 1 << 17, 1 << 21
# Squared length of a mean, over the total variance, that costs the covariance one digit at the most.
_SAFE_MEAN = 10.0
# Entries centred at a time otherwise, and rows at the least: in cache, but no thin product.
_CENTRED_ELEMENTS, _BLOCK_ROWS = 1 << 15, 256


@dataclass(frozen=True, repr=False, eq=False)
class SlicedWassersteinResult(Result):
    """
    An estimate of a sliced Wasserstein distance, with its standard error.

    Attributes
    ----------
    distance : float
        The distance, ``max(power, 0) ** (1 / p)``.
    power : float
        Estimate of ``SW_p ** p`` before any clipping: it may be negative where the variance was reduced.
    standard_error : float
        Standard error of ``power`` from independent randomisations, widened by Student's factor so that
        ``power`` plus or minus twice this covers the truth about 95 times in 100, below sixteen directions
        nearer 87 on skewed data; infinite where there is only one randomisation, zero in one dimension, where
        nothing is random.
    n_projections : int
        Directions that clouds were projected on.
    estimator : str
        The estimator that was used.
    directions : str
        The kind of directions that was used; "given" where an array was passed.
    clipped : bool
        Whether ``power`` is negative and ``distance`` therefore zero.
    """

    distance: float
    power: float
    standard_error: float
    n_projections: int
    estimator: str
    directions: str
    clipped: bool


@dataclass(frozen=True)
class Clouds:
    """Two checked clouds in float64, scaled by a power of two where their powers would leave the range."""

    X: object
    Y: object
    a: object
    b: object
    p: float
    factor: float
    dtype: str
    """Name of the dtype that both were given in, float64 where they differ."""
    xp: object

    @property
    def d(self):
        """Dimension of the space."""
        return self.X.shape[1]

    def exchanged(self):
        """Return the clouds in the other order."""
        return Clouds(self.Y, self.X, self.b, self.a, self.p, self.factor, self.dtype, self.xp)

    def moments(self):
        """Return mean and covariance of both clouds, on the host."""
        return moments_of(self.X, self.a, self.xp), moments_of(self.Y, self.b, self.xp)


@dataclass(frozen=True)
class Moments:
    """Moments of two clouds, in the range of their differences where that has fewer dimensions; on the host.

    A direction of the space projects on the range to a uniform direction there and, independent of it, a
    length. So a function of directions in the range that is homogeneous of degree p has a mean over the
    sphere of the space that is a known multiple of the one over the sphere of the range.
    """

    mean: np.ndarray
    """Mean of the first cloud in the space."""
    shift: np.ndarray
    """Difference of the means in the space."""
    both: tuple
    """Mean and covariance of each cloud, in the range."""
    basis: object
    """(d, r), orthonormal columns; None where the range is taken as the space."""
    gain: float
    """The multiple, 1 where the range is taken as the space."""

    @property
    def r(self):
        """Dimensions of the range."""
        return self.both[0][0].size

    def along(self, theta):
        """Return the marginals along directions of the space."""
        return project_moments(self.both, theta if self.basis is None else theta @ self.basis)

    @property
    def trace(self):
        """Sum of all variances."""
        return sum(float(np.trace(covariance)) for _, covariance in self.both)


def moments_in_range(clouds):
    """Return the moments of two clouds in at most n + m dimensions."""
    X, Y, xp, d, p = clouds.X, clouds.Y, clouds.xp, clouds.d, clouds.p
    r = X.shape[0] + Y.shape[0]
    if d <= r:
        both = clouds.moments()
        return Moments(both[0][0], both[0][0] - both[1][0], both, None, 1.0)
    from scipy.special import gammaln

    mean_x, mean_y = (
        uniform_if_none(w, points[:, 0], xp) @ points for w, points in ((clouds.a, X), (clouds.b, Y))
    )
    shift = mean_x - mean_y
    basis = range_basis(X, Y, shift, xp)
    both = tuple(moments_of((points - mean_y) @ basis, w, xp) for points, w in ((X, clouds.a), (Y, clouds.b)))
    gain = (
        r / d
        if p == 2.0
        else math.exp(gammaln((r + p) / 2) - gammaln(r / 2) - (gammaln((d + p) / 2) - gammaln(d / 2)))
    )
    mean_x, shift, basis = (np.asarray(to_host(array)) for array in (mean_x, shift, basis))
    return Moments(mean_x, shift, both, basis, gain)


def range_basis(X, Y, shift, xp):
    """Return orthonormal columns that span all differences of the points, (d, n + m)."""
    return xp.linalg.qr(xp.concat([X - X[:1, :], Y[1:, :] - Y[:1, :], shift[None, :]]).T)[0]


def make_clouds(X, Y, a, b, p, normalize):
    """Check the arguments that all sliced functions share."""
    p = check_number("p", p, 1.0)
    normalize = check_flag("normalize", normalize)
    X, Y = as_array("X", X, 2), as_array("Y", Y, 2)
    xp = array_namespace(X=X, Y=Y)
    if X.shape[1] != Y.shape[1]:
        remedy = "Both clouds must lie in the same space."
        raise ValueError(invalid("Y", f"of shape (m, {X.shape[1]})", f"shape {tuple(Y.shape)}", remedy))
    a = check_weights("a", a, X.shape[0], normalize, X, xp)
    b = check_weights("b", b, Y.shape[0], normalize, Y, xp)
    dtype = common_dtype(X, Y)
    (X, Y), factor = in_range(p, (X, Y), (a, b), xp, ("X", "Y"), clouds=True)
    return Clouds(X, Y, a, b, p, factor, dtype, xp)


def moments_of(X, weights, xp):
    """Return the mean and the covariance (divided by n, not n - 1) of a cloud, on the host."""
    n, d = X.shape
    uniform = weights is None
    if uniform:
        # As a product, which is faster than a sum along the long axis.
        weights = xp.full(n, 1.0 / n, dtype=X.dtype, device=array_api_compat.device(X))
    mean = weights @ X
    square = float(mean @ mean)
    if uniform:
        covariance = X.T @ X / n - mean[:, None] * mean[None, :]
        if square <= _SAFE_MEAN * float(xp.linalg.trace(covariance)):
            return np.asarray(to_host(mean)), np.asarray(to_host(covariance))
    # A mean far larger than the spread would swallow it: centred first, in blocks, to copy no cloud.
    covariance = xp.zeros((d, d), dtype=X.dtype, device=array_api_compat.device(X))
    for start, stop in block_ranges(n, max(_BLOCK_ROWS, _CENTRED_ELEMENTS // d)):
        centred = X[start:stop, :] - mean
        covariance = covariance + (centred * weights[start:stop][:, None]).T @ centred
    return np.asarray(to_host(mean)), np.asarray(to_host(covariance))


def check_directions(directions, n_projections, d):
    """Return the kind of directions, or the given ones, and their number."""
    if isinstance(directions, str) or directions is None:
        n_projections = check_integer("n_projections", n_projections, 1)
        check_option("directions", directions, ("auto", *KINDS))
        if directions == "auto":
            directions = "qmc" if d <= 3 else "orthogonal"
        return directions, None, n_projections
    given = as_array("directions", directions)
    theta = np.asarray(to_host(given), dtype=np.float64)
    if theta.ndim != 2 or theta.shape[1] != d:
        raise ValueError(invalid("directions", f"of shape (L, {d})", f"shape {theta.shape}"))
    norms = np.linalg.norm(theta, axis=1)
    worst = float(norms[np.argmax(np.abs(norms - 1.0))])
    if not abs(worst - 1.0) <= tolerance_of(given):
        raise ValueError(invalid("directions", "unit vectors as rows", f"a row of norm {worst:.9g}"))
    return "given", theta / norms[:, None], theta.shape[0]


def over_blocks(theta, n_points, xp, make):
    """
    Return what a function returns for each block of directions, on several threads if that pays.

    Parameters
    ----------
    theta : ndarray of shape (L, d)
        Directions.
    n_points : int
        Points that each direction projects.
    xp : namespace
        The array library.
    make : callable
        ``make(size)`` returns the function of a block of at most ``size`` directions, with work arrays of its
        own: it is called once for each thread.

    Returns
    -------
    list
        What was returned, in the order of the blocks.
    """
    # In few dimensions time goes into sorting, in cache; in many into a product, which likes many rows.
    elements = _SORTED_ELEMENTS if theta.shape[1] <= 8 else _PRODUCT_ELEMENTS
    size = min(theta.shape[0], max(8, min(64, elements // n_points)))
    blocks = [theta[start:stop] for start, stop in block_ranges(theta.shape[0], size)]
    workers = 1
    if is_numpy(xp) and theta.shape[0] * n_points >= PARALLEL_THRESHOLD:
        import numba  # for its budget of threads, which spectralkit.threads sets

        workers = min(numba.get_num_threads(), len(blocks))
    found = [None] * len(blocks)

    def work(first):
        function = make(size)
        for index in range(first, len(blocks), workers):
            found[index] = function(blocks[index])

    if workers == 1:
        work(0)
        return found
    # Sorting, which takes most of the time, holds no lock.
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    return found


def directional_powers(clouds, theta):
    """Return ``W_p^p`` of the projections on each direction, on the host."""
    xp, X, Y = clouds.xp, clouds.X, clouds.Y

    def make(size):
        if is_numpy(xp):
            rows_x, rows_y = np.empty((size, X.shape[0])), np.empty((size, Y.shape[0]))

        def block_powers(block):
            if is_numpy(xp):
                x = np.matmul(block, X.T, out=rows_x[: len(block)])
                y = np.matmul(block, Y.T, out=rows_y[: len(block)])
            else:
                block = from_host(block, xp, X)
                x, y = block @ X.T, block @ Y.T
            return np.asarray(to_host(row_powers(x, y, clouds.a, clouds.b, clouds.p, xp)))

        return block_powers

    return np.concatenate(over_blocks(theta, X.shape[0] + Y.shape[0], xp, make))


def sliced_wasserstein(
    X,
    Y,
    a=None,
    b=None,
    *,
    p=2,
    n_projections=100,
    estimator="auto",
    directions="auto",
    rng=None,
    normalize=False,
):
    """
    Estimate the sliced Wasserstein distance of two weighted clouds, with its standard error.

    The mean over directions of the Wasserstein distance of the projections: a distance of clouds that costs
    O(L (n + m) (d + log(n + m))) and O(n + m) memory. A control variate with a known mean takes out what the
    means and covariances explain: on clouds in few dimensions that is worth a thousand times the projections.
    It costs O((n + m) r d + r^3) time and O(r (r + d)) memory more, r the smaller of d and n + m, and most of
    the time where r is larger than L.

    Parameters
    ----------
    X : array of shape (n, d)
        First cloud.
    Y : array of shape (m, d)
        Second cloud.
    a : array of shape (n,) or None, default=None
        Weights of the points of ``X``, of sum 1; None for uniform.
    b : array of shape (m,) or None, default=None
        Weights of the points of ``Y``, of sum 1; None for uniform.
    p : float, default=2
        Order of the distance, at least 1. Powers below 1e-308 count as zero, which p in the thousands gives.
    n_projections : int, default=100
        Directions to project on; ignored where ``directions`` are given.
    estimator : str, default="auto"
        "monte_carlo" (the plain mean), "lcv" and "ucv" (the quadratic control variates of [1]_), "gaussian"
        (the distance of Gaussians with the same moments), or "auto": "gaussian" unless it is uncorrelated.
    directions : str or array of shape (L, d), default="auto"
        "iid", "orthogonal" or "qmc", see `random_directions`; unit vectors as rows; or "auto": "qmc" up to
        three dimensions, "orthogonal" above.
    rng : None, int or numpy.random.Generator, default=None
        Source of the directions.
    normalize : bool, default=False
        Whether to divide weights by their sum instead of raising when it is not 1.

    Returns
    -------
    SlicedWassersteinResult
        Fields ``distance``, ``power`` (distance to the power p before any clipping), ``standard_error`` (of
        ``power``), ``n_projections``, ``estimator``, ``directions`` and ``clipped``.

    Raises
    ------
    ValueError
        If dimensions differ, a cloud is empty or not finite, weights are negative, not finite or do not sum
        to 1, or an option is out of range.
    TypeError
        If arrays are complex, of an unsupported dtype, or of different libraries.

    See Also
    --------
    sliced_wasserstein_distance : The distance alone.
    sliced_wasserstein_gradient : The power and its gradient.
    sinkhorn_divergence : A distance that transports in all dimensions at once.

    Notes
    -----
    ``SW_p^p = E W_p^p(theta)`` over uniform unit vectors. For p = 2 a projection has

    ``W_2^2(theta) = (theta'delta)^2 + s(theta)^2 + t(theta)^2 - 2 c(theta)``

    with the difference of the means, both deviations, and the covariance c of the quantiles, which is at
    most ``s t`` and equals it for clouds of one location-scale family. "gaussian" subtracts
    ``(theta'delta)^2 + (s - t)^2`` with slope 1, which leaves the estimate unbiased, and adds its mean,
    known exactly but for ``E (s - t)^2``, which takes no projection of points to compute. It is exact on
    translations, isotropic scalings and single points. For other p the control variate is ``E |m + (s - t)
    z|^p``. "lcv" and "ucv" fit a slope to the same directions, as published, which costs a bias of the
    order 1 / L.

    The standard error comes from at least eight independent randomisations (single directions, orthonormal
    blocks, or rotations of an even set), by Student's t; fewer than sixteen directions are always
    independent.

    References
    ----------
    .. [1] K. Nguyen and N. Ho, "Sliced Wasserstein Estimation with Control Variates", ICLR 2024,
       arXiv:2305.00402.
    .. [2] N. Bonneel, J. Rabin, G. Peyré and H. Pfister, "Sliced and Radon Wasserstein Barycenters of
       Measures", Journal of Mathematical Imaging and Vision 51, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import sliced_wasserstein
    >>> X = np.random.default_rng(0).standard_normal((500, 3))
    >>> result = sliced_wasserstein(X, X + [3.0, 0.0, 0.0], rng=0)
    >>> round(result.power, 12)  # the squared length of the shift over d
    3.0
    """
    check_option("estimator", estimator, ESTIMATORS)
    clouds = make_clouds(X, Y, a, b, p, normalize)
    kind, theta, n_projections = check_directions(directions, n_projections, clouds.d)
    rng = as_rng(rng, "rng")
    if theta is None:
        theta, starts = randomised(n_projections, clouds.d, kind, rng)
    else:
        starts = np.arange(theta.shape[0])
    values = directional_powers(clouds, theta)
    if clouds.d == 1:
        power, error = float(values[0]), 0.0
        estimator = "monte_carlo" if estimator == "auto" else estimator
    elif estimator == "monte_carlo":
        power, error = grouped_mean(values, starts)
    else:
        power, error, estimator = _with_control(clouds, values, theta, starts, estimator, rng)
    return SlicedWassersteinResult(
        distance=max(power, 0.0) ** (1.0 / clouds.p) / clouds.factor,
        power=unscaled(power, clouds.factor, clouds.p),
        standard_error=unscaled(error, clouds.factor, clouds.p),
        n_projections=theta.shape[0],
        estimator=estimator,
        directions=kind,
        clipped=power < 0.0,
    )


def _with_control(clouds, values, theta, starts, estimator, rng):
    """Return the mean with a control variate, its standard error and the estimator used."""
    moments = moments_in_range(clouds)
    marginals = moments.along(theta)
    if estimator in ("lcv", "ucv"):
        found = published_mean(values, marginals, moments.shift, moments.trace, estimator, starts)
        return *found, estimator

    def known():
        groups = control_directions(moments.r, theta.shape[0], rng)
        control = project_moments(moments.both, groups.reshape(-1, moments.r))
        shift = moments.both[0][0] - moments.both[1][0]
        mean, error = gaussian_mean(control, shift, groups.shape[:2], clouds.p)
        return moments.gain * mean, moments.gain * error

    return controlled_mean(values, marginals, starts, clouds.p, known, estimator)


def sliced_wasserstein_distance(
    X,
    Y,
    a=None,
    b=None,
    *,
    p=2,
    n_projections=100,
    estimator="auto",
    directions="auto",
    rng=None,
    normalize=False,
):
    """
    Estimate the sliced Wasserstein distance of two weighted clouds.

    `sliced_wasserstein` with the distance alone, at the same cost: O(L (n + m) (d + log(n + m))), and
    O((n + m) r d + r^3) for the control variate, r the smaller of d and n + m.

    Parameters
    ----------
    X : array of shape (n, d)
        First cloud.
    Y : array of shape (m, d)
        Second cloud.
    a : array of shape (n,) or None, default=None
        Weights of the points of ``X``, of sum 1; None for uniform.
    b : array of shape (m,) or None, default=None
        Weights of the points of ``Y``, of sum 1; None for uniform.
    p : float, default=2
        Order of the distance, at least 1. Powers below 1e-308 count as zero, which p in the thousands gives.
    n_projections : int, default=100
        Directions to project on; ignored where ``directions`` are given.
    estimator : str, default="auto"
        "monte_carlo" (the plain mean), "lcv" and "ucv" (the quadratic control variates of [1]_), "gaussian"
        (the distance of Gaussians with the same moments), or "auto": "gaussian" unless it is uncorrelated.
    directions : str or array of shape (L, d), default="auto"
        "iid", "orthogonal" or "qmc", see `random_directions`; unit vectors as rows; or "auto": "qmc" up to
        three dimensions, "orthogonal" above.
    rng : None, int or numpy.random.Generator, default=None
        Source of the directions.
    normalize : bool, default=False
        Whether to divide weights by their sum instead of raising when it is not 1.

    Returns
    -------
    float
        The distance, in the units of the points.

    Raises
    ------
    ValueError
        If dimensions differ, a cloud is empty or not finite, weights are negative, not finite or do not sum
        to 1, or an option is out of range.
    TypeError
        If arrays are complex, of an unsupported dtype, or of different libraries.

    See Also
    --------
    sliced_wasserstein : The same with a standard error, and the formulas.

    References
    ----------
    .. [1] K. Nguyen and N. Ho, "Sliced Wasserstein Estimation with Control Variates", ICLR 2024,
       arXiv:2305.00402.

    Examples
    --------
    >>> from spectralkit.transport import sliced_wasserstein_distance
    >>> round(sliced_wasserstein_distance([[0.0, 0.0]], [[3.0, 4.0]], rng=0) ** 2, 12)  # 5 ** 2 / d
    12.5
    """
    return sliced_wasserstein(
        X,
        Y,
        a,
        b,
        p=p,
        n_projections=n_projections,
        estimator=estimator,
        directions=directions,
        rng=rng,
        normalize=normalize,
    ).distance


def sliced_wasserstein_gradient(
    X,
    Y,
    a=None,
    b=None,
    *,
    p=2,
    n_projections=100,
    estimator="auto",
    directions="auto",
    rng=None,
    normalize=False,
):
    """
    Estimate the p-th power of the sliced Wasserstein distance and its gradient by the points of ``X``.

    What gradient flows and fits of generative models need. Costs a few times `sliced_wasserstein`, with and
    without a control variate, because the order of the points is needed too. For "gaussian" the
    gradient is that of the returned power, control variate included, with all directions held fixed.

    Parameters
    ----------
    X : array of shape (n, d)
        First cloud.
    Y : array of shape (m, d)
        Second cloud.
    a : array of shape (n,) or None, default=None
        Weights of the points of ``X``, of sum 1; None for uniform.
    b : array of shape (m,) or None, default=None
        Weights of the points of ``Y``, of sum 1; None for uniform.
    p : float, default=2
        Order of the distance, at least 1. Powers below 1e-308 count as zero, which p in the thousands gives.
    n_projections : int, default=100
        Directions to project on; ignored where ``directions`` are given.
    estimator : str, default="auto"
        "monte_carlo" (the plain mean), "lcv" and "ucv" (the quadratic control variates of [1]_), "gaussian"
        (the distance of Gaussians with the same moments), or "auto": "gaussian" unless it is uncorrelated.
    directions : str or array of shape (L, d), default="auto"
        "iid", "orthogonal" or "qmc", see `random_directions`; unit vectors as rows; or "auto": "qmc" up to
        three dimensions, "orthogonal" above.
    rng : None, int or numpy.random.Generator, default=None
        Source of the directions.
    normalize : bool, default=False
        Whether to divide weights by their sum instead of raising when it is not 1.

    Returns
    -------
    float
        Estimate of ``SW_p ** p``.
    array of shape (n, d)
        Its gradient, of the library and dtype of ``X``.

    Raises
    ------
    ValueError
        If dimensions differ, a cloud is empty or not finite, weights are negative, not finite or do not sum
        to 1, or an option is out of range.
    TypeError
        If arrays are complex, of an unsupported dtype, or of different libraries.

    See Also
    --------
    sliced_wasserstein : The power with a standard error.
    SlicedWassersteinFlow : A cloud moved along minus this gradient.

    Notes
    -----
    The derivative by point i is the mean over directions of ``a_i p |r|^(p - 1) sign(r)
    theta``, r the projected point minus its image under the monotone plan; where a point is split, the mean
    over its parts. Each control variate is corrected by the difference of its gradient at these directions
    and its mean. The slopes of "lcv" and "ucv" are frozen at their fitted values: they are functions of the
    same few directions, and to differentiate through them, as the published code does, makes the gradient a
    biased one; what is left is the bias of the order 1 / L that a fitted slope has.

    References
    ----------
    .. [1] K. Nguyen and N. Ho, "Sliced Wasserstein Estimation with Control Variates", ICLR 2024,
       arXiv:2305.00402.
    .. [2] N. Bonneel, J. Rabin, G. Peyré and H. Pfister, "Sliced and Radon Wasserstein Barycenters of
       Measures", Journal of Mathematical Imaging and Vision 51, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import sliced_wasserstein_gradient
    >>> X = np.random.default_rng(0).standard_normal((200, 3))
    >>> power, gradient = sliced_wasserstein_gradient(X + [3.0, 0.0, 0.0], X, rng=0)
    >>> np.allclose(gradient.sum(axis=0), [2.0, 0.0, 0.0])  # that of 3 ** 2 / d
    True
    """
    check_option("estimator", estimator, ESTIMATORS)
    clouds = make_clouds(X, Y, a, b, p, normalize)
    xp, d = clouds.xp, clouds.d
    kind, theta, n_projections = check_directions(directions, n_projections, d)
    rng = as_rng(rng, "rng")
    if theta is None:
        # No standard error is asked for, so all directions make one evenly spread set.
        theta = draw(n_projections, d, kind, rng)
    values, gradient = directional_gradient(clouds, theta)
    if d == 1 or estimator == "monte_carlo":
        power = float(values.mean())
    else:
        moments = moments_in_range(clouds)
        if estimator in ("lcv", "ucv"):
            power, mean_part, spreads = _published_correction(moments, values, theta, estimator)
        else:
            power, mean_part, spreads = _gaussian_correction(moments, values, theta, clouds.p, rng)
        centred = clouds.X - from_host(moments.mean, xp, clouds.X)
        correction = from_host(mean_part, xp, clouds.X)
        for rows, middle in spreads:
            correction = correction + _sandwiched(centred, rows, middle, xp)
        gradient = gradient - uniform_if_none(clouds.a, clouds.X[:, 0], xp)[:, None] * correction
    gradient = unscaled(gradient, clouds.factor, clouds.p - 1.0)
    dtype = output_dtype_name("X", X.dtype) if array_api_compat.is_array_api_obj(X) else "float64"
    power = unscaled(power, clouds.factor, clouds.p)
    with np.errstate(over="ignore"):
        return power, xp.astype(gradient, dtype_of(xp, dtype), copy=False)


def _sandwiched(points, rows, middle, xp):
    """Return ``points A' S A``; None for A is the identity, a vector for S a diagonal."""
    middle = from_host(middle, xp, points)
    if rows is None:
        return points @ middle
    rows = from_host(rows, xp, points)
    part = points @ rows.T
    return (part * middle if middle.ndim == 1 else part @ middle) @ rows


def directional_gradient(clouds, theta):
    """Return ``W_p^p`` along each direction, on the host, and the gradient of their mean by ``X``."""
    xp, n_points = clouds.xp, clouds.X.shape[0] + clouds.Y.shape[0]

    def make(size):
        def block_gradient(block):
            block = from_host(block, xp, clouds.X)
            values, slopes = point_slopes(clouds, block)
            return values, slopes.T @ block

        return block_gradient

    parts = over_blocks(theta, n_points, xp, make)
    gradient = parts[0][1]
    for _, part in parts[1:]:
        gradient = gradient + part
    return np.concatenate([values for values, _ in parts]), gradient / theta.shape[0]


def point_slopes(clouds, theta):
    """Return ``W_p^p`` along each direction, on the host, and its derivative by each projected point of X."""
    X, Y, p, xp = clouds.X, clouds.Y, clouds.p, clouds.xp
    a, b = (uniform_if_none(w, points[:, 0], xp) for w, points in ((clouds.a, X), (clouds.b, Y)))
    x, a, order = ordered(theta @ X.T, a, xp)
    if clouds.a is None and clouds.b is None:
        y, coupling = (
            xp.sort(theta @ Y.T, axis=1, stable=False),
            uniform_coupling(X.shape[0], Y.shape[0], xp, X),
        )
    else:
        y, b, _ = ordered(theta @ Y.T, b, xp)
        coupling = weighted_coupling(a, b, xp)
    differences = coupling.differences(x, y, xp)
    values = coupling.mean(powers(differences, p, xp), xp)
    size = powers(xp.abs(differences), p - 1.0, xp) if p > 1.0 else xp.ones_like(differences)
    slopes = coupling.by_source(p * size * xp.sign(differences), xp)
    return np.asarray(to_host(values)), xp.take_along_axis(
        slopes, xp.argsort(order, axis=1, stable=False), axis=1
    )


def _gaussian_correction(moments, values, theta, p, rng):
    """Return the power with the Gaussian control variate, and what its gradient adds by mean and by spread.

    The slope is 1, so power and gradient belong together: one is the derivative of the other. The part by
    spread is a list of ``(A, S)`` for the sum of ``A' S A``: None for A is the identity, a vector for S a
    diagonal.
    """
    groups = control_directions(moments.r, theta.shape[0], rng)
    control = groups.reshape(-1, moments.r)
    marginals = moments.along(theta)
    value, by_mean, by_spread = _slopes(marginals, p)
    control_marginals = project_moments(moments.both, control)
    _, control_by_mean, control_by_spread = _slopes(control_marginals, p)
    shift = moments.both[0][0] - moments.both[1][0]
    known = gaussian_mean(control_marginals, shift, groups.shape[:2], p)[0]
    known_by_mean = 2.0 * shift / moments.r if p == 2.0 else control_by_mean @ control / len(control)
    known_by_spread = (control.T * control_by_spread) @ control / len(control)
    power = moments.gain * known + float((values - value).mean())
    spreads = _difference(moments, theta, by_spread / len(theta), moments.gain * known_by_spread)
    known_by_mean = moments.gain * known_by_mean
    if moments.basis is not None:
        known_by_mean = moments.basis @ known_by_mean
    return power, by_mean @ theta / len(theta) - known_by_mean, spreads


def _slopes(marginals, p):
    """Return the Gaussian control variate, and its derivatives by the mean and by half the variance."""
    value, by_mean, by_spread = normal_moment(marginals.shift, marginals.spread, p)
    # Where a deviation vanishes it is not differentiable; 0 is one of its subgradients.
    positive = marginals.first > 0.0
    return value, by_mean, np.where(positive, by_spread / np.where(positive, marginals.first, 1.0), 0.0)


def _difference(moments, theta, weights, known):
    """Return ``theta' diag(weights) theta - known``, as a list of ``(A, S)``; ``known`` is in the range."""
    if moments.basis is None:
        return [(None, (theta.T * weights) @ theta - known)]
    return [(theta, weights), (moments.basis.T, -known)]


def _published_correction(moments, values, theta, estimator):
    """Return the same for the control variates of the paper, their slope frozen.

    The derivative of the fitted slope would make the gradient of a few directions a biased one.
    """
    shift, d = moments.shift, theta.shape[1]
    centred = published_variate(moments.along(theta), shift, moments.trace, estimator)
    slope = fitted_slope(values, centred)
    by_mean = 2.0 * slope * ((theta @ shift) @ theta / len(theta) - shift / d)
    spreads = []
    if estimator == "ucv":
        scale = 2.0 * slope
        weights = np.full(len(theta), scale / len(theta))
        spreads = _difference(moments, theta, weights, scale / d * np.eye(moments.r))
    return float((values - slope * centred).mean()), by_mean, spreads
