"""Wasserstein distances on the line, for many pairs at once."""

import math
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from spectralkit._core.checks import check_flag, check_number, invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, is_numpy
from spectralkit.transport._arguments import as_array, as_weights

# Spacing of the numbers of the short dtypes, in which sums of weights and norms are rounded.
_SPACING = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}
# Coordinates beyond which squares may overflow.
_FAR = 2.0**300


@dataclass(frozen=True)
class Coupling:
    """The monotone plan of two sets of sorted points: which quantiles meet, for all rows or row by row."""

    source: Any
    """Which quantile of the first set each piece takes, (pieces,) or (rows, pieces); None for one to one."""
    target: Any
    mass: Any
    last: Any
    """The last piece of each quantile of the first set, (n,) or (rows, n)."""

    def differences(self, x, y, xp):
        """Return the differences of the points that meet, piece by piece; ``x`` and ``y`` are sorted rows."""
        if self.source is None:
            return x - y
        if self.source.ndim == 1:
            return xp.take(x, self.source, axis=1) - xp.take(y, self.target, axis=1)
        return xp.take_along_axis(x, self.source, axis=1) - xp.take_along_axis(y, self.target, axis=1)

    def by_source(self, values, xp):
        """Return the sum over the pieces of each quantile of the first set, weighted by their masses."""
        if self.source is None:
            return values / values.shape[1]
        if is_numpy(xp):
            # Sums of their own: differences of running sums would lose the digits of small weights.
            from spectralkit.transport._quantiles_numba import sum_pieces

            total = np.empty((values.shape[0], self.last.shape[-1]))
            mass = np.broadcast_to(self.mass, values.shape)
            last = np.broadcast_to(self.last, total.shape)
            sum_pieces(values, mass, last, total)
            return total
        total = xp.cumulative_sum(values * self.mass, axis=1)
        total = (
            xp.take(total, self.last, axis=1)
            if self.last.ndim == 1
            else xp.take_along_axis(total, self.last, axis=1)
        )
        return xp.concat([total[:, :1], total[:, 1:] - total[:, :-1]], axis=1)

    def mean(self, values, xp):
        """Return the mean over the pieces of each row, weighted by their masses."""
        if self.source is None:
            return xp.mean(values, axis=1)
        if self.source.ndim == 1:
            return values @ self.mass
        return xp.sum(values * self.mass, axis=1)


def uniform_coupling(n, m, xp, like):
    """Return the coupling of n and m equal weights."""
    if n == m:
        return Coupling(None, None, None, None)
    from spectralkit.transport._quantiles_numba import merge_uniform

    source, target, mass = (np.empty(n + m, dtype=kind) for kind in (np.int64, np.int64, np.float64))
    count = merge_uniform(n, m, source, target, mass)
    last = np.searchsorted(source[:count], np.arange(n), side="right") - 1
    arrays = (source[:count], target[:count], mass[:count], last)
    return Coupling(*(from_host(array, xp, like) for array in arrays))


def weighted_coupling(a, b, xp):
    """Return the coupling of weights in the order of the sorted points, (rows, n) and (rows, m)."""
    n, m = a.shape[1], b.shape[1]
    if is_numpy(xp):
        from spectralkit.transport._quantiles_numba import merge_weighted

        source, target = (np.empty((a.shape[0], n + m), dtype=np.int64) for _ in range(2))
        mass, last = np.empty(source.shape), np.empty(a.shape, dtype=np.int64)
        merge_weighted(a, b, source, target, mass, last)
        return Coupling(source, target, mass, last)
    # Between two neighbouring ends of steps, of either side, both quantile functions are constant.
    ends = xp.concat([xp.cumulative_sum(a, axis=1), xp.cumulative_sum(b, axis=1)], axis=1)
    order = xp.argsort(ends, axis=1)  # stable: steps of no mass stay in order
    ends = xp.take_along_axis(ends, order, axis=1)
    mass = xp.concat([ends[:, :1], ends[:, 1:] - ends[:, :-1]], axis=1)
    last = xp.argsort(order, axis=1, stable=False)[:, :n]
    ended = xp.astype(order < n, order.dtype)
    source = xp.cumulative_sum(ended, axis=1) - ended
    ended = 1 - ended
    target = xp.cumulative_sum(ended, axis=1) - ended
    return Coupling(xp.clip(source, max=n - 1), xp.clip(target, max=m - 1), mass, last)


def powers(differences, p, xp):
    """Return ``|differences|^p``, by products where p is 1, 2, 3 or 4."""
    if p == 2.0:
        return differences * differences
    size = xp.abs(differences)
    if p == 1.0:
        return size
    if p == 3.0:
        return size * size * size
    if p == 4.0:
        return powers(differences * differences, 2.0, xp)
    return size**p


