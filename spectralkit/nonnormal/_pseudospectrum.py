"""Pseudospectra: the smallest singular value of zI - A over a grid."""

import math

import numpy as np
import scipy.linalg

from spectralkit._core.arrays import power_of_two
from spectralkit._core.checks import check_number
from spectralkit._core.parallel import block_ranges
from spectralkit.nonnormal._arguments import as_points, as_square, real_name, spectral_norm
from spectralkit.nonnormal._pseudospectrum_numba import (
    lanczos_step,
    largest_ritz_value,
    solve_adjoint,
    solve_upper,
)

# Rows of a diagonal block, and shifts that go together: with 32 and 256 the vectors stay in cache.
_BLOCK, _SHIFTS = 32, 256
_MAX_ITER = 120
_UNIT = np.finfo(np.float64).eps


def pseudospectrum(A, z, *, tol=1e-6):
    """
    Return the smallest singular value of ``zI - A`` at each of many points.

    The ε-pseudospectrum is where it is below ε: the eigenvalues of all matrices ``A + E`` with ``||E|| < ε``.
    Cost `O(n^3)` once, and `O(n^2)` for a point, about ten sweeps of triangular solves; memory `O(n^2)`.

    Parameters
    ----------
    A : array of shape (n, n)
        A real or complex matrix, on the host.
    z : complex or array of any shape
        Points of the complex plane.
    tol : float, default=1e-6
        Relative error that is allowed.

    Returns
    -------
    array of the shape of ``z``
        Smallest singular values. Below about ``n u ||A||``, with the rounding unit u, they are not resolved.

    Raises
    ------
    ValueError
        If ``A`` is not square and finite, ``z`` is not finite, or ``tol`` is not in (0, 1).
    TypeError
        If ``A`` is not on the host, or of a dtype that is not supported.

    See Also
    --------
    PseudospectrumDisplay : Draws it.
    pseudospectral_abscissa : How far it reaches to the right.

    Notes
    -----
    ``A`` is brought to complex Schur form T once. At each point ``(z - T)^-1 (z - T)^-*`` is given to Lanczos
    iteration, whose largest Ritz value converges to ``1/σ²``; it ends when the residual of that is below
    ``tol``, or 0.01, relatively [1]_. All points take their steps together, so that the triangular solves
    are matrix products for all but the blocks on the diagonal. Points where 120 steps are not enough are
    solved by a singular value decomposition; those of a real matrix are taken to the upper half-plane. Of a
    normal matrix it is the distance to the spectrum.

    References
    ----------
    .. [1] L. N. Trefethen, "Computation of pseudospectra", Acta Numerica 8, 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.nonnormal import pseudospectrum
    >>> jordan = np.diag(np.ones(9), 1)
    >>> pseudospectrum(jordan, [1.0, 2.0]).round(4)  # at 1: 2 sin(pi / 42)
    array([0.1495, 1.0667])
    """
    tol = check_number("tol", tol, 0.0, 1.0, open_low=True, open_high=True)
    A, dtype = as_square("A", A)
    points = as_points(z)
    # A power of two, and so large that the points stay in range as well.
    largest = float(np.max(np.abs(points), initial=0.0))
    scale = max(power_of_two(A, np), math.ldexp(1.0, math.frexp(largest)[1] - 1000))
    return (scale * smallest_singular_values(A / scale, points / scale, tol)).astype(real_name(dtype))


