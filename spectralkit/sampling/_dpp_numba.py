"""Compiled loops: products of univariate polynomials, and rejection inside a block of proposals."""

import numpy as np

from spectralkit._core.jit import SUM_FLAGS, njit


@njit()
def tensor_products(tables, parent, column, out):
    """Write ``out[i, j] = out[i, parent[j]] * tables[i, column[j]]``, with ``out[i, 0] = tables[i, 0]``."""
    for i in range(out.shape[0]):
        out[i, 0] = tables[i, 0]
        for j in range(1, out.shape[1]):
            out[i, j] = out[i, parent[j]] * tables[i, column[j]]


@njit(fastmath=SUM_FLAGS)
def accept_in_block(gram, thresholds, floor, need, accepted, factor):
    """
    Go through a block of proposals in order, and accept those far enough from all accepted before.

    ``gram`` holds the inner products of what the accepted ones of earlier blocks leave of the proposals. A
    proposal is accepted where its squared distance from the span of those accepted in this block exceeds its
    threshold, and the floor below which distances are rounding errors. Writes their indices, and to the same
    rows of ``factor`` the Cholesky factor of their inner products. Returns how many were accepted and how
    many were looked at.
    """
    n = gram.shape[0]
    distance = np.empty(n)
    for i in range(n):
        distance[i] = gram[i, i]
    count = 0
    for i in range(n):
        if distance[i] <= thresholds[i] or distance[i] <= floor:
            continue
        root = np.sqrt(distance[i])
        for k in range(i + 1, n):
            overlap = 0.0
            for j in range(count):
                overlap += factor[k, j] * factor[i, j]
            entry = (gram[i, k] - overlap) / root
            factor[k, count] = entry
            distance[k] -= entry * entry
        factor[i, count] = root
        accepted[count] = i
        count += 1
        if count == need:
            return count, i + 1
    return count, n


@njit()
def recurrence_table(x, a, b, out):
    """Write ``out[i, n] = p_n(x_i)`` by the recurrence with coefficients a and b, for all columns of out."""
    for i in range(len(x)):
        before, value = 0.0, 1.0
        out[i, 0] = value
        for n in range(out.shape[1] - 1):
            step = (x[i] - a[n]) * value
            if n > 0:
                step -= b[n - 1] * before
            before, value = value, step / b[n]
            out[i, n + 1] = value


@njit()
def values_at_degrees(x, degrees, a, b):
    """Return ``p_n(x_i)`` for ``n = degrees[i]``."""
    found = np.empty(len(x))
    for i in range(len(x)):
        before, value = 0.0, 1.0
        for n in range(degrees[i]):
            step = (x[i] - a[n]) * value
            if n > 0:
                step -= b[n - 1] * before
            before, value = value, step / b[n]
        found[i] = value
    return found


@njit()
def solve_integrals(coefficients, panel, missing):
    """
    Return t in [-1, 1] with ``∫_{-1}^t Σ_k c_k P_k = missing`` for the coefficients of each one's panel.

    Newton's method inside a bracket: the density is not negative, but it has zeros.
    """
    n_terms = coefficients.shape[1]
    found = np.empty(len(missing))
    for i in range(len(missing)):
        c = coefficients[panel[i]]
        low, high = -1.0, 1.0
        t = min(max(missing[i] / c[0] - 1.0, -1.0), 1.0) if c[0] > 0.0 else 0.0
        for _ in range(80):
            # ∫_{-1}^t P_k = (P_{k+1}(t) - P_{k-1}(t)) / (2k + 1), and t + 1 for k = 0.
            before, value = 1.0, t
            density, integral = c[0], c[0] * (t + 1.0)
            for k in range(1, n_terms):
                after = ((2 * k + 1) * t * value - k * before) / (k + 1)
                density += c[k] * value
                integral += c[k] * (after - before) / (2 * k + 1)
                before, value = value, after
            excess = integral - missing[i]
            if excess < 0.0:
                low = t
            else:
                high = t
            following = t - excess / density
            if not (low < following < high):
                following = 0.5 * (low + high)
            step = abs(following - t)
            t = following
            if step <= 1e-14:
                break
        found[i] = t
    return found
