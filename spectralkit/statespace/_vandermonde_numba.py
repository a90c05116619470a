"""Compiled loops of the Vandermonde kernel: short tables of powers, and products of the tables."""

import numba
import numpy as np

from spectralkit._core.jit import INNER, njit, vexp

# Steps l = BLOCK q + r: powers by r and by q are tabulated, and a panel of ROWS values of q is one
# product. They are constants, whatever the length, so that a longer kernel begins with the bits of a
# shorter one.
BLOCK = 128
ROWS = 128
PANEL = BLOCK * ROWS
# Modes whose tables are in the cache together; the caller pads them to a multiple of UNROLL.
_MODES = 32
UNROLL = 4
# Unsigned integers, which wrap: of signed ones LLVM may assume that they do not. The two mixed become
# floats.
_10, _32, _62 = np.uint64(10), np.uint64(32), np.uint64(62)
_EIGHTH = np.uint64(1 << 61)  # of a turn
_REST = np.uint64((1 << 62) - 1)
_ONE = np.uint64(0x3FF0000000000000)  # the bits of 1.0


@njit(fastmath={"contract"}, **INNER)
def _power(decay, turn, turn_low, step):
    """
    Return the real and the imaginary part of ``exp(decay + 2πi turns)**step``, to about an ulp.

    The phase is a fraction of a turn in fixed point, 64 bits in ``turn`` and 32 below them in
    ``turn_low``: whole turns overflow, and no rounding error grows with the step. Straight-line code,
    vectorisable.
    """
    # The upper half of the decay times the step is exact; what the product loses is a factor 1 + low.
    upper = np.int64(np.float64(decay).view(np.int64) & ~np.int64(0x7FFFFFF)).view(np.float64)
    count = np.float64(np.int32(step))
    head, tail = upper * count, (decay - upper) * count
    product = head + tail
    low = (head - product) + tail
    size = vexp(product)
    size += size * low
    # Quarter turns, rounded to nearest, and 52 bits of what is left: the mantissa of a number in [1, 2).
    k = np.uint64(step)
    phase = k * turn + ((k * turn_low) >> _32) + _EIGHTH
    quarter = np.int32(phase >> _62)
    fraction = np.uint64(((phase & _REST) >> _10) | _ONE)
    x = (fraction.view(np.float64) - 1.5) * 1.5707963267948966
    # The polynomials of fdlibm on |x| <= π/4.
    z = x * x
    p = -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10
    p = 2.75573137070700676789e-06 + z * p
    p = -1.98412698298579493134e-04 + z * p
    p = 8.33333333332248946124e-03 + z * p
    p = -1.66666666666666324348e-01 + z * p
    sine = x + (x * z) * p
    p = 2.08757232129817482790e-09 + z * -1.13596475577881948265e-11
    p = -2.75573143513906633035e-07 + z * p
    p = 2.48015872894767294178e-05 + z * p
    p = -1.38888888888741095749e-03 + z * p
    p = 4.16666666666666019037e-02 + z * p
    cosine = 1.0 - (0.5 * z - (z * z) * p)
    odd = (quarter & 1) != 0
    real, imaginary = (sine, cosine) if odd else (cosine, sine)
    real = -real if ((quarter + 1) & 2) != 0 else real
    imaginary = -imaginary if (quarter & 2) != 0 else imaginary
    return size * real, size * imaginary


@njit(fastmath={"contract"}, **INNER)
def _baby_steps(decay, turn, turn_low, table):
    """Write powers r = 0, 1, .. of each mode: two rows of the table, real and imaginary parts."""
    for j in range(len(decay)):
        real, imaginary = table[2 * j], table[2 * j + 1]
        for r in range(BLOCK):
            real[r], imaginary[r] = _power(decay[j], turn[j], turn_low[j], np.int64(r))


