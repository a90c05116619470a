"""The compiled fast-forward of block Oja over consecutive plain blocks of a dense real array."""

import numpy as np

from spectralkit._core.jit import SUM_FLAGS, njit

# Squared norms outside this range may have lost digits to underflow, or overflowed.
SMALLEST, LARGEST = 1e-200, 1e200
# Rows worked on together: enough to load each entry of the products once for four rows, few enough for L1.
_TILE = 4


@njit(fastmath=SUM_FLAGS)
def _widen_and_project(row, scale, shift, basis, wide, scores):
    """Write ``scale * row - shift`` in double to ``wide``, its products with the basis to ``scores``.

    Return its squared norm. The first two products share the sweep that widens the row.
    """
    d = row.shape[0]
    k = basis.shape[0]
    total = 0.0
    s0 = 0.0
    s1 = 0.0
    second = min(1, k - 1)
    for j in range(d):
        x = np.float64(row[j]) * scale - shift[j]
        wide[j] = x
        total += x * x
        s0 += x * basis[0, j]
        s1 += x * basis[second, j]
    scores[0] = s0
    scores[second] = s1
    for c in range(2, k):
        s0 = 0.0
        for j in range(d):
            s0 += wide[j] * basis[c, j]
        scores[c] = s0
    return total


@njit(fastmath=SUM_FLAGS)
def _orthonormalize_rows(basis):
    """Orthonormalise the rows of ``basis`` in place by Gram-Schmidt, done twice (Kahan, Parlett).

    Return False if a row depends on those before it.
    """
    k, d = basis.shape
    for c in range(k):
        before = 0.0
        for j in range(d):
            before += basis[c, j] * basis[c, j]
        for _ in range(2):
            for b in range(c):
                overlap = 0.0
                for j in range(d):
                    overlap += basis[b, j] * basis[c, j]
                for j in range(d):
                    basis[c, j] -= overlap * basis[b, j]
        after = 0.0
        for j in range(d):
            after += basis[c, j] * basis[c, j]
        # Below 1e-26 of its squared length a row is rounding noise.
        if not after > 1e-26 * before:
            return False
        norm = np.sqrt(after)
        for j in range(d):
            basis[c, j] /= norm
    return True


@njit(fastmath=SUM_FLAGS)
def _advance(
    rows,
    scale,
    center,
    factor,
    energy_before,
    smallest_heavy,
    gap_floor,
    rate_cap,
    lam_floor,
    n,
    t,
    mean,
    basis,
    lam,
    wide,
    scores,
    shift,
    products,
    proposal,
    ell,
    figures,
):
    """Advance over one block if it is plain: update mean, basis and lam, write the figures, return True.

    A function of its own, too large to be inlined: inlined into the loop over blocks, the compiler would
    peel the first pass and round it otherwise than the rest, and the result would depend on how many
    blocks a call is given.
    """
    k, d = basis.shape
    size = rows.shape[0]
    products[:] = 0.0
    correction = 0.0
    if center:
        shift[:] = 0.0
        for i in range(size):
            for j in range(d):
                shift[j] += np.float64(rows[i, j]) * scale
        for j in range(d):
            shift[j] /= size
        # Chan's correction: one more row carries the distance between the means.
        weight = np.sqrt(n * size / (n + size))
        for j in range(d):
            wide[0, j] = weight * (mean[j] - shift[j])
            correction += wide[0, j] * wide[0, j]
        for c in range(k):
            s = 0.0
            for j in range(d):
                s += wide[0, j] * basis[c, j]
            for j in range(d):
                products[c, j] += s * wide[0, j]
    limit = factor * energy_before
    total = 0.0
    plain = correction <= LARGEST
    i = 0
    while i < size and plain:
        tile = min(_TILE, size - i)
        for r in range(tile):
            norm_sq = _widen_and_project(rows[i + r], scale, shift, basis, wide[r], scores[r])
            # Written so that NaN fails.
            plain = plain and norm_sq <= limit and norm_sq <= LARGEST
            total += norm_sq
        if tile == _TILE:
            for c in range(k):
                a0, a1, a2, a3 = scores[0, c], scores[1, c], scores[2, c], scores[3, c]
                for j in range(d):
                    products[c, j] += a0 * wide[0, j] + a1 * wide[1, j] + a2 * wide[2, j] + a3 * wide[3, j]
        else:
            for r in range(tile):
                for c in range(k):
                    a0 = scores[r, c]
                    for j in range(d):
                        products[c, j] += a0 * wide[r, j]
        i += tile
    if not plain or total < SMALLEST:
        return False
    if smallest_heavy <= factor * (energy_before + total + correction):
        return False

    # The step itself: the same formulas as in OjaState.step.
    t_new = t + 1.0
    blend = min(1.0, 2.0 / t_new) if lam[0] > 0.0 else 1.0
    for c in range(k):
        s = 0.0
        for j in range(d):
            s += products[c, j] * basis[c, j]
        s /= size
        if c == 0:
            figures[1] = s
        ell[c] = lam[c] + (s - lam[c]) * blend
    for c in range(k):
        step = 0.0
        if ell[c] > lam_floor * ell[0]:
            # The last column has no follower: it takes the rate of the one before.
            upper = ell[c] if c + 1 < k else ell[max(c - 1, 0)]
            lower = ell[c + 1] if c + 1 < k else ell[c]
            gap = max(upper / max(lower, SMALLEST), gap_floor)
            rate = min(gap / (gap - 1.0), rate_cap)
            step = rate / ((t_new + 2.0 * (rate - 1.0)) * ell[c] * size)
        for j in range(d):
            proposal[c, j] = basis[c, j] + step * products[c, j]
    if not _orthonormalize_rows(proposal):
        return False
    basis[:] = proposal
    lam[:] = ell
    if center:
        for j in range(d):
            mean[j] += (shift[j] - mean[j]) * (size / (n + size))
    figures[0] = total + correction
    return True


@njit()
def sweep(
    rows,
    scale,
    block_size,
    center,
    factor,
    fro_heavy,
    smallest_heavy,
    gap_floor,
    rate_cap,
    lam_floor,
    n,
    t,
    fro,
    mean,
    basis,
    lam,
    energy,
    rayleigh,
):
    """Advance over as many leading blocks of ``rows`` as are plain; return (blocks, n, t, fro).

    A block is plain when its row norms are in range, none is heavy and no stored heavy row falls under the
    threshold; the first that is not is left untouched for the general path. ``mean``, ``basis`` (k, d) and
    ``lam`` (k,) are updated in place; ``energy`` and ``rayleigh`` receive one figure a block.
    """
    k, d = basis.shape
    wide = np.empty((_TILE, d))
    scores = np.empty((_TILE, k))
    shift = np.zeros(d)
    products = np.empty((k, d))
    proposal = np.empty((k, d))
    ell = np.empty(k)
    figures = np.empty(2)
    blocks = rows.shape[0] // block_size
    for block in range(blocks):
        plain = _advance(
            rows[block * block_size : (block + 1) * block_size],
            scale,
            center,
            factor,
            fro + fro_heavy,
            smallest_heavy,
            gap_floor,
            rate_cap,
            lam_floor,
            n,
            t,
            mean,
            basis,
            lam,
            wide,
            scores,
            shift,
            products,
            proposal,
            ell,
            figures,
        )
        if not plain:
            return block, n, t, fro
        n += block_size
        t += 1.0
        fro += figures[0]
        energy[block] = figures[0] / block_size
        rayleigh[block] = figures[1]
    return blocks, n, t, fro
