"""The M-steps: factors of the prior variances from the second moments of the coefficients."""

import math

import numpy as np
from scipy.optimize import nnls

from spectralkit._core.namespaces import from_host
from spectralkit.recovery._gaussian import host_floats

# Inner iterations of alternating minimisation: it need not converge, since any descent of the inner
# objective is a generalised EM step. With a coupling the paper's nine.
_SWEEPS, _COUPLED_SWEEPS, _SWEEP_TOL = 50, 9, 1e-5
# Added to coupled variances, in units of the largest: non-negative least squares returns exact zeros, whose
# inverses the next factor would need.
_COUPLED_FLOOR = 1e-6


def leading_factors(moments, gammas, xp):
    """
    Return the factors of a rank-one approximation of the moments, by successive singular vectors.

    For moments of shape (n_1 ... n_I,): the leading left singular vector of the (n_1, rest) matrix, then the
    same for what its right one is, reshaped. All but the last have unit norm. Moments are positive, so the
    leading vectors are too (Perron), and two products with the positive matrix after the eigenvectors of its
    Gram matrix give even their small entries full relative accuracy. Cost `O(N max(n_i))`.
    """
    factors = []
    rest = moments
    for gamma in gammas[:-1]:
        matrix = xp.reshape(rest, (gamma.shape[0], -1))
        u = np.abs(np.linalg.eigh(host_floats(matrix @ matrix.T))[1][:, -1])
        v = from_host(u, xp, matrix) @ matrix
        u = host_floats(matrix @ v)
        u /= np.linalg.norm(u)
        factors.append(u)
        rest = from_host(u, xp, matrix) @ matrix
    factors.append(host_floats(rest))
    return factors


def alternating_minimisation(moments, gammas, xp, *, sweeps=_SWEEPS, couplings=None):
    """
    Return factors that minimise ``Σ_j log g_j + moments_j / g_j`` for ``g = ⊗ gamma_i``, one after the other.

    Each is the mean of the moments over the inverses of the others, `O(N)` for a sweep.
    """
    if len(gammas) == 1 and couplings is None:
        return [host_floats(moments)]
    gammas = list(gammas)
    for _ in range(sweeps if couplings is None else min(sweeps, _COUPLED_SWEEPS)):
        before = gammas
        gammas = _sweep(moments, gammas, xp, couplings)
        if relative_change(gammas, before) <= _SWEEP_TOL:
            break
    return gammas


def relative_change(gammas, before):
    """Return ``||⊗ gamma_i - ⊗ before_i|| / ||⊗ before_i||``, without forming the products."""
    ratio, gap = 1.0, 0.0  # gap is 1 - cos, built up from small numbers where 1 - <u, v> would cancel
    for new, old in zip(gammas, before, strict=True):
        length, reference = np.linalg.norm(new), np.linalg.norm(old)
        ratio *= length / reference
        here = 0.5 * float(np.sum((new / length - old / reference) ** 2))
        gap += here - gap * here
    return math.sqrt((ratio - 1.0) ** 2 + 2.0 * ratio * gap)


def coupling_matrix(beta, n, alive):
    """Return the matrix with ones on the diagonal and ``beta`` beside it, at rows and columns ``alive``."""
    matrix = np.eye(n) + beta * (np.eye(n, k=1) + np.eye(n, k=-1))
    return matrix[np.ix_(alive, alive)] if beta > 0.0 else None


def _sweep(moments, gammas, xp, couplings):
    # Contractions with the old inverses from the right, each used once what stands to its left is new.
    rights = [moments]
    for gamma in reversed(gammas[1:]):
        inverse = from_host(1.0 / gamma, xp, moments)
        rights.append(xp.reshape(rights[-1], (-1, gamma.shape[0])) @ inverse)
    left = np.ones(1)
    updated = []
    for i, gamma in enumerate(gammas):
        others = math.prod(g.shape[0] for g in gammas) / gamma.shape[0]
        matrix = xp.reshape(rights.pop(), (left.shape[0], gamma.shape[0]))
        new = host_floats(from_host(left, xp, moments) @ matrix) / others
        if couplings is not None and couplings[i] is not None:
            new = couplings[i] @ nnls(couplings[i], new)[0]
            new += _COUPLED_FLOOR * new.max()
        if i < len(gammas) - 1:
            # All scale goes to the last factor, whose update needs the others as they are here.
            new = new / np.linalg.norm(new)
            left = np.kron(left, 1.0 / new)
        updated.append(new)
    return updated
