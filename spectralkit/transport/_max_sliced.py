"""The largest sliced distance, and its smooth relative over von Mises-Fisher distributions."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectralkit._core.callbacks import reporter
from spectralkit._core.checks import check_integer, check_number, warn_not_converged
from spectralkit._core.dtypes import dtype_of
from spectralkit._core.namespaces import from_host, to_host
from spectralkit._core.random import as_rng
from spectralkit._core.results import Result
from spectralkit.transport._directions import draw
from spectralkit.transport._one_dimension import unscaled
from spectralkit.transport._sliced import directional_powers, make_clouds, point_slopes

# Steps of an ascent are doubled after a success and halved after a failure, so often at the most.
_HALVINGS = 40
# Steps in a row that raise the value by less than a tenth of the tolerance, after which an ascent ends.
_IDLE = 3
# Effective directions below which a weighted mean is not to be trusted.
_FEW = 10.0


@dataclass(frozen=True, repr=False, eq=False)
class MaxSlicedWassersteinResult(Result):
    """
    The largest Wasserstein distance among projections, and where it is.

    Attributes
    ----------
    distance : float
        ``max over theta of W_p``, a lower bound of it: the largest of the local maxima found.
    power : float
        ``distance ** p``.
    direction : array of shape (d,)
        Unit vector that attains it, of the library and dtype of the clouds.
    n_iter : int
        Steps of all ascents.
    converged : bool
        Whether the ascent that won met the tolerance.
    status : str
        What happened, and what to change.
    """

    distance: float
    power: float
    direction: Any
    n_iter: int
    converged: bool
    status: str


@dataclass(frozen=True, repr=False, eq=False)
class DistributionalSlicedWassersteinResult(Result):
    """
    The largest mean of sliced distances over a von Mises-Fisher distribution of directions.

    Attributes
    ----------
    distance : float
        ``power ** (1 / p)``.
    power : float
        Mean of ``W_p ** p`` over directions distributed about ``location``.
    location : array of shape (d,)
        Unit vector about which the distances are largest, of the library and dtype of the clouds.
    standard_error : float
        Standard error of ``power`` at that location; infinite where fewer than two directions are effective.
    effective_sample_size : float
        Number of equally weighted directions that would be as good as the weighted ones.
    n_projections : int
        Directions that clouds were projected on.
    n_iter : int
        Steps of all ascents.
    converged : bool
        Whether the ascent that won met the tolerance.
    status : str
        What happened, and what to change.
    """

    distance: float
    power: float
    location: Any
    standard_error: float
    effective_sample_size: float
    n_projections: int
    n_iter: int
    converged: bool
    status: str


def max_sliced_wasserstein(
    X,
    Y,
    a=None,
    b=None,
    *,
    p=2,
    rng=None,
    n_projections=100,
    n_starts=5,
    tol=1e-6,
    max_iter=200,
    callback=None,
    normalize=False,
):
    """
    Find the direction along which two clouds are farthest apart.

    A distance that sees the one direction in which clouds differ, where the sliced one averages it away;
    the direction itself says what the difference is. O(L + steps) sorts. The problem is not concave: the
    result is the best local maximum of several ascents, a lower bound.

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
    rng : None, int or numpy.random.Generator, default=None
        Source of the first directions.
    n_projections : int, default=100
        Directions that are tried before the ascents, beside those that the moments point to.
    n_starts : int, default=5
        Ascents, from the best of the first directions.
    tol : float, default=1e-6
        An ascent ends when the slope is at most this multiple of the value, or when three steps in a row each
        gain less than a tenth of it.
    max_iter : int, default=200
        Steps of one ascent at the most.
    callback : callable or None, default=None
        Called with an ``IterationInfo`` after each step, its figure the value; stops when it returns True.
    normalize : bool, default=False
        Whether to divide weights by their sum instead of raising when it is not 1.

    Returns
    -------
    MaxSlicedWassersteinResult
        Fields ``distance``, ``power``, ``direction``, ``n_iter``, ``converged`` and ``status``.

    Raises
    ------
    ValueError
        If dimensions differ, a cloud is empty or not finite, weights are negative, not finite or do not sum
        to 1, or an option is out of range.
    TypeError
        If arrays are complex, of an unsupported dtype, or of different libraries.

    Warns
    -----
    ConvergenceWarning
        If the winning ascent does not meet the tolerance.

    See Also
    --------
    sliced_wasserstein : The mean over all directions.
    distributional_sliced_wasserstein : Between the two.

    Notes
    -----
    ``max over unit theta of W_p(theta'X, theta'Y)``, by gradient steps along the sphere whose length doubles
    after a success and halves until Armijo's condition holds.

    References
    ----------
    .. [1] I. Deshpande et al., "Max-Sliced Wasserstein Distance and its Use for GANs", CVPR 2019,
       arXiv:1904.05877.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import max_sliced_wasserstein
    >>> X = np.random.default_rng(0).standard_normal((300, 4))
    >>> result = max_sliced_wasserstein(X, X + [0.0, 2.0, 0.0, 0.0], rng=0)
    >>> round(result.distance, 6), int(abs(result.direction).argmax())
    (2.0, 1)
    """
    clouds = make_clouds(X, Y, a, b, p, normalize)
    n_projections = check_integer("n_projections", n_projections, 1)
    n_starts = check_integer("n_starts", n_starts, 1)
    tol = check_number("tol", tol, 0.0, open_low=True)
    max_iter = check_integer("max_iter", max_iter, 1)
    theta = _candidates(clouds, n_projections, as_rng(rng, "rng"))
    values = directional_powers(clouds, theta)
    exchanged = clouds.exchanged()

    def function(direction):
        block = from_host(direction[None, :], clouds.xp, clouds.X)
        values, slopes_x = point_slopes(clouds, block)
        _, slopes_y = point_slopes(exchanged, block)
        gradient = (slopes_x @ clouds.X + slopes_y @ clouds.Y)[0, :]
        return float(values[0]), np.asarray(to_host(gradient))

    best = theta[np.argsort(-values, kind="stable")[:n_starts]]
    found = _ascend(function, best, tol, max_iter, callback)
    if not (found.converged or found.stopped):
        remedy = "Raise max_iter or tol."
        warn_not_converged("max_sliced_wasserstein", found.slope, tol, remedy)
    return MaxSlicedWassersteinResult(
        distance=found.value ** (1.0 / clouds.p) / clouds.factor,
        power=unscaled(found.value, clouds.factor, clouds.p),
        direction=_vector(found.point, clouds),
        n_iter=found.n_iter,
        converged=found.converged,
        status=found.status(tol, max_iter),
    )


def distributional_sliced_wasserstein(
    X,
    Y,
    a=None,
    b=None,
    *,
    concentration,
    p=2,
    rng=None,
    n_projections=1000,
    n_starts=5,
    tol=1e-6,
    max_iter=200,
    callback=None,
    normalize=False,
):
    """
    Find the von Mises-Fisher distribution of directions under which two clouds are farthest apart.

    Between the sliced distance, ``concentration=0``, and the largest one, which it tends to as the
    concentration grows. One set of directions serves all locations by importance weights, so that the
    search sorts nothing: O(L) sorts in all.

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
    concentration : float
        Concentration of the distribution, at least 0: directions spread over an angle of about
        ``sqrt((d - 1) / concentration)`` about the location.
    p : float, default=2
        Order of the distance, at least 1. Powers below 1e-308 count as zero, which p in the thousands gives.
    rng : None, int or numpy.random.Generator, default=None
        Source of the directions.
    n_projections : int, default=1000
        Directions to project on. High concentrations in many dimensions need many.
    n_starts : int, default=5
        Ascents, from the best of the first directions.
    tol : float, default=1e-6
        An ascent ends when the slope is at most this multiple of the value, or when three steps in a row each
        gain less than a tenth of it.
    max_iter : int, default=200
        Steps of one ascent at the most.
    callback : callable or None, default=None
        Called with an ``IterationInfo`` after each step, its figure the value; stops when it returns True.
    normalize : bool, default=False
        Whether to divide weights by their sum instead of raising when it is not 1.

    Returns
    -------
    DistributionalSlicedWassersteinResult
        Fields ``distance``, ``power``, ``location``, ``standard_error``, ``effective_sample_size``,
        ``n_projections``, ``n_iter``, ``converged`` and ``status``.

    Raises
    ------
    ValueError
        If dimensions differ, a cloud is empty or not finite, weights are negative, not finite or do not sum
        to 1, or an option is out of range.
    TypeError
        If arrays are complex, of an unsupported dtype, or of different libraries.

    Warns
    -----
    ConvergenceWarning
        If the winning ascent does not meet the tolerance.
    UserWarning
        If fewer than ten effective directions are left.

    See Also
    --------
    sliced_wasserstein : All directions alike.
    max_sliced_wasserstein : One direction alone.

    Notes
    -----
    ``max over unit e of E W_p^p(theta)`` for theta with density proportional to
    ``exp(concentration e'theta)``. Since W_p is even in theta, each direction counts with its opposite and
    the weights become ``cosh(concentration e'theta)``, normalised to the sum 1.

    References
    ----------
    .. [1] K. Nguyen, N. Ho, T. Pham and H. Bui, "Distributional Sliced-Wasserstein and Applications to
       Generative Modeling", ICLR 2021, arXiv:2002.07367.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import distributional_sliced_wasserstein
    >>> X = np.random.default_rng(0).standard_normal((300, 3))
    >>> Y = X + [0.0, 2.0, 0.0]
    >>> [round(distributional_sliced_wasserstein(X, Y, concentration=k, rng=0).power, 1) for k in (0, 10)]
    [1.3, 3.3]
    """
    clouds = make_clouds(X, Y, a, b, p, normalize)
    concentration = check_number("concentration", concentration, 0.0)
    n_projections = check_integer("n_projections", n_projections, 1)
    n_starts = check_integer("n_starts", n_starts, 1)
    tol = check_number("tol", tol, 0.0, open_low=True)
    max_iter = check_integer("max_iter", max_iter, 1)
    n_projections = 1 if clouds.d == 1 else n_projections
    theta = draw(n_projections, clouds.d, "qmc" if clouds.d <= 3 else "orthogonal", as_rng(rng, "rng"))
    values = directional_powers(clouds, theta)

    def weights(location):
        # Projections are even in the direction, so each stands for its opposite too: exp becomes cosh.
        exponent = np.abs(concentration * (theta @ location))
        weight = np.exp(exponent - exponent.max()) * (1.0 + np.exp(-2.0 * exponent))
        return weight / weight.sum()

    def function(location):
        weight = weights(location)
        mean = float(weight @ values)
        tilt = concentration * np.tanh(concentration * (theta @ location))
        return mean, (weight * (values - mean) * tilt) @ theta

    best = theta[np.argsort(-values, kind="stable")[:n_starts]]
    found = _ascend(function, best, tol, max_iter, callback)
    if not (found.converged or found.stopped):
        remedy = "Raise max_iter or tol."
        warn_not_converged("distributional_sliced_wasserstein", found.slope, tol, remedy)
    weight = weights(found.point)
    error = float(np.linalg.norm(weight * (values - found.value)))
    effective = 1.0 / float(weight @ weight)
    if effective < 2.0 and clouds.d > 1:
        error = math.inf
    if effective < _FEW and clouds.d > 1:
        warnings.warn(
            f"only {effective:.1f} of {n_projections} directions carry weight at concentration "
            f"{concentration:g} in {clouds.d} dimensions: the result is a rough lower bound. "
            "Raise n_projections or lower concentration.",
            UserWarning,
            stacklevel=2,
        )
    return DistributionalSlicedWassersteinResult(
        distance=found.value ** (1.0 / clouds.p) / clouds.factor,
        power=unscaled(found.value, clouds.factor, clouds.p),
        location=_vector(found.point, clouds),
        standard_error=unscaled(error, clouds.factor, clouds.p),
        effective_sample_size=effective,
        n_projections=theta.shape[0],
        n_iter=found.n_iter,
        converged=found.converged,
        status=found.status(tol, max_iter),
    )


def _vector(point, clouds):
    """Return a vector of the host in the library and dtype of the clouds."""
    xp = clouds.xp
    return xp.astype(from_host(point, xp, clouds.X), dtype_of(xp, clouds.dtype), copy=False)


def _candidates(clouds, n, rng):
    """Return directions from which to ascend: a spread-out set, and those that the moments point to."""
    (mean_x, cov_x), (mean_y, cov_y) = clouds.moments()
    theta = [draw(n, clouds.d, "qmc" if clouds.d <= 3 else "orthogonal", rng)]
    shift = mean_x - mean_y
    if shift.any():
        theta.append(shift[None, :] / np.linalg.norm(shift))
    vectors = np.linalg.eigh(cov_x - cov_y)[1].T
    theta.append(vectors[[0, -1]] if clouds.d > 1 else vectors)
    return np.concatenate(theta)


@dataclass(frozen=True)
class _Ascent:
    """The best of several ascents on the sphere."""

    point: Any
    value: float
    slope: float
    """Norm of the gradient along the sphere, relative to the value."""
    n_iter: int
    converged: bool
    stopped: bool

    def status(self, tol, max_iter):
        """Say how it ended."""
        figure = f"relative slope {self.slope:.2g}, tol {tol:.2g}"
        if self.converged and self.slope > tol:
            return f"Converged: further steps gain less than a tenth of tol, {tol:.2g}."
        if self.converged:
            return f"Converged: {figure}."
        if self.stopped:
            return f"Stopped by the callback: {figure}."
        return f"max_iter={max_iter} steps did not suffice: {figure}. Raise max_iter or tol."


def _ascend(function, starts, tol, max_iter, callback):
    """Maximise a function on the sphere by gradient steps from several points."""
    report, best, n_iter, stopped = reporter(callback), None, 0, False
    for start in starts:
        point, step = start, None
        value, gradient = function(point)
        converged, idle = False, 0
        for _ in range(max_iter):
            tangent = gradient - (gradient @ point) * point
            size = float(np.linalg.norm(tangent))
            # On a ridge, where two orders of the points meet, slopes do not vanish but steps stop rising.
            converged = size <= tol * abs(value) or idle == _IDLE or start.size == 1
            if converged or stopped:
                break
            step = 0.5 / size if step is None else 2.0 * step
            for _ in range(_HALVINGS):
                trial = point + step * tangent
                trial = trial / np.linalg.norm(trial)
                trial_value, trial_gradient = function(trial)
                if trial_value >= value + 0.1 * step * size * size:
                    break
                step *= 0.5
            else:
                converged = True  # to rounding
                break
            idle = idle + 1 if trial_value - value <= 0.1 * tol * abs(value) else 0
            point, value, gradient = trial, trial_value, trial_gradient
            n_iter += 1
            stopped = report(n_iter, value)
        slope = float(np.linalg.norm(gradient - (gradient @ point) * point)) / (abs(value) or 1.0)
        if best is None or value > best[1]:
            best = (point, value, slope, converged)
        if stopped:
            break
    point, value, slope, converged = best
    # Both signs attain the maximum: the largest component is made positive.
    point = point * math.copysign(1.0, point[np.argmax(np.abs(point))])
    return _Ascent(point, value, slope, n_iter, converged and not stopped, stopped)
