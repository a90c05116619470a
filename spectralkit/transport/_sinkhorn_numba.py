"""Compiled sweeps over exp((f + g - C) / reg), and the Newton system on its large entries.

The matrices here have the eliminated side as their rows: ``C`` and ``P`` are ``(m, n)``, ``g`` (m,) belongs
to the rows and ``f`` (n,) to the columns. A sweep reads each cost once and works on one row at a time, which
stays in cache.
"""

import numpy as np

from spectralkit._core.jit import INNER, SUM_FLAGS, njit, vexp

_KEEP_ORDER = {"contract", "nsz"}


@njit(fastmath=SUM_FLAGS, **INNER)
def _sum(p):
    total = 0.0
    for i in range(p.size):
        total += p[i]
    return total


@njit(fastmath=_KEEP_ORDER)
def exponentials(C, f, g, reg, P):
    """Write ``exp((f + g - C) / reg)`` to ``P``."""
    scale = 1.0 / reg
    for j in range(C.shape[0]):
        c, p, shift = C[j], P[j], g[j]
        for i in range(c.size):
            p[i] = vexp(((f[i] - c[i]) + shift) * scale)


@njit(fastmath=_KEEP_ORDER)
def normalised_rows(C, f, g, b, log_b, reg, P, column_sums, g_new):
    """Write the plan whose rows sum to ``b`` to ``P``, its column sums, and the potential that does it.

    The old potential ``g`` only keeps the exponentials in range; rows where it fails are done over with their
    largest exponent at zero.
    """
    scale = 1.0 / reg
    for i in range(column_sums.size):
        column_sums[i] = 0.0
    for j in range(C.shape[0]):
        c, p, shift = C[j], P[j], g[j]
        total = 0.0
        for _attempt in range(2):
            for i in range(c.size):
                p[i] = vexp(((f[i] - c[i]) + shift) * scale)
            total = _sum(p)
            if 1e-200 < total < 1e200:  # also false for NaN, from a potential that is still infinite
                break
            top = -np.inf
            for i in range(c.size):
                z = f[i] - c[i]
                top = z if z > top else top
            shift = -top
        g_new[j] = shift + reg * (log_b[j] - np.log(total))
        factor = b[j] / total
        for i in range(c.size):
            p[i] *= factor
            column_sums[i] += p[i]


@njit(fastmath=_KEEP_ORDER)
def scale_plan(P, u, v):
    """Multiply the columns of ``P`` by ``u`` and its rows by ``v``."""
    for j in range(P.shape[0]):
        p, factor = P[j], v[j]
        for i in range(p.size):
            p[i] *= factor * u[i]


@njit(fastmath=_KEEP_ORDER)
def column_maxima(C, g, top):
    """Raise ``top`` to the largest ``g - C`` of each column."""
    for j in range(C.shape[0]):
        c, shift = C[j], g[j]
        for i in range(c.size):
            z = shift - c[i]
            top[i] = z if z > top[i] else top[i]


@njit(fastmath=_KEEP_ORDER)
def column_exponentials(C, g, top, reg, total):
    """Add ``exp((g - C - top) / reg)`` of each column to ``total``."""
    scale = 1.0 / reg
    for j in range(C.shape[0]):
        c, shift = C[j], g[j]
        for i in range(c.size):
            total[i] += vexp(((shift - c[i]) - top[i]) * scale)


@njit(fastmath=SUM_FLAGS)
def count_above(P, threshold, start):
    """Write to ``start`` where the entries above their column's threshold begin, row by row."""
    start[0] = 0
    for j in range(P.shape[0]):
        p = P[j]
        found = 0
        for i in range(p.size):
            found += p[i] > threshold[i]
        start[j + 1] = start[j] + found


@njit(fastmath=_KEEP_ORDER)
def gather_above(P, threshold, column, entry):
    """Write those entries and their columns in compressed rows; both arrays have one place more."""
    k = 0
    for j in range(P.shape[0]):
        p = P[j]
        for i in range(p.size):
            # Without a branch, which would be mispredicted at most of the entries that count.
            column[k] = i
            entry[k] = p[i]
            k += p[i] > threshold[i]


@njit(fastmath=SUM_FLAGS)
def conjugate_gradients(start, column, entry, inverse_b, diagonal, rhs, tolerance, max_iter, x, work):
    """Solve ``(diag(diagonal) - P' diag(1/b) P) x = rhs`` for sparse P, preconditioned by the diagonal.

    Returns the number of iterations, negative where they did not suffice.
    """
    n = diagonal.size
    r, q, y, inverse = work[0], work[1], work[2], work[3]
    decrease = 0.0
    for i in range(n):
        inverse[i] = 1.0 / diagonal[i]
        x[i] = 0.0
        r[i] = rhs[i]
        q[i] = r[i] * inverse[i]
        decrease += r[i] * q[i]
    target = tolerance * tolerance * decrease
    for iteration in range(max_iter):
        if decrease <= target:
            return iteration
        for i in range(n):
            y[i] = diagonal[i] * q[i]
        for j in range(start.size - 1):
            s = 0.0
            for k in range(start[j], start[j + 1]):
                s += entry[k] * q[column[k]]
            s *= inverse_b[j]
            for k in range(start[j], start[j + 1]):
                y[column[k]] -= entry[k] * s
        curvature = 0.0
        for i in range(n):
            curvature += q[i] * y[i]
        if not curvature > 0.0:  # not definite to working precision
            return -iteration - 1
        step = decrease / curvature
        following = 0.0
        for i in range(n):
            x[i] += step * q[i]
            r[i] -= step * y[i]
            following += r[i] * r[i] * inverse[i]
        ratio = following / decrease
        decrease = following
        for i in range(n):
            q[i] = r[i] * inverse[i] + ratio * q[i]
    return -max_iter - 1


@njit(fastmath=_KEEP_ORDER)
def dense_system(start, column, entry, inverse_b, diagonal, scale, S):
    """Write the lower triangle of ``diag(scale) (diag(diagonal) - P' diag(1/b) P) diag(scale)`` to ``S``."""
    n = diagonal.size
    for i in range(n):
        for k in range(i):
            S[i, k] = 0.0
        S[i, i] = diagonal[i] * scale[i] * scale[i]
    for j in range(start.size - 1):
        for k in range(start[j], start[j + 1]):
            i = column[k]
            weight = entry[k] * inverse_b[j] * scale[i]
            for other in range(start[j], k + 1):
                S[i, column[other]] -= weight * entry[other] * scale[column[other]]
