"""Means over directions with control variates, from the moments of projections; on the host, all small."""

import math
from dataclasses import dataclass

import numpy as np

from spectralkit.transport._directions import RANDOMISATIONS
from spectralkit.transport._one_dimension import powers

# Nodes of the Gauss-Hermite rule for moments of order p.
_NODES = 40


@dataclass(frozen=True)
class Marginals:
    """Moments of the projections of two clouds on each of some directions."""

    shift: np.ndarray
    """Difference of the means."""
    first: np.ndarray
    """Standard deviation of the first cloud."""
    second: np.ndarray

    @property
    def spread(self):
        """Difference of the standard deviations."""
        return self.first - self.second


def project_moments(moments, theta):
    """Return the marginals of two clouds with the given (mean, covariance) along directions."""
    (mean_x, cov_x), (mean_y, cov_y) = moments
    return Marginals(theta @ (mean_x - mean_y), deviations(cov_x, theta), deviations(cov_y, theta))


def deviations(covariance, theta):
    """Return the standard deviation along each direction."""
    # A rank-deficient covariance may give a variance of minus a rounding error.
    return np.sqrt(np.maximum(np.einsum("ld,ld->l", theta @ covariance, theta), 0.0))


def normal_moment(mean, deviation, p):
    """Return ``E |mean + deviation z|^p`` for standard normal z, and its derivatives by both."""
    if p == 2.0:
        return mean * mean + deviation * deviation, 2.0 * mean, 2.0 * deviation
    if p == 1.0:
        from scipy.special import ndtr

        sign, size = np.sign(deviation), np.abs(deviation)
        ratio = np.where(size > 0.0, mean / np.where(size > 0.0, size, 1.0), np.copysign(np.inf, mean))
        bell = math.sqrt(2.0 / math.pi) * np.exp(-0.5 * ratio * ratio)
        slope = 2.0 * ndtr(ratio) - 1.0
        return size * bell + mean * slope, slope, sign * bell
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    shifted = mean[:, None] + deviation[:, None] * nodes
    slope = p * np.copysign(powers(shifted, p - 1.0, np), shifted)
    return powers(shifted, p, np) @ weights, slope @ weights, slope @ (nodes * weights)


def gaussian_mean(control, shift, groups, p):
    """
    Return the mean of the Gaussian control variate over the sphere, and its standard error.

    Parameters
    ----------
    control : Marginals
        Along the control directions.
    shift : ndarray of shape (d,)
        Difference of the means.
    groups : tuple of two ints
        Independent groups, and directions in each.
    p : float
        Order of the distance.

    Returns
    -------
    float
        The mean.
    float
        Its standard error.
    """
    if p == 2.0:
        # The part of the means is known exactly.
        values, known = control.spread**2, float(shift @ shift) / shift.size
    else:
        values, known = normal_moment(control.shift, control.spread, p)[0], 0.0
    if groups[0] < RANDOMISATIONS:
        # Too few groups to tell: as if directions were independent, though frames do better than that.
        return known + float(values.mean()), float(values.std()) / math.sqrt(values.size)
    mean, error = grouped_mean(values, groups[1] * np.arange(groups[0]))
    return known + mean, error


def controlled_mean(values, marginals, starts, p, known, estimator):
    """Return the mean with the Gaussian control variate at slope 1, its standard error and its name.

    ``known`` is called for the mean of the variate and its error; "auto" does without where it does not pay.
    """
    along = normal_moment(marginals.shift, marginals.spread, p)[0]
    if estimator == "auto" and not _pays(values, along):
        return *grouped_mean(values, starts), "monte_carlo"
    mean, error = grouped_mean(values - along, starts)
    known_mean, known_error = known()
    return known_mean + mean, math.hypot(error, known_error), "gaussian"


def _pays(values, variate):
    """Return whether a control variate with slope 1 reduces the variance and is correlated at all."""
    dv, dq = values - values.mean(), variate - variate.mean()
    vv, qq, vq = float(dv @ dv), float(dq @ dq), float(dv @ dq)
    return vv + qq - 2.0 * vq <= vv and vq * vq >= 0.1 * vv * qq


def published_variate(marginals, shift, trace, estimator):
    """Return the lower ("lcv") or upper ("ucv") quadratic control variate of the paper, less its mean."""
    variate, known = marginals.shift**2, float(shift @ shift)
    if estimator == "ucv":
        variate = variate + marginals.first**2 + marginals.second**2
        known += trace
    return variate - known / shift.size


def published_mean(values, marginals, shift, trace, estimator, starts):
    """Return the mean with a control variate of the paper and its standard error."""
    centred = published_variate(marginals, shift, trace, estimator)
    # The slope is estimated from the same directions, as published: a bias of the order 1 / L.
    rest = values - fitted_slope(values, centred) * centred
    # A group that decides the slope leaves a small residual: what it would be without that group is larger by
    # its leverage, as in the jackknife.
    squares = np.add.reduceat(centred * centred, starts)
    leverage = squares / squares.sum() if squares.sum() > 0.0 else squares
    return grouped_mean(rest, starts, fitted=1, leverage=leverage)


def fitted_slope(values, centred):
    """Return the published slope: covariance with the variate over its second moment about the known mean."""
    scale = float(centred @ centred)
    return float((values - values.mean()) @ centred) / scale if scale > 0.0 else 0.0


def grouped_mean(values, starts, fitted=0, leverage=0.0):
    """Return the mean of all values and its standard error from the means of independent groups.

    ``fitted`` is the number of parameters that were fitted to the same values, ``leverage`` the share that
    each group had in that.
    """
    from scipy.special import stdtrit

    mean, groups = float(values.mean()), len(starts)
    freedom = groups - 1.0 - fitted
    if freedom < 1.0:
        return mean, math.inf
    # Deviations of the group means, times the shares of the groups.
    deviations = np.add.reduceat(values - mean, starts) / values.size / np.maximum(1.0 - leverage, 0.1)
    variance = groups / freedom * float(deviations @ deviations)
    # Twice this covers as often as two standard deviations of a normal variable do.
    return mean, math.sqrt(variance) * float(stdtrit(freedom, 0.97725)) / 2.0