@njit(fastmath={"contract"}, **INNER)
def _panel(decay, turn, turn_low, C_real, C_imag, start, out):
    """Write ``2 Re Σ_n C_n z_n^l`` for the l of a panel, beginning with ``start``."""
    n, size = len(decay), len(out)
    n_rows = (size + BLOCK - 1) // BLOCK
    baby = np.empty((2 * _MODES, BLOCK))
    giant_real, giant_imag = np.empty(_MODES), np.empty(_MODES)
    sums = np.zeros((n_rows, BLOCK))
    for low in range(0, n, _MODES):
        high = min(low + _MODES, n)
        m = high - low
        a, t, t_low = decay[low:high], turn[low:high], turn_low[low:high]
        c, d = C_real[low:high], C_imag[low:high]
        _baby_steps(a, t, t_low, baby)
        for q in range(n_rows):
            step = np.int64(start + q * BLOCK)
            for j in range(m):
                real, imaginary = _power(a[j], t[j], t_low[j], step)
                giant_real[j] = 2.0 * (c[j] * real - d[j] * imaginary)
                giant_imag[j] = -2.0 * (c[j] * imaginary + d[j] * real)
            row = sums[q]
            for j in range(0, m, UNROLL):
                u0, v0 = giant_real[j], giant_imag[j]
                u1, v1 = giant_real[j + 1], giant_imag[j + 1]
                u2, v2 = giant_real[j + 2], giant_imag[j + 2]
                u3, v3 = giant_real[j + 3], giant_imag[j + 3]
                b0, b1, b2, b3 = baby[2 * j], baby[2 * j + 1], baby[2 * j + 2], baby[2 * j + 3]
                b4, b5, b6, b7 = baby[2 * j + 4], baby[2 * j + 5], baby[2 * j + 6], baby[2 * j + 7]
                for r in range(BLOCK):
                    s = row[r] + u0 * b0[r] + v0 * b1[r] + u1 * b2[r] + v1 * b3[r]
                    row[r] = s + u2 * b4[r] + v2 * b5[r] + u3 * b6[r] + v3 * b7[r]
    for i in range(size):
        out[i] = sums[i // BLOCK, i % BLOCK]


@njit()
def kernel(decay, turn, turn_low, C_real, C_imag, out):
    """Write the kernel of each row of modes to the same row of ``out``."""
    length = out.shape[1]
    panels = (length + PANEL - 1) // PANEL
    for task in range(out.shape[0] * panels):
        h, start = task // panels, (task % panels) * PANEL
        stop = min(start + PANEL, length)
        _panel(decay[h], turn[h], turn_low[h], C_real[h], C_imag[h], start, out[h, start:stop])


@njit(parallel=True)
def kernel_parallel(decay, turn, turn_low, C_real, C_imag, out):
    """Do as ``kernel``, the panels spread over numba's threads."""
    length = out.shape[1]
    panels = (length + PANEL - 1) // PANEL
    for task in numba.prange(out.shape[0] * panels):
        h, start = task // panels, (task % panels) * PANEL
        stop = min(start + PANEL, length)
        _panel(decay[h], turn[h], turn_low[h], C_real[h], C_imag[h], start, out[h, start:stop])


@njit(fastmath={"contract"}, **INNER)
def _panel_moments(decay, turn, turn_low, k, start, moments):
    """
    Write ``Σ_l k_l z^l`` and ``Σ_l l k_l z^l`` over the l of a panel, for each mode.

    The rows of ``moments`` are the real and imaginary parts of the first, then of the second.
    """
    n, size = len(decay), len(k)
    n_rows = (size + BLOCK - 1) // BLOCK
    baby = np.empty((2 * _MODES, BLOCK))
    powers = np.zeros((BLOCK, 2 * _MODES))  # later ones than are needed may overflow
    padded = np.zeros(BLOCK)
    plain, weighted = np.empty(2 * _MODES), np.empty(2 * _MODES)
    moments[:] = 0.0
    for low in range(0, n, _MODES):
        high = min(low + _MODES, n)
        m = high - low
        a, t, t_low = decay[low:high], turn[low:high], turn_low[low:high]
        _baby_steps(a, t, t_low, baby)
        # Modes along the lanes: real parts first, then imaginary parts.
        for r in range(min(BLOCK, size)):
            for j in range(m):
                powers[r, j] = baby[2 * j, r]
                powers[r, m + j] = baby[2 * j + 1, r]
        for q in range(n_rows):
            padded[:] = 0.0
            for r in range(min(BLOCK, size - q * BLOCK)):
                padded[r] = k[q * BLOCK + r]
            plain[:] = 0.0
            weighted[:] = 0.0
            for r in range(0, BLOCK, 4):
                k0, k1, k2, k3 = padded[r], padded[r + 1], padded[r + 2], padded[r + 3]
                w0, w1, w2, w3 = r * k0, (r + 1) * k1, (r + 2) * k2, (r + 3) * k3
                p0, p1, p2, p3 = powers[r], powers[r + 1], powers[r + 2], powers[r + 3]
                for j in range(2 * m):
                    plain[j] += k0 * p0[j] + k1 * p1[j] + k2 * p2[j] + k3 * p3[j]
                    weighted[j] += w0 * p0[j] + w1 * p1[j] + w2 * p2[j] + w3 * p3[j]
            step = np.int64(start + q * BLOCK)
            for j in range(m):
                real, imaginary = _power(a[j], t[j], t_low[j], step)
                x, y = plain[j], plain[m + j]
                moments[0, low + j] += real * x - imaginary * y
                moments[1, low + j] += real * y + imaginary * x
                x, y = weighted[j] + step * x, weighted[m + j] + step * y
                moments[2, low + j] += real * x - imaginary * y
                moments[3, low + j] += real * y + imaginary * x


@njit()
def moments(decay, turn, turn_low, k, out):
    """Write ``Σ_l k_l z^l`` and ``Σ_l l k_l z^l`` of each panel: ``out`` is (rows, panels, 4, n)."""
    panels = out.shape[1]
    for task in range(out.shape[0] * panels):
        h, p = task // panels, task % panels
        stop = min((p + 1) * PANEL, k.shape[1])
        _panel_moments(decay[h], turn[h], turn_low[h], k[h, p * PANEL : stop], p * PANEL, out[h, p])


@njit(parallel=True)
def moments_parallel(decay, turn, turn_low, k, out):
    """Do as ``moments``, the panels spread over numba's threads."""
    panels = out.shape[1]
    for task in numba.prange(out.shape[0] * panels):
        h, p = task // panels, task % panels
        stop = min((p + 1) * PANEL, k.shape[1])
        _panel_moments(decay[h], turn[h], turn_low[h], k[h, p * PANEL : stop], p * PANEL, out[h, p])
