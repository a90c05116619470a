"""The compiled fast-forward of block Oja over consecutive plain blocks of a dense real array.

Two entries, so that a first call compiles only what it uses: ``sweep_pair`` for the default of two columns
without centring, which runs near the rate of memory, and ``sweep`` for everything else.
"""

import numpy as np

from spectralkit._core.jit import INNER, SUM_FLAGS, njit

# Squared norms outside this range go to the general path, which rescales the stream.
SMALLEST, LARGEST = 1e-120, 1e120
# Rows worked on together: each entry of a basis vector or of the products is loaded once for four rows.
_TILE = 4


@njit(fastmath=SUM_FLAGS, **INNER)
def _pass_pair(last, last_scores, products, rows, basis, norms_sq, scores):
    """Add the last tile to the products, and score the next, in one loop.

    The next four rows come from memory while those before, still in cache, keep the arithmetic busy: two
    loops one after the other take a third longer.
    """
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    l0, l1, l2, l3 = last[0], last[1], last[2], last[3]
    p, q, y, z = basis[0], basis[1], products[0], products[1]
    c0, c1, c2, c3 = last_scores[0, 0], last_scores[0, 1], last_scores[0, 2], last_scores[0, 3]
    d0, d1, d2, d3 = last_scores[1, 0], last_scores[1, 1], last_scores[1, 2], last_scores[1, 3]
    n0, n1, n2, n3 = 0.0, 0.0, 0.0, 0.0
    a0, a1, a2, a3 = 0.0, 0.0, 0.0, 0.0
    b0, b1, b2, b3 = 0.0, 0.0, 0.0, 0.0
    for j in range(rows.shape[1]):
        x0, x1, x2, x3 = np.float64(r0[j]), np.float64(r1[j]), np.float64(r2[j]), np.float64(r3[j])
        n0 += x0 * x0
        n1 += x1 * x1
        n2 += x2 * x2
        n3 += x3 * x3
        a0 += x0 * p[j]
        a1 += x1 * p[j]
        a2 += x2 * p[j]
        a3 += x3 * p[j]
        b0 += x0 * q[j]
        b1 += x1 * q[j]
        b2 += x2 * q[j]
        b3 += x3 * q[j]
        u0, u1, u2, u3 = np.float64(l0[j]), np.float64(l1[j]), np.float64(l2[j]), np.float64(l3[j])
        y[j] += c0 * u0 + c1 * u1 + c2 * u2 + c3 * u3
        z[j] += d0 * u0 + d1 * u1 + d2 * u2 + d3 * u3
    norms_sq[0], norms_sq[1], norms_sq[2], norms_sq[3] = n0, n1, n2, n3
    scores[0, 0], scores[0, 1], scores[0, 2], scores[0, 3] = a0, a1, a2, a3
    scores[1, 0], scores[1, 1], scores[1, 2], scores[1, 3] = b0, b1, b2, b3


@njit(fastmath=SUM_FLAGS, **INNER)
def _widen(rows, scale, shift, wide, norms_sq):
    """Write ``scale * row - shift`` in double for four rows, and their squared norms."""
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    w0, w1, w2, w3 = wide[0], wide[1], wide[2], wide[3]
    n0, n1, n2, n3 = 0.0, 0.0, 0.0, 0.0
    for j in range(rows.shape[1]):
        x0 = np.float64(r0[j]) * scale - shift[j]
        x1 = np.float64(r1[j]) * scale - shift[j]
        x2 = np.float64(r2[j]) * scale - shift[j]
        x3 = np.float64(r3[j]) * scale - shift[j]
        w0[j], w1[j], w2[j], w3[j] = x0, x1, x2, x3
        n0 += x0 * x0
        n1 += x1 * x1
        n2 += x2 * x2
        n3 += x3 * x3
    norms_sq[0], norms_sq[1], norms_sq[2], norms_sq[3] = n0, n1, n2, n3


@njit(fastmath=SUM_FLAGS, **INNER)
def _project(wide, vector, scores):
    """Write the products of four widened rows with a basis vector."""
    w0, w1, w2, w3 = wide[0], wide[1], wide[2], wide[3]
    a0, a1, a2, a3 = 0.0, 0.0, 0.0, 0.0
    for j in range(wide.shape[1]):
        a0 += w0[j] * vector[j]
        a1 += w1[j] * vector[j]
        a2 += w2[j] * vector[j]
        a3 += w3[j] * vector[j]
    scores[0], scores[1], scores[2], scores[3] = a0, a1, a2, a3


@njit(fastmath=SUM_FLAGS, **INNER)
def _accumulate(wide, scores, product):
    """Add the combination of four widened rows with their scores to one row of the products."""
    w0, w1, w2, w3 = wide[0], wide[1], wide[2], wide[3]
    a0, a1, a2, a3 = scores[0], scores[1], scores[2], scores[3]
    for j in range(wide.shape[1]):
        product[j] += a0 * w0[j] + a1 * w1[j] + a2 * w2[j] + a3 * w3[j]


