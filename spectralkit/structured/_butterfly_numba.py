"""Products with butterfly matrices: stages of one geometry, for one vector or for a tile of rows.

A stage works on groups of four neighbours and writes the results a quarter of the length apart. That
turns the index by two bits, so that every stage is the same loop, with unit stride over the groups, and
the order is the natural one after all bits. An odd number of levels begins with one stage of pairs.
Complex numbers are kept as planes of real and imaginary parts.
"""

import numpy as np

from spectralkit._core.jit import INNER, njit

_FLAGS = {"contract", "nsz"}
# Rows of a tile. Fewer fall below what the compiler's check for overlapping arrays lets into vector code.
LANES = 32


@njit(fastmath=_FLAGS, **INNER)
def _vector(gather, first, stages, scatter, x, work, y):
    """Write the product with one vector; empty ``gather``, ``first`` and ``scatter`` are left out."""
    n = y.size
    q, half, last = n // 4, n // 2, stages.shape[0] - 1
    source, target, spare = x, work[0], work[1]
    if gather.size:
        for i in range(n):
            target[i] = x[gather[i]]
        source, target, spare = target, spare, target
    if first.size:
        m0, m1, m2, m3 = first[0], first[1], first[2], first[3]
        for g in range(half):
            u, v = source[2 * g], source[2 * g + 1]
            target[g] = m0[g] * u + m1[g] * v
            target[g + half] = m2[g] * u + m3[g] * v
        source, target, spare = target, spare, target
    for t in range(last + 1):
        M = stages[t]
        out = y if t == last and scatter.size == 0 else target
        for g in range(q):
            x0, x1, x2, x3 = source[4 * g], source[4 * g + 1], source[4 * g + 2], source[4 * g + 3]
            out[g] = M[0, g] * x0 + M[1, g] * x1 + M[2, g] * x2 + M[3, g] * x3
            out[g + q] = M[4, g] * x0 + M[5, g] * x1 + M[6, g] * x2 + M[7, g] * x3
            out[g + 2 * q] = M[8, g] * x0 + M[9, g] * x1 + M[10, g] * x2 + M[11, g] * x3
            out[g + 3 * q] = M[12, g] * x0 + M[13, g] * x1 + M[14, g] * x2 + M[15, g] * x3
        source, target, spare = out, spare, target
    if scatter.size:
        for i in range(n):
            y[i] = source[scatter[i]]
    elif last < 0:
        for i in range(n):
            y[i] = source[i]


@njit(fastmath=_FLAGS, **INNER)
def _complex_vector(gather, first, stages, scatter, x, work, y):
    """Do the same with complex numbers; tables and work have planes in front."""
    n = y.size
    q, half = n // 4, n // 2
    ar, ai, br, bi = work[0], work[1], work[2], work[3]
    for i in range(n):
        ar[i], ai[i] = x[gather[i]].real, x[gather[i]].imag
    if first.size:
        R, I = first[0], first[1]  # noqa: E741
        for g in range(half):
            ur, vr, ui, vi = ar[2 * g], ar[2 * g + 1], ai[2 * g], ai[2 * g + 1]
            br[g] = R[0, g] * ur - I[0, g] * ui + R[1, g] * vr - I[1, g] * vi
            bi[g] = R[0, g] * ui + I[0, g] * ur + R[1, g] * vi + I[1, g] * vr
            br[g + half] = R[2, g] * ur - I[2, g] * ui + R[3, g] * vr - I[3, g] * vi
            bi[g + half] = R[2, g] * ui + I[2, g] * ur + R[3, g] * vi + I[3, g] * vr
        ar, ai, br, bi = br, bi, ar, ai
    for t in range(stages.shape[1]):
        R, I = stages[0, t], stages[1, t]  # noqa: E741
        for g in range(q):
            u0, u1, u2, u3 = ar[4 * g], ar[4 * g + 1], ar[4 * g + 2], ar[4 * g + 3]
            v0, v1, v2, v3 = ai[4 * g], ai[4 * g + 1], ai[4 * g + 2], ai[4 * g + 3]
            for r in range(4):
                r0, r1, r2, r3 = R[4 * r, g], R[4 * r + 1, g], R[4 * r + 2, g], R[4 * r + 3, g]
                i0, i1, i2, i3 = I[4 * r, g], I[4 * r + 1, g], I[4 * r + 2, g], I[4 * r + 3, g]
                br[g + r * q] = r0 * u0 - i0 * v0 + r1 * u1 - i1 * v1 + r2 * u2 - i2 * v2 + r3 * u3 - i3 * v3
                bi[g + r * q] = r0 * v0 + i0 * u0 + r1 * v1 + i1 * u1 + r2 * v2 + i2 * u2 + r3 * v3 + i3 * u3
        ar, ai, br, bi = br, bi, ar, ai
    if scatter.size:
        for i in range(n):
            y[i] = complex(ar[scatter[i]], ai[scatter[i]])
    else:
        for i in range(n):
            y[i] = complex(ar[i], ai[i])


@njit()
def vector_product(gather, first, stages, scatter, x):
    """Return the product with one vector: the shortest way from Python."""
    y = np.empty_like(x)
    work = np.empty((2, x.size + 8), dtype=x.dtype)  # not a power of two: see the tables
    _vector(gather, first, stages, scatter, x, work, y)
    return y


