"""Compiled loops of the Cauchy kernel and of its adjoint."""

import numba
import numpy as np

from spectralkit._core.jit import INNER, njit

# Points of a task. Constants, so that sums are the same for any number of threads.
TILE = 1024
# Points whose contributions to the adjoint are summed plainly, before sums are added up.
_BLOCK = 128
# The exponent of a double, and that of 2**1023 in twice its bias.
_EXPONENT = np.int64(0x7FF0000000000000)
_TWICE_BIAS = np.int64(2046 << 52)


@njit(fastmath={"contract"}, **INNER)
def _scale(x, y):
    """Return the power of two that brings the larger of two magnitudes into [1, 2)."""
    largest = np.float64(max(abs(x), abs(y)))
    exponent = largest.view(np.int64) & _EXPONENT
    return np.int64(_TWICE_BIAS - exponent).view(np.float64)


@njit(fastmath={"contract"}, **INNER)
def _two_reciprocals(z, a, b):
    """
    Return ``1 / (iz - w)`` and ``1 / (iz - conj(w))``, ``w = a + ib``, as four parts.

    Each difference is scaled into [1, 2) by a power of two, so that no square leaves the range of
    doubles, and both share one division. At a pole all four are NaN.
    """
    d, e = z - b, z + b
    s, t = _scale(a, d), _scale(a, e)
    p, d, q, e = a * s, d * s, a * t, e * t
    m, n = p * p + d * d, q * q + e * e
    inverse = 1.0 / (m * n)
    s *= n * inverse
    t *= m * inverse
    return -p * s, -d * s, -q * t, -e * t


@njit(fastmath={"contract"}, **INNER)
def _tile(v_real, v_imag, w_real, w_imag, z, out):
    size = len(z)
    real, imaginary = np.zeros(TILE), np.zeros(TILE)
    for j in range(len(w_real)):
        a, b, c, d = w_real[j], w_imag[j], v_real[j], v_imag[j]
        for i in range(size):
            p, q, r, s = _two_reciprocals(z[i], a, b)
            real[i] += (c * p - d * q) + (c * r + d * s)
            imaginary[i] += (c * q + d * p) + (c * s - d * r)
    for i in range(size):
        out[2 * i] = real[i]
        out[2 * i + 1] = imaginary[i]


@njit()
def kernel(v_real, v_imag, w_real, w_imag, z, out):
    """Write the kernel of each row of poles to a row of ``out``, real and imaginary parts in turn."""
    tiles = (len(z) + TILE - 1) // TILE
    for task in range(len(out) * tiles):
        h, start = task // tiles, (task % tiles) * TILE
        stop = min(start + TILE, len(z))
        _tile(v_real[h], v_imag[h], w_real[h], w_imag[h], z[start:stop], out[h, 2 * start : 2 * stop])


@njit(parallel=True)
def kernel_parallel(v_real, v_imag, w_real, w_imag, z, out):
    """Do as ``kernel``, the tiles spread over numba's threads."""
    tiles = (len(z) + TILE - 1) // TILE
    for task in numba.prange(len(out) * tiles):
        h, start = task // tiles, (task % tiles) * TILE
        stop = min(start + TILE, len(z))
        _tile(v_real[h], v_imag[h], w_real[h], w_imag[h], z[start:stop], out[h, 2 * start : 2 * stop])


@njit(fastmath={"contract"}, **INNER)
def _tile_moments(w_real, w_imag, z, k_real, k_imag, out):
    """
    Write ``Σ conj(k) / (iz - w) + conj(conj(k) / (iz - conj(w)))``, and the same of squared differences.

    The rows of ``out`` are the real and imaginary parts of the first, then of the second; modes along the
    lanes.
    """
    out[:] = 0.0
    sums = np.empty_like(out)
    for start in range(0, len(z), _BLOCK):
        sums[:] = 0.0
        for i in range(start, min(start + _BLOCK, len(z))):
            x, y = k_real[i], k_imag[i]
            for j in range(len(w_real)):
                p, q, r, s = _two_reciprocals(z[i], w_real[j], w_imag[j])
                # conj(k) p + k conj(q)
                sums[0, j] += (x * p + y * q) + (x * r + y * s)
                sums[1, j] += (x * q - y * p) + (y * r - x * s)
                p, q, r, s = p * p - q * q, 2.0 * p * q, r * r - s * s, 2.0 * r * s
                sums[2, j] += (x * p + y * q) + (x * r + y * s)
                sums[3, j] += (x * q - y * p) + (y * r - x * s)
        for row in range(4):
            for j in range(len(w_real)):
                out[row, j] += sums[row, j]


@njit()
def moments(w_real, w_imag, z, k_real, k_imag, out):
    """Write the moments of each tile of points: ``out`` is (rows, tiles, 4, n)."""
    tiles = out.shape[1]
    for task in range(len(out) * tiles):
        h, tile = task // tiles, task % tiles
        start, stop = tile * TILE, min((tile + 1) * TILE, len(z))
        k, m = k_real[h, start:stop], k_imag[h, start:stop]
        _tile_moments(w_real[h], w_imag[h], z[start:stop], k, m, out[h, tile])


@njit(parallel=True)
def moments_parallel(w_real, w_imag, z, k_real, k_imag, out):
    """Do as ``moments``, the tiles spread over numba's threads."""
    tiles = out.shape[1]
    for task in numba.prange(len(out) * tiles):
        h, tile = task // tiles, task % tiles
        start, stop = tile * TILE, min((tile + 1) * TILE, len(z))
        k, m = k_real[h, start:stop], k_imag[h, start:stop]
        _tile_moments(w_real[h], w_imag[h], z[start:stop], k, m, out[h, tile])