def smallest_singular_values(A, points, tol):
    """Return those of ``z - A`` for a matrix of norm about 1."""
    norm = spectral_norm(A)
    T = _triangular(A)
    eigenvalues = np.diag(T)
    if not np.iscomplexobj(A):
        points = points.real + 1j * np.abs(points.imag)
    unique, inverse = np.unique(points, return_inverse=True)
    sigma = np.abs(unique)
    if np.linalg.norm(np.triu(T, 1)) <= 10.0 * len(A) * _UNIT * norm:
        for start, stop in block_ranges(unique.size, max(1, 2**20 // len(A))):
            sigma[start:stop] = np.abs(unique[start:stop, None] - eigenvalues).min(axis=1)
        return sigma[inverse].reshape(points.shape)
    # Beyond that |z| is the answer up to rounding.
    near = np.flatnonzero(sigma < 1e17 * norm)
    sweeps = _Sweeps(T)
    for start, stop in block_ranges(near.size, _SHIFTS):
        chosen = near[start:stop]
        sigma[chosen] = sweeps.smallest(unique[chosen], tol, _UNIT * norm)
    for k in near[np.isnan(sigma[near])]:
        sigma[k] = np.linalg.svd(unique[k] * np.eye(len(T)) - T, compute_uv=False)[-1]
    return sigma[inverse].reshape(points.shape)


def _triangular(A):
    """Return the complex Schur form, without the vectors, which would take as long again."""
    T, *_, info = scipy.linalg.lapack.zgees(lambda _: False, A, compute_v=0)
    if info:
        raise np.linalg.LinAlgError(f"the QR algorithm failed on the matrix A (LAPACK gees: info={info}).")
    return T


class _Sweeps:
    """Inverse Lanczos iteration for many shifts of one triangular matrix."""

    def __init__(self, T):
        n = len(T)
        self.blocks = list(block_ranges(n, _BLOCK))
        self.diagonal = [np.ascontiguousarray(T[i:j, i:j]) for i, j in self.blocks]
        # The complex matrix as a real one of twice the order, real above imaginary parts in each block.
        self.real = np.empty((2 * n, 2 * n))
        for i, j in self.blocks:
            for k, m in self.blocks:
                part, a, b = T[i:j, k:m], j - i, m - k
                target = self.real[2 * i : 2 * j, 2 * k : 2 * m]
                target[:a, :b], target[:a, b:] = part.real, -part.imag
                target[a:, :b], target[a:, b:] = part.imag, part.real
        self.start = np.random.default_rng(0).standard_normal(2 * n)
        self.start /= np.linalg.norm(self.start)

    def smallest(self, z, tol, noise):
        """Return the smallest singular values at the shifts; NaN where iteration does not end."""
        sigma = np.full(z.size, np.nan)
        alive = np.arange(z.size)
        shifts = np.stack([z.real, z.imag])
        Q = np.repeat(self.start[:, None], z.size, axis=1)
        P = np.zeros_like(Q)
        alpha, beta = np.empty((_MAX_ITER, z.size)), np.zeros((_MAX_ITER + 1, z.size))
        theta, residual = np.zeros(z.size), np.empty(z.size)
        for k in range(_MAX_ITER):
            with np.errstate(all="ignore"):  # close to multiple eigenvalues the inverse overflows
                Y = self._apply(Q, shifts)
            lanczos_step(Y, Q, P, beta[k - 1], alpha[k], beta[k])
            P, Q = Q, P
            largest_ritz_value(alpha, beta, k, theta, residual)
            with np.errstate(all="ignore"):
                # An eigenvalue is within the residual: of two that nearly agree, one would do. Below the
                # rounding of the matrix there is nothing to converge to.
                done = (residual <= min(tol, 0.01) * theta) | (theta * noise**2 > 1.0)
                lost = ~np.isfinite(alpha[k] + beta[k])
            if not (done | lost).any():
                continue
            sigma[alive[done]] = 1.0 / np.sqrt(np.maximum(theta[done], 1e-300))
            sigma[alive[lost]] = 0.0  # the inverse overflows: below 1e-70 times the norm
            kept = ~(done | lost)
            alive = alive[kept]
            if not alive.size:
                break
            # A mask leaves columns contiguous: to compiled code another type, compiled again.
            shifts, Q, P, alpha, beta = (
                np.ascontiguousarray(M[:, kept]) for M in (shifts, Q, P, alpha, beta)
            )
            theta, residual = theta[kept], residual[kept]
        return sigma

    def _apply(self, Q, shifts):
        """Return ``(z - T)^-1 (z - T)^-* Q``."""
        X = Q.copy()
        for (i, j), T in zip(self.blocks, self.diagonal, strict=True):
            if i:
                X[2 * i : 2 * j] += self.real[: 2 * i, 2 * i : 2 * j].T @ X[: 2 * i]
            solve_adjoint(T, shifts, X[2 * i : 2 * j])
        n = len(X)
        for (i, j), T in zip(self.blocks[::-1], self.diagonal[::-1], strict=True):
            if 2 * j < n:
                X[2 * i : 2 * j] += self.real[2 * i : 2 * j, 2 * j :] @ X[2 * j :]
            solve_upper(T, shifts, X[2 * i : 2 * j])
        return X
