"""Compiled loops: products of univariate polynomials, and rejection inside a block of proposals."""

import numpy as np

from spectralkit._core.jit import njit


@njit()
def tensor_products(tables, parent, column, out):
    """Write ``out[i, j] = out[i, parent[j]] * tables[i, column[j]]``, with ``out[i, 0] = tables[i, 0]``."""
    for i in range(out.shape[0]):
        out[i, 0] = tables[i, 0]
        for j in range(1, out.shape[1]):
            out[i, j] = out[i, parent[j]] * tables[i, column[j]]


@njit()
def accept_in_block(gram, thresholds, floor, need, accepted):
    """
    Go through a block of proposals in order, and accept those far enough from all accepted before.

    ``gram`` holds the inner products of what the accepted ones of earlier blocks leave of the proposals. A
    proposal is accepted where its squared distance from the span of those accepted in this block exceeds its
    threshold, and the floor below which distances are rounding errors. ``gram`` is overwritten. Returns how
    many were accepted and how many were looked at.
    """
    n = gram.shape[0]
    count = 0
    for i in range(n):
        distance = gram[i, i]
        if distance <= thresholds[i] or distance <= floor[i]:
            continue
        # One step of a Cholesky factorisation with this pivot: the rest of the block loses its direction.
        inverse = 1.0 / distance
        for k in range(i + 1, n):
            factor = gram[i, k] * inverse
            if factor != 0.0:
                for j in range(k, n):
                    gram[k, j] -= factor * gram[i, j]
        accepted[count] = i
        count += 1
        if count == need:
            return count, i + 1
    return count, n


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