@njit(fastmath=SUM_FLAGS, **INNER)
def _dot(a, b):
    total = 0.0
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@njit(fastmath=SUM_FLAGS, **INNER)
def _orthonormalize_rows(basis):
    """Orthonormalise the rows of ``basis`` in place by Gram-Schmidt, done twice (Kahan, Parlett).

    Return False if a row depends on those before it.
    """
    k, d = basis.shape
    for c in range(k):
        before = _dot(basis[c], basis[c])
        for _ in range(2):
            for b in range(c):
                overlap = _dot(basis[b], basis[c])
                for j in range(d):
                    basis[c, j] -= overlap * basis[b, j]
        after = _dot(basis[c], basis[c])
        # Below 1e-26 of its squared length a row is rounding noise.
        if not after > 1e-26 * before:
            return False
        norm = np.sqrt(after)
        for j in range(d):
            basis[c, j] /= norm
    return True


@njit(fastmath=SUM_FLAGS, **INNER)
def _silence(counted, norms_sq, scores):
    """Clear the first rows of a tile, which the tile before has counted; return sum and largest of the norms.

    The largest is NaN if any norm is.
    """
    total = 0.0
    peak = 0.0
    for r in range(_TILE):
        if r < counted:
            norms_sq[r] = 0.0
            for c in range(scores.shape[0]):
                scores[c, r] = 0.0
        total += norms_sq[r]
        if not norms_sq[r] <= peak:
            peak = norms_sq[r]
    return total, peak


@njit(fastmath=SUM_FLAGS, **INNER)
def _is_plain(total, peak, seen, heavy_factor, n, smallest_heavy):
    """Return whether a block needs no exchange with the heavy store; the rule of ``OjaState.threshold``."""
    if not (total >= SMALLEST and peak <= LARGEST):
        return False
    threshold = (seen + total) * max(heavy_factor, 2.0 / n)
    return peak <= threshold and smallest_heavy > threshold


@njit(fastmath=SUM_FLAGS, **INNER)
def _step(products, basis, lam, ell, proposal, size, t, gap_floor, rate_cap, lam_floor):
    """Take the step of ``OjaState.step``; return the first Rayleigh quotient, or -1 if there was none."""
    k, d = basis.shape
    t += 1.0
    blend = min(1.0, 2.0 / t) if lam[0] > 0.0 else 1.0
    first = 0.0
    for c in range(k):
        quotient = _dot(products[c], basis[c]) / size
        if c == 0:
            first = quotient
        ell[c] = lam[c] + (quotient - lam[c]) * blend
    for c in range(k):
        step = 0.0
        if ell[c] > lam_floor * ell[0]:
            # The last column has no follower: it takes the rate of the one before.
            upper = ell[c] if c + 1 < k else ell[max(c - 1, 0)]
            lower = ell[c + 1] if c + 1 < k else ell[c]
            gap = max(upper / max(lower, 1e-100 * upper, 1e-300), gap_floor)
            rate = min(gap / (gap - 1.0), rate_cap)
            step = rate / ((t + 2.0 * (rate - 1.0)) * ell[c] * size)
        for j in range(d):
            proposal[c, j] = basis[c, j] + step * products[c, j]
    if not _orthonormalize_rows(proposal):
        return -1.0
    # By element: assigning a whole matrix makes numba compile the text of a shape error for two seconds.
    for c in range(k):
        lam[c] = ell[c]
        for j in range(d):
            basis[c, j] = proposal[c, j]
    return first


# The next two are functions of their own, too large to be inlined into the loops over blocks: there the
# compiler could peel the first pass and round it otherwise than the rest, and a result would depend on how
# many blocks a call is given.


@njit(fastmath=SUM_FLAGS, **INNER)
def _advance_pair(rows, limits, rates, n, t, seen, basis, lam, work, figures):
    """Advance over one block of uncentred rows with two columns; return whether it was plain."""
    size = rows.shape[0]
    _, norms_sq, scores, last_scores, _, products, proposal, ell = work
    for c in range(2):
        for j in range(rows.shape[1]):
            products[c, j] = 0.0
        for r in range(_TILE):
            last_scores[c, r] = 0.0
    total = 0.0
    peak = 0.0
    last = rows[:_TILE]
    for start in range(0, size, _TILE):
        # The last tile ends with the block: rows that the one before has counted are silenced.
        first = min(start, size - _TILE)
        tile = rows[first : first + _TILE]
        _pass_pair(last, last_scores, products, tile, basis, norms_sq, scores)
        tile_total, tile_peak = _silence(start - first, norms_sq, scores)
        if not tile_peak <= LARGEST:
            return False
        total += tile_total
        peak = max(peak, tile_peak)
        last = tile
        scores, last_scores = last_scores, scores
    _pass_pair(last, last_scores, products, last, basis, norms_sq, scores)
    if not _is_plain(total, peak, seen, limits[0], n + size, limits[1]):
        return False
    figures[0] = total
    figures[1] = _step(products, basis, lam, ell, proposal, size, t, rates[0], rates[1], rates[2])
    return figures[1] >= 0.0


