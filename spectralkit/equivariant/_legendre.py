"""Associated Legendre functions, normalised, and the quadrature that is exact for their products."""

import numpy as np


def legendre_functions(lmax, x):
    """
    Return the normalised associated Legendre functions ``P_lm(x)``, ``∫ P_lm² dx = 1``, as (l, m, point).

    No Condon-Shortley phase. Upward recurrence in l, which is stable; in extended precision where there is
    one, so that the tables of products have no error but that of rounding.
    """
    x = np.asarray(x, dtype=np.longdouble)
    P = np.zeros((lmax + 1, lmax + 1, x.size), dtype=x.dtype)
    sine = np.sqrt((1.0 - x) * (1.0 + x))
    P[0, 0] = np.sqrt(x.dtype.type(0.5))
    m = np.arange(lmax + 1, dtype=x.dtype)
    for order in range(1, lmax + 1):
        P[order, order] = np.sqrt(1.0 + 0.5 / m[order]) * sine * P[order - 1, order - 1]
    for l in range(1, lmax + 1):  # noqa: E741
        a, b = recurrence(l, m[:l])
        P[l, :l] = a[:, None] * (x * P[l - 1, :l])
        if l > 1:
            P[l, :l] -= (a * b)[:, None] * P[l - 2, :l]
    return P.astype(np.float64)


def recurrence(l, m):  # noqa: E741
    """Return a and b of ``P_lm = a (x P_{l-1,m} - b P_{l-2,m})`` for orders below l; b is 0 at l = m + 1."""
    a = np.sqrt((4 * l * l - 1) / (l * l - m * m))
    return a, np.sqrt(((l - 1) ** 2 - m * m) / max(4 * (l - 1) ** 2 - 1, 1))


def gauss_legendre(degree, *, even=False):
    """
    Return nodes, in extended precision, and weights, exact for polynomials up to ``degree``.

    Their number is even if asked.
    """
    n = degree // 2 + 1
    n += n % 2 if even else 0
    # One step of Newton in extended precision: in double the nodes are off by some units.
    x = np.polynomial.legendre.leggauss(n)[0].astype(np.longdouble)
    for _ in range(2):
        before, value = np.ones_like(x), x
        for l in range(2, n + 1):  # noqa: E741
            before, value = value, ((2 * l - 1) * x * value - (l - 1) * before) / l
        slope = n * (before - x * value) / ((1.0 - x) * (1.0 + x))
        x, weights = x - value / slope, 2.0 / ((1.0 - x) * (1.0 + x) * slope**2)
    return x, weights.astype(np.float64)
