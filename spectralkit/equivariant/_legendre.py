"""Associated Legendre functions, normalised, and the quadrature that is exact for their products."""

import math

import numpy as np


def legendre_functions(lmax, x):
    """
    Return the normalised associated Legendre functions ``P_lm(x)``, ``∫ P_lm² dx = 1``, as (l, m, point).

    No Condon-Shortley phase. Upward recurrence in l, which is stable.
    """
    x = np.asarray(x, dtype=np.float64)
    P = np.zeros((lmax + 1, lmax + 1, x.size))
    sine = np.sqrt((1.0 - x) * (1.0 + x))
    P[0, 0] = math.sqrt(0.5)
    for m in range(1, lmax + 1):
        P[m, m] = math.sqrt((2 * m + 1) / (2 * m)) * sine * P[m - 1, m - 1]
    m = np.arange(lmax + 1)
    for l in range(1, lmax + 1):  # noqa: E741
        a, b = recurrence(l, m[:l])
        P[l, :l] = a[:, None] * (x * P[l - 1, :l])
        if l > 1:
            P[l, :l] -= (a * b)[:, None] * P[l - 2, :l]
    return P


def recurrence(l, m):  # noqa: E741
    """Return a and b of ``P_lm = a (x P_{l-1,m} - b P_{l-2,m})`` for orders below l; b is 0 at l = m + 1."""
    a = np.sqrt((4.0 * l * l - 1.0) / (l * l - m * m))
    return a, np.sqrt(((l - 1.0) ** 2 - m * m) / np.maximum(4.0 * (l - 1.0) ** 2 - 1.0, 1.0))


def gauss_legendre(degree, *, even=False):
    """Return nodes and weights, an even number if asked, exact for polynomials up to ``degree``."""
    n = degree // 2 + 1
    return np.polynomial.legendre.leggauss(n + n % 2 if even else n)