@njit(fastmath=SUM_FLAGS, **INNER)
def _advance(rows, scale, center, limits, rates, n, n_light, t, seen, mean, basis, lam, work, figures):
    """Advance over one block; return whether it was plain."""
    k, d = basis.shape
    size = rows.shape[0]
    wide, norms_sq, scores, _, shift, products, proposal, ell = work
    for c in range(k):
        for j in range(d):
            products[c, j] = 0.0
    correction = 0.0
    if center:
        for j in range(d):
            shift[j] = 0.0
        for i in range(size):
            for j in range(d):
                shift[j] += np.float64(rows[i, j]) * scale
        for j in range(d):
            shift[j] /= size
        # Chan's correction: one more row carries the distance between the means.
        weight = np.sqrt(n_light * size / (n_light + size))
        for j in range(d):
            wide[0, j] = weight * (mean[j] - shift[j])
        correction = _dot(wide[0], wide[0])
        for c in range(k):
            score = _dot(wide[0], basis[c])
            for j in range(d):
                products[c, j] += score * wide[0, j]
    total = 0.0
    peak = correction
    for start in range(0, size, _TILE):
        first = min(start, size - _TILE)
        _widen(rows[first : first + _TILE], scale, shift, wide, norms_sq)
        for c in range(k):
            _project(wide, basis[c], scores[c])
        tile_total, tile_peak = _silence(start - first, norms_sq, scores)
        if not tile_peak <= LARGEST:
            return False
        total += tile_total
        peak = max(peak, tile_peak) if start else tile_peak
        for c in range(k):
            _accumulate(wide, scores[c], products[c])
    if not (correction <= LARGEST and _is_plain(total, peak, seen, limits[0], n + size, limits[1])):
        return False
    figures[0] = total + correction
    figures[1] = _step(products, basis, lam, ell, proposal, size, t, rates[0], rates[1], rates[2])
    if figures[1] < 0.0:
        return False
    if center:
        for j in range(d):
            mean[j] += (shift[j] - mean[j]) * (size / (n_light + size))
    return True


@njit()
def sweep_pair(rows, block_size, limits, rates, n, t, seen, basis, lam, energy, rayleigh, work, figures):
    """Advance over as many leading blocks of ``rows`` as are plain; return their number.

    A block is plain when its row norms are in range, none is heavy and no stored heavy row falls under the
    threshold; the first that is not is left untouched for the general path. ``limits`` holds the share of
    the energy that makes a row heavy and the smallest stored norm, ``rates`` the constants of the step, n
    the rows and ``seen`` the energy seen, heavy ones included. ``basis`` (2, d) and ``lam`` are updated in
    place; ``energy`` and ``rayleigh`` receive one figure a block.
    """
    for block in range(rows.shape[0] // block_size):
        part = rows[block * block_size : (block + 1) * block_size]
        if not _advance_pair(part, limits, rates, n, t, seen, basis, lam, work, figures):
            return block
        n += block_size
        t += 1.0
        seen += figures[0]
        energy[block] = figures[0]
        rayleigh[block] = figures[1]
    return rows.shape[0] // block_size


@njit()
def sweep(
    rows,
    scale,
    block_size,
    center,
    limits,
    rates,
    n,
    n_light,
    t,
    seen,
    mean,
    basis,
    lam,
    energy,
    rayleigh,
    work,
    figures,
):
    """Advance as ``sweep_pair`` does, for any number of columns, scaled rows, and centring about ``mean``."""
    for block in range(rows.shape[0] // block_size):
        part = rows[block * block_size : (block + 1) * block_size]
        if not _advance(
            part, scale, center, limits, rates, n, n_light, t, seen, mean, basis, lam, work, figures
        ):
            return block
        n += block_size
        n_light += block_size
        t += 1.0
        seen += figures[0]
        energy[block] = figures[0]
        rayleigh[block] = figures[1]
    return rows.shape[0] // block_size


def workspace(k, d):
    """Return the scratch arrays of both sweeps: made here because numba compiles allocations slowly."""
    scores = max(k, 2), _TILE
    arrays = (
        np.empty((_TILE, d)),
        np.empty(_TILE),
        np.empty(scores),
        np.empty(scores),
        np.zeros(d),
        np.empty((k, d)),
        np.empty((k, d)),
        np.empty(k),
    )
    return arrays, np.empty(2)
