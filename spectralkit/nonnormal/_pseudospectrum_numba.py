"""Loops over the shifts of a pseudospectrum, which stand side by side in the rows of real arrays.

A complex row is two real ones: the rows of a block are the real parts of its components, then the imaginary
parts. So the compiler vectorises over shifts, and what couples two blocks is a real matrix product.
"""

import numpy as np

from spectralkit._core.jit import njit

# The smallest pivot, relative to a matrix of norm about 1: below it a shift is an eigenvalue.
_TINY = 1e-30
_BISECTIONS = 52


@njit(fastmath={"contract", "nsz"})
def solve_upper(T, z, X):
    """Overwrite ``X`` with ``(z - T)^-1 X`` for a small upper triangular T and each shift."""
    n, m = T.shape[0], z.shape[1]
    zr, zi = z[0], z[1]
    for i in range(n - 1, -1, -1):
        xr, xi = X[i], X[n + i]
        for j in range(i + 1, n):
            tr, ti = T[i, j].real, T[i, j].imag
            yr, yi = X[j], X[n + j]
            for s in range(m):
                xr[s] += tr * yr[s] - ti * yi[s]
                xi[s] += tr * yi[s] + ti * yr[s]
        tr, ti = T[i, i].real, T[i, i].imag
        for s in range(m):
            dr, di = zr[s] - tr, zi[s] - ti
            square = dr * dr + di * di
            dr = dr if square > _TINY * _TINY else _TINY
            scale = 1.0 / max(square, _TINY * _TINY)
            ar, ai = xr[s], xi[s]
            xr[s] = (ar * dr + ai * di) * scale
            xi[s] = (ai * dr - ar * di) * scale


@njit(fastmath={"contract", "nsz"})
def solve_adjoint(T, z, X):
    """Overwrite ``X`` with ``(z - T)^-* X``."""
    n, m = T.shape[0], z.shape[1]
    zr, zi = z[0], z[1]
    for i in range(n):
        xr, xi = X[i], X[n + i]
        for j in range(i):
            tr, ti = T[j, i].real, T[j, i].imag
            yr, yi = X[j], X[n + j]
            for s in range(m):
                xr[s] += tr * yr[s] + ti * yi[s]
                xi[s] += tr * yi[s] - ti * yr[s]
        tr, ti = T[i, i].real, T[i, i].imag
        for s in range(m):
            dr, di = zr[s] - tr, zi[s] - ti
            square = dr * dr + di * di
            dr = dr if square > _TINY * _TINY else _TINY
            scale = 1.0 / max(square, _TINY * _TINY)
            ar, ai = xr[s], xi[s]
            xr[s] = (ar * dr - ai * di) * scale
            xi[s] = (ai * dr + ar * di) * scale


@njit(fastmath={"contract", "nsz"})
def lanczos_step(Y, Q, P, beta, alpha, beta_next):
    """Turn ``Y``, the operator on ``Q``, into the next Lanczos vector, in the memory of ``P``."""
    n, m = Y.shape
    for s in range(m):
        alpha[s] = 0.0
        beta_next[s] = 0.0
    for i in range(n):
        y, q = Y[i], Q[i]
        for s in range(m):
            alpha[s] += q[s] * y[s]
    for i in range(n):
        y, q, p = Y[i], Q[i], P[i]
        for s in range(m):
            p[s] = y[s] - alpha[s] * q[s] - beta[s] * p[s]
            beta_next[s] += p[s] * p[s]
    for s in range(m):
        beta_next[s] = np.sqrt(beta_next[s])
    for i in range(n):
        p = P[i]
        for s in range(m):
            p[s] /= max(beta_next[s], 1e-300)


@njit(fastmath={"contract", "nsz"})
def largest_ritz_value(alpha, beta, k, theta, residual):
    """Write the largest eigenvalue of each tridiagonal matrix of order k + 1, by bisection, and its residual.

    ``theta`` comes as that of order k, which is below; what is above it is at most the last row's sum away.
    """
    m = theta.size
    low, high, middle, pivot = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    above = np.empty(m)
    for s in range(m):
        last = beta[k - 1, s] if k > 0 else 0.0
        low[s] = max(theta[s], alpha[k, s])
        high[s] = low[s] + last
    for _ in range(_BISECTIONS):
        for s in range(m):
            middle[s] = 0.5 * (low[s] + high[s])
            pivot[s] = alpha[0, s] - middle[s]
            above[s] = 1.0 if pivot[s] > 0.0 else 0.0
        for i in range(1, k + 1):
            a, b = alpha[i], beta[i - 1]
            for s in range(m):
                # Once an eigenvalue is above the middle, the rest of the count does not matter.
                d = pivot[s] if abs(pivot[s]) > 1e-300 else -1e-300
                pivot[s] = a[s] - middle[s] - b[s] * (b[s] / d)
                above[s] = 1.0 if pivot[s] > 0.0 else above[s]
        for s in range(m):
            low[s] = middle[s] if above[s] > 0.0 else low[s]
            high[s] = high[s] if above[s] > 0.0 else middle[s]
    # The last component of the eigenvector, by back substitution with the pivots, which are negative: beta
    # times it is the residual.
    factor = np.empty((k + 1, m))
    for s in range(m):
        theta[s] = high[s]
        pivot[s] = alpha[0, s] - high[s]
    for i in range(1, k + 1):
        a, b, f = alpha[i], beta[i - 1], factor[i]
        for s in range(m):
            d = pivot[s] if pivot[s] < -1e-300 else -1e-300
            f[s] = b[s] / d
            pivot[s] = a[s] - high[s] - b[s] * f[s]
    for s in range(m):
        middle[s] = 1.0  # the component
        residual[s] = 1.0  # the sum of squares
    for j in range(k):
        f = factor[k - j]
        for s in range(m):
            middle[s] *= -f[s]
            residual[s] += middle[s] * middle[s]
    last = beta[k]
    for s in range(m):
        residual[s] = last[s] / np.sqrt(residual[s])
