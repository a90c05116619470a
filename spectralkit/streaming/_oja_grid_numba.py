"""The compiled recursion of Oja's rule, row by row, for a grid of rates."""

import numpy as np

from spectralkit._core.jit import SUM_FLAGS, njit


@njit(fastmath=SUM_FLAGS)
def grid_step(rows, rates, vectors, log_norms, energies):
    """Multiply every vector by (I + rate x x') for each row x in turn; in place.

    ``log_norms`` collects the logarithms of the norms divided out, ``energies`` the squared scores of the
    normalised vectors. The squared norm follows from the score, so no second sweep is needed for it; a
    vector is normalised before its squared norm can overflow.
    """
    n, d = rows.shape
    for g in range(len(rates)):
        rate = rates[g]
        norm_sq = 0.0
        for j in range(d):
            norm_sq += vectors[g, j] * vectors[g, j]
        for i in range(n):
            score = 0.0
            row_sq = 0.0
            for j in range(d):
                score += vectors[g, j] * rows[i, j]
                row_sq += rows[i, j] * rows[i, j]
            energies[g] += score * score / norm_sq
            step = rate * score
            for j in range(d):
                vectors[g, j] += step * rows[i, j]
            norm_sq += (2.0 * rate + rate * rate * row_sq) * score * score
            if norm_sq > 1e100 or i == n - 1:
                norm_sq = 0.0
                for j in range(d):
                    norm_sq += vectors[g, j] * vectors[g, j]
                norm = np.sqrt(norm_sq)
                for j in range(d):
                    vectors[g, j] /= norm
                log_norms[g] += np.log(norm)
                norm_sq = 1.0