def ordered(x, weights, xp):
    """Return the rows of ``x`` in order, the weights in the same order, and that order."""
    order = xp.argsort(x, axis=1, stable=False)
    flat = xp.reshape(order, (-1,))
    return xp.take_along_axis(x, order, axis=1), xp.reshape(xp.take(weights, flat), order.shape), order


def tolerance_of(array):
    """Return how far from 1 a sum or a norm may be in the dtype of an array."""
    return max(1e-6, 16.0 * _SPACING.get(dtype_name(getattr(array, "dtype", float)), 0.0))


def common_dtype(x, y):
    """Return the name of the dtype of results for both arrays: theirs if they agree, else float64."""
    names = {output_dtype_name("x", x.dtype), output_dtype_name("y", y.dtype)}
    return names.pop() if len(names) == 1 else "float64"


def check_weights(name, weights, size, normalize, like, xp):
    """Return weights in float64 that sum to one, or None where all are equal."""
    if weights is None:
        return None
    rounding = tolerance_of(weights)
    weights, total = as_weights(name, weights, size, "the points", like)
    if abs(total - 1.0) > rounding and not normalize:
        remedy = "Divide by the sum, or pass normalize=True."
        raise ValueError(invalid(name, "of sum 1", f"sum {total:.9g}", remedy))
    weights = weights / total
    return None if float(xp.max(weights)) == float(xp.min(weights)) else weights


def wasserstein_1d(x, y, a=None, b=None, *, p=2, normalize=False):
    """
    Compute the p-th power of the p-Wasserstein distance on the line, exactly.

    Leading axes are batches, which broadcast. O(n log n) for each pair, and exact for any weights and numbers
    of points: the quantile functions are merged, not resampled.

    Parameters
    ----------
    x : array of shape (..., n)
        First sets of points.
    y : array of shape (..., m)
        Second sets of points.
    a : array of shape (n,) or None, default=None
        Weights of the points of ``x``, of sum 1, the same for every batch; None for uniform.
    b : array of shape (m,) or None, default=None
        Weights of the points of ``y``.
    p : float, default=2
        Order of the distance, at least 1. Powers below 1e-308 count as zero, which p in the thousands gives.
    normalize : bool, default=False
        Whether to divide weights by their sum instead of raising when it is not 1.

    Returns
    -------
    float or array of shape (...)
        ``W_p ** p``, in the units of the points to the power p; where there are batches an array of the
        library and dtype of the input, of float64 where the dtypes of ``x`` and ``y`` differ.

    Raises
    ------
    ValueError
        If ``p`` is below 1, a set is empty, points are not finite, or weights are negative, not finite or do
        not sum to 1.
    TypeError
        If arrays are complex, of an unsupported dtype, or of different libraries.

    See Also
    --------
    sliced_wasserstein : The mean of this over projections of clouds in any dimension.
    scipy.stats.wasserstein_distance : The case p = 1, one pair at a time.

    Notes
    -----
    ``W_p^p = integral over (0, 1) of |F^-1(t) - G^-1(t)|^p`` for the quantile functions of both sets.
    Computed in float64.

    References
    ----------
    .. [1] G. Peyré and M. Cuturi, "Computational Optimal Transport", Foundations and Trends in Machine
       Learning 11, 2019, remark 2.30.

    Examples
    --------
    >>> from spectralkit.transport import wasserstein_1d
    >>> wasserstein_1d([0.0, 1.0, 3.0], [5.0, 6.0, 8.0], p=1)
    5.0
    """
    p = check_number("p", p, 1.0)
    normalize = check_flag("normalize", normalize)
    x, y = as_array("x", x), as_array("y", y)
    xp = array_namespace(x=x, y=y)
    a = check_weights("a", a, x.shape[-1], normalize, x, xp)
    b = check_weights("b", b, y.shape[-1], normalize, y, xp)
    dtype = dtype_of(xp, common_dtype(x, y))
    (x, y), factor = in_range(p, (x, y), (a, b), xp)
    batch = np.broadcast_shapes(tuple(x.shape[:-1]), tuple(y.shape[:-1]))
    x, y = (
        xp.reshape(xp.broadcast_to(z, (*batch, z.shape[-1])), (-1, z.shape[-1])) * 1.0 for z in (x, y)
    )  # copies
    found = unscaled(row_powers(x, y, a, b, p, xp), factor, p)
    if not batch:
        return float(found[0])
    with np.errstate(over="ignore"):
        return xp.astype(xp.reshape(found, batch), dtype, copy=False)