@njit()
def row_products(gather, first, stages, scatter, X, work, Y):
    """Write the products with the rows of ``X`` to those of ``Y``, one by one."""
    for s in range(len(X)):
        _vector(gather, first, stages, scatter, X[s], work, Y[s])


@njit()
def complex_row_products(gather, first, stages, scatter, X, work, Y):
    """Do as ``row_products`` with complex numbers."""
    for s in range(len(X)):
        _complex_vector(gather, first, stages, scatter, X[s], work, Y[s])


@njit(fastmath=_FLAGS)
def tile_products(gather, first, stages, scatter, X, work, Y):
    """Write the products with the rows of ``X`` to those of ``Y``, a tile at a time, one lane each."""
    n = Y.shape[1]
    q, half, lanes = n // 4, n // 2, np.uint64(LANES)
    for start in range(0, len(Y), LANES):
        count = min(LANES, len(Y) - start)
        a, b = work[0], work[1]
        for s in range(count):
            row = X[start + s]
            for i in range(n):
                a[i * LANES + s] = row[gather[i] if gather.size else i]
        if first.size:
            for g in range(half):
                m0, m1, m2, m3 = first[0, g], first[1, g], first[2, g], first[3, g]
                p = np.uint64(2 * g * LANES)
                o, w = np.uint64(g * LANES), np.uint64((g + half) * LANES)
                for s in range(lanes):
                    u, v = a[p + s], a[p + lanes + s]
                    b[o + s] = m0 * u + m1 * v
                    b[w + s] = m2 * u + m3 * v
            a, b = b, a
        for t in range(stages.shape[0]):
            M = stages[t]
            for g in range(q):
                p0 = np.uint64(4 * g * LANES)
                p1, p2, p3 = p0 + lanes, p0 + 2 * lanes, p0 + 3 * lanes
                for r in range(4):
                    m0, m1, m2, m3 = M[4 * r, g], M[4 * r + 1, g], M[4 * r + 2, g], M[4 * r + 3, g]
                    o = np.uint64((g + r * q) * LANES)
                    for s in range(lanes):
                        b[o + s] = m0 * a[p0 + s] + m1 * a[p1 + s] + m2 * a[p2 + s] + m3 * a[p3 + s]
            a, b = b, a
        for s in range(count):
            row = Y[start + s]
            for i in range(n):
                row[i] = a[(scatter[i] if scatter.size else i) * LANES + s]


@njit(fastmath=_FLAGS)
def complex_tile_products(gather, first, stages, scatter, X, work, Y):
    """Do as ``tile_products`` with complex numbers; tables and work have planes in front."""
    n = Y.shape[1]
    q, half, lanes = n // 4, n // 2, np.uint64(LANES)
    for start in range(0, len(Y), LANES):
        count = min(LANES, len(Y) - start)
        ar, ai, br, bi = work[0], work[1], work[2], work[3]
        for s in range(count):
            row = X[start + s]
            for i in range(n):
                ar[i * LANES + s], ai[i * LANES + s] = row[gather[i]].real, row[gather[i]].imag
        if first.size:
            R, I = first[0], first[1]  # noqa: E741
            for g in range(half):
                p = np.uint64(2 * g * LANES)
                for r in range(2):
                    r0, r1, i0, i1 = R[2 * r, g], R[2 * r + 1, g], I[2 * r, g], I[2 * r + 1, g]
                    o = np.uint64((g + r * half) * LANES)
                    for s in range(lanes):
                        br[o + s] = (
                            r0 * ar[p + s] - i0 * ai[p + s] + r1 * ar[p + lanes + s] - i1 * ai[p + lanes + s]
                        )
                        bi[o + s] = (
                            r0 * ai[p + s] + i0 * ar[p + s] + r1 * ai[p + lanes + s] + i1 * ar[p + lanes + s]
                        )
            ar, ai, br, bi = br, bi, ar, ai
        for t in range(stages.shape[1]):
            R, I = stages[0, t], stages[1, t]  # noqa: E741
            for g in range(q):
                p0 = np.uint64(4 * g * LANES)
                p1, p2, p3 = p0 + lanes, p0 + 2 * lanes, p0 + 3 * lanes
                for r in range(4):
                    r0, r1, r2, r3 = R[4 * r, g], R[4 * r + 1, g], R[4 * r + 2, g], R[4 * r + 3, g]
                    i0, i1, i2, i3 = I[4 * r, g], I[4 * r + 1, g], I[4 * r + 2, g], I[4 * r + 3, g]
                    o = np.uint64((g + r * q) * LANES)
                    for s in range(lanes):
                        u0, u1, u2, u3 = ar[p0 + s], ar[p1 + s], ar[p2 + s], ar[p3 + s]
                        v0, v1, v2, v3 = ai[p0 + s], ai[p1 + s], ai[p2 + s], ai[p3 + s]
                        br[o + s] = (
                            (r0 * u0 - i0 * v0)
                            + (r1 * u1 - i1 * v1)
                            + (r2 * u2 - i2 * v2)
                            + (r3 * u3 - i3 * v3)
                        )
                        bi[o + s] = (
                            (r0 * v0 + i0 * u0)
                            + (r1 * v1 + i1 * u1)
                            + (r2 * v2 + i2 * u2)
                            + (r3 * v3 + i3 * u3)
                        )
            ar, ai, br, bi = br, bi, ar, ai
        for s in range(count):
            row = Y[start + s]
            for i in range(n):
                k = (scatter[i] if scatter.size else i) * LANES + s
                row[i] = complex(ar[k], ai[k])
