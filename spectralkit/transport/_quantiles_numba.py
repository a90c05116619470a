"""Compiled merges of pairs of quantile functions."""

from spectralkit._core.jit import INNER, njit, vexp, vlog


@njit()
def merge_uniform(n, m, source, target, mass):
    """Write which quantiles of n and of m equal weights meet, for which share of the mass; return how many.

    In integers, because rounded sums of 1/n and 1/m would leave slivers where the steps coincide.
    """
    i = j = count = 0
    filled = 0  # in units of 1 / (n m)
    while i < n and j < m:
        end_i, end_j = (i + 1) * m, (j + 1) * n
        end = min(end_i, end_j)
        source[count] = i
        target[count] = j
        mass[count] = (end - filled) / (n * m)
        count += 1
        filled = end
        if end_i == end:
            i += 1
        if end_j == end:
            j += 1
    return count


@njit()
def merge_weighted(a, b, source, target, mass, last):
    """Write which quantiles of each pair of rows meet, and with which mass.

    ``a`` (rows, n) and ``b`` (rows, m) are weights in the order of the sorted points. A row of the results
    has n + m places; those that are not needed have mass zero. ``last`` (rows, n) gets the last place of each
    quantile of the first side.
    """
    n, m = a.shape[1], b.shape[1]
    for row in range(a.shape[0]):
        i = j = k = 0
        left_a, left_b = a[row, 0], b[row, 0]
        while i < n and j < m:
            step = min(left_a, left_b)
            source[row, k] = i
            target[row, k] = j
            mass[row, k] = step
            k += 1
            left_a -= step
            left_b -= step
            # The side that ran out goes on. What rounding leaves of one at the end of the other is dropped.
            if left_a <= left_b:
                last[row, i] = k - 1
                i += 1
                left_a = a[row, i] if i < n else 0.0
            else:
                j += 1
                left_b = b[row, j] if j < m else 0.0
        while i < n:
            last[row, i] = k - 1
            i += 1
        while k < n + m:
            source[row, k] = n - 1
            target[row, k] = m - 1
            mass[row, k] = 0.0
            k += 1


@njit(**INNER)
def _power(d, p):
    size = abs(d)
    if p == 2.0:
        return size * size
    if p == 1.0:
        return size
    if p == 3.0:
        return size * size * size
    if p == 4.0:
        return (size * size) * (size * size)
    return vexp(p * vlog(size))  # of zero: exp(-inf)


@njit()
def weighted_powers(x, order_x, a, y, order_y, b, p, found):
    """Write ``W_p^p`` of each pair of rows to ``found``; the orders sort the points and their weights."""
    n, m = x.shape[1], y.shape[1]
    for row in range(x.shape[0]):
        i = j = 0
        at_x, at_y = order_x[row, 0], order_y[row, 0]
        left_a, left_b = a[at_x], b[at_y]
        total = 0.0
        while i < n and j < m:
            step = min(left_a, left_b)
            if step > 0.0:
                total += step * _power(x[row, at_x] - y[row, at_y], p)
            left_a -= step
            left_b -= step
            # As in merge_weighted: the side that ran out goes on.
            if left_a <= left_b:
                i += 1
                if i < n:
                    at_x = order_x[row, i]
                    left_a = a[at_x]
            else:
                j += 1
                if j < m:
                    at_y = order_y[row, j]
                    left_b = b[at_y]
        found[row] = total


@njit()
def sum_pieces(values, mass, last, total):
    """Write the sums of ``values * mass`` over the pieces of each quantile, which end at ``last``."""
    for row in range(values.shape[0]):
        k = 0
        for i in range(total.shape[1]):
            total[row, i] = 0.0
            while k <= last[row, i]:
                total[row, i] += values[row, k] * mass[row, k]
                k += 1