def row_powers(x, y, a, b, p, xp):
    """Return ``W_p^p`` of each pair of rows, which are overwritten; weights are None where all are equal."""
    if a is not None or b is not None:
        a, b = uniform_if_none(a, x, xp), uniform_if_none(b, y, xp)
        if is_numpy(xp):
            from spectralkit.transport._quantiles_numba import weighted_powers

            found = np.empty(x.shape[0])
            weighted_powers(x, np.argsort(x, axis=1), a, y, np.argsort(y, axis=1), b, p, found)
            return found
        (x, a, _), (y, b, _) = ordered(x, a, xp), ordered(y, b, xp)
        coupling = weighted_coupling(a, b, xp)
        return coupling.mean(powers(coupling.differences(x, y, xp), p, xp), xp)
    if not is_numpy(xp):
        x, y = xp.sort(x, axis=1, stable=False), xp.sort(y, axis=1, stable=False)
    else:
        # In place: fresh memory for large rows costs as much as sorting them does.
        x.sort(axis=1)
        y.sort(axis=1)
        if x.shape[1] == y.shape[1]:
            x -= y
            return _mean_powers(x, p)
    coupling = uniform_coupling(x.shape[1], y.shape[1], xp, x)
    return coupling.mean(powers(coupling.differences(x, y, xp), p, xp), xp)


def _mean_powers(differences, p):
    """Return the mean of ``|differences|^p`` of each row, overwriting it."""
    n = differences.shape[1]
    if p == 4.0:
        np.multiply(differences, differences, out=differences)
    if p in (2.0, 4.0):
        return np.vecdot(differences, differences) / n
    np.abs(differences, out=differences)
    if p == 3.0:
        return np.einsum("ij,ij,ij->i", differences, differences, differences) / n
    if p != 1.0:
        np.power(differences, p, out=differences)
    return differences.mean(axis=1)


def uniform_if_none(weights, points, xp):
    """Return weights, equal ones where there are none."""
    size = points.shape[-1]
    if weights is not None:
        return weights
    return xp.full(size, 1.0 / size, dtype=xp.float64, device=array_api_compat.device(points))


def in_range(p, sets, weights, xp, names=None, *, clouds=False):
    """
    Return points in float64 whose sums of powers stay in its range, mostly as they are.

    Parameters
    ----------
    p : float
        Order of the distance.
    sets : sequence of arrays
        Points on the line, (..., n), or clouds, (n, d).
    weights : sequence of arrays of shape (n,), or None
        Their weights. Points of weight zero are put in the middle of the others.
    xp : namespace
        The array library.
    names : sequence of str or None, default=None
        What to call the sets in messages.
    clouds : bool, default=False
        Whether the sets are clouds.

    Returns
    -------
    list of arrays
        The sets; where needed, less the midpoint of their range, and multiplied by the factor.
    float
        The factor, a power of two.

    Raises
    ------
    ValueError
        If there are NaN or infinities among them.
    """
    sets, zero, bounds = [xp.astype(points, xp.float64, copy=False) for points in sets], [], []
    axis = 0 if clouds else None
    for index, (points, weight) in enumerate(zip(sets, weights, strict=True)):
        if not (math.isfinite(float(xp.max(points))) and math.isfinite(float(xp.min(points)))):
            name = "points" if names is None else names[index]
            raise ValueError(f"{name} must be finite; got NaN or infinity. Drop or impute them.")
        zero.append(weight is not None and float(xp.min(weight)) == 0.0)
        if zero[-1]:
            points = xp.take(points, xp.nonzero(weight)[0], axis=0 if clouds else -1)
        bounds.append((xp.min(points, axis=axis), xp.max(points, axis=axis)))
    lower, upper = bounds[0]
    for low, high in bounds[1:]:
        lower, upper = xp.minimum(lower, low), xp.maximum(upper, high)
    # In halves, whose sum and difference do not overflow.
    middle, half = 0.5 * lower + 0.5 * upper, float(xp.max(0.5 * upper - 0.5 * lower))
    for index, weight in enumerate(weights):
        if zero[index]:
            positive = weight[:, None] > 0.0 if clouds else weight > 0.0
            sets[index] = xp.where(positive, sets[index], middle)
    exponent = math.log2(half) + 1.0 if half > 0.0 else 0.0  # of the range
    # Variances are squares of points, and standard errors, slopes and gradients squares of powers.
    inside = abs(exponent) * 2.0 * max(p, 2.0) < 900.0
    if inside and max(-float(xp.min(lower)), float(xp.max(upper))) <= _FAR:
        return sets, 1.0
    factor = 1.0 if inside else math.ldexp(1.0, min(-round(exponent), 1022))
    return [(points - middle) * factor for points in sets], factor


def unscaled(values, factor, power):
    """Return ``values * factor**-power``: infinite or zero where that leaves the range, but never NaN."""
    if factor == 1.0:
        return values
    # In two halves, because the whole may leave the range where the product does not.
    exponent = -power * (math.frexp(factor)[1] - 1) / 2.0
    half = 2.0 ** min(max(exponent, -1022.0), 1023.0)
    with np.errstate(over="ignore", under="ignore"):
        return values * half * half
