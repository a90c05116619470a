"""The loops of Gaunt products that are no matrix products: a tile of rows at a time, one lane each."""

import numpy as np

from spectralkit._core.jit import njit

# Rows that go together in the sparse product. Shorter loops fall below what the compiler's check for
# overlapping arrays lets into vector code, and take five times as long for each row.
LANES = 128


@njit(fastmath={"contract", "nsz"})
def sparse_product(x1, x2, pair, start, target, value, y):
    """Write ``y_k = Σ_ij G_ijk x1_i x2_j``; the entries of pair p are those from ``start[p]`` on."""
    n, n1, n2, n3 = x1.shape[0], x1.shape[1], x2.shape[1], y.shape[1]
    one = y[:1, :1]
    a = np.zeros_like(one.repeat(n1 * LANES))
    b = np.zeros_like(one.repeat(n2 * LANES))
    c = np.zeros_like(one.repeat(n3 * LANES))
    t = np.zeros_like(one.repeat(LANES))
    lanes = np.uint64(LANES)
    for first in range(0, n, LANES):
        count = min(LANES, n - first)
        for s in range(count):
            for i in range(n1):
                a[i * LANES + s] = x1[first + s, i]
            for i in range(n2):
                b[i * LANES + s] = x2[first + s, i]
        c[:] = 0.0
        for p in range(start.size - 1):
            i, j = np.uint64(pair[p, 0] * LANES), np.uint64(pair[p, 1] * LANES)
            for s in range(lanes):
                t[s] = a[i + s] * b[j + s]
            for e in range(start[p], start[p + 1]):
                k, g = np.uint64(target[e] * LANES), value[e]
                for s in range(lanes):
                    c[k + s] += g * t[s]
        for s in range(count):
            for i in range(n3):
                y[first + s, i] = c[i * LANES + s]


@njit()
def gather(x, place, tile):
    """Write the rows of ``x`` to the columns of ``tile``, coefficient i to row ``place[i]``."""
    for s in range(x.shape[0]):
        for i in range(place.size):
            tile[place[i], s] = x[s, i]


@njit()
def scatter(tile, place, y):
    """Write the columns of ``tile`` to the rows of ``y``."""
    for s in range(y.shape[0]):
        for i in range(place.size):
            y[s, i] = tile[place[i], s]


@njit(fastmath={"contract", "nsz"})
def multiply_parities(v, w):
    """
    Overwrite ``v`` with the parity components of the product of two functions.

    Each function has 8 components, even or odd under the three reflections, on an eighth of the sphere. Their
    sums with signs are its values at the 8 mirror images.
    """
    n = v.shape[1]
    v0, v1, v2, v3, v4, v5, v6, v7 = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
    w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
    eighth = v.dtype.type(0.125)
    for s in range(n):
        a0, a1, a2, a3, a4, a5, a6, a7 = _signed_sums(v0[s], v1[s], v2[s], v3[s], v4[s], v5[s], v6[s], v7[s])
        b0, b1, b2, b3, b4, b5, b6, b7 = _signed_sums(w0[s], w1[s], w2[s], w3[s], w4[s], w5[s], w6[s], w7[s])
        a0, a1, a2, a3, a4, a5, a6, a7 = _signed_sums(
            a0 * b0 * eighth,
            a1 * b1 * eighth,
            a2 * b2 * eighth,
            a3 * b3 * eighth,
            a4 * b4 * eighth,
            a5 * b5 * eighth,
            a6 * b6 * eighth,
            a7 * b7 * eighth,
        )
        v0[s], v1[s], v2[s], v3[s] = a0, a1, a2, a3
        v4[s], v5[s], v6[s], v7[s] = a4, a5, a6, a7


@njit(fastmath={"contract", "nsz"}, inline="always")
def _signed_sums(a0, a1, a2, a3, a4, a5, a6, a7):
    a0, a1, a2, a3, a4, a5, a6, a7 = a0 + a1, a0 - a1, a2 + a3, a2 - a3, a4 + a5, a4 - a5, a6 + a7, a6 - a7
    a0, a1, a2, a3, a4, a5, a6, a7 = a0 + a2, a1 + a3, a0 - a2, a1 - a3, a4 + a6, a5 + a7, a4 - a6, a5 - a7
    return a0 + a4, a1 + a5, a2 + a6, a3 + a7, a0 - a4, a1 - a5, a2 - a6, a3 - a7
