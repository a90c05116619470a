"""Spherical harmonics of many directions, in tiles whose rows are harmonics."""

import numpy as np

from spectralkit._core.jit import njit

_TILE = 64
# Sines of small angles to high powers underflow, where harmonics of higher degree do not.
SCALE = 2.0**1000
_DOWN = 2.0**-1000


@njit(fastmath={"contract", "nsz"})
def harmonics(xyz, sectoral, a, b, out):
    """Write the harmonics of unit vectors to the rows of ``out``; ``sectoral`` has SCALE as a factor."""
    n, size = out.shape
    lmax = sectoral.size - 1
    width = min(_TILE, n)
    tile = np.zeros((size, width))
    for start in range(0, n, _TILE):
        count = min(_TILE, n - start)
        x, y, z = np.zeros(width), np.zeros(width), np.zeros(width)
        for s in range(count):
            x[s], y[s], z[s] = xyz[start + s, 0], xyz[start + s, 1], xyz[start + s, 2]
        for s in range(width):
            tile[0, s] = sectoral[0]
        for m in range(lmax + 1):
            # P_mm times cos and sin of m φ are powers of x + iy: no angle is ever computed.
            cosine, sine = tile[m * m + 2 * m], tile[m * m]
            if m == 1:
                for s in range(width):
                    cosine[s] = sectoral[1] * x[s]
                    sine[s] = sectoral[1] * y[s]
            elif m > 1:
                before = (m - 1) * (m - 1)
                c, d, factor = tile[before + 2 * m - 2], tile[before], sectoral[m]
                for s in range(width):
                    cosine[s] = factor * (x[s] * c[s] - y[s] * d[s])
                    sine[s] = factor * (x[s] * d[s] + y[s] * c[s])
            for l in range(m + 1, lmax + 1):  # noqa: E741
                first, second = a[l, m], a[l, m] * b[l, m]
                for sign in range(2 if m > 0 else 1):
                    order = m if sign == 0 else -m
                    new, old = tile[l * l + l + order], tile[(l - 1) * (l - 1) + l - 1 + order]
                    if l == m + 1:
                        for s in range(width):
                            new[s] = first * z[s] * old[s]
                    else:
                        older = tile[(l - 2) * (l - 2) + l - 2 + order]
                        for s in range(width):
                            new[s] = first * z[s] * old[s] - second * older[s]
        for s in range(count):
            for i in range(size):
                out[start + s, i] = _DOWN * tile[i, s]
