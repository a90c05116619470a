"""The compiled fast-forward of block Oja over consecutive plain blocks of a dense real array."""

import numpy as np

from spectralkit._core.jit import INNER, SUM_FLAGS, njit

# Squared norms outside this range may have lost digits to underflow, or overflowed.
SMALLEST, LARGEST = 1e-200, 1e200
# Rows worked on together: each entry of a basis vector or of the products is loaded once for four rows.
_TILE = 4


@njit(fastmath=SUM_FLAGS, **INNER)
def _widen(rows, scale, shift, p, q, wide, norms_sq, scores):
    """Write ``scale * row - shift`` in double to ``wide``, and what the sweep over four rows can carry along.

    That is the squared norms of the four rows and their products with two basis vectors, p and q: each
    entry of them is loaded once for four rows, and each row leaves memory once.
    """
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    w0, w1, w2, w3 = wide[0], wide[1], wide[2], wide[3]
    n0, n1, n2, n3 = 0.0, 0.0, 0.0, 0.0
    a0, a1, a2, a3 = 0.0, 0.0, 0.0, 0.0
    b0, b1, b2, b3 = 0.0, 0.0, 0.0, 0.0
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
        a0 += x0 * p[j]
        a1 += x1 * p[j]
        a2 += x2 * p[j]
        a3 += x3 * p[j]
        b0 += x0 * q[j]
        b1 += x1 * q[j]
        b2 += x2 * q[j]
        b3 += x3 * q[j]
    norms_sq[0], norms_sq[1], norms_sq[2], norms_sq[3] = n0, n1, n2, n3
    scores[0, 0], scores[0, 1], scores[0, 2], scores[0, 3] = a0, a1, a2, a3
    scores[1, 0], scores[1, 1], scores[1, 2], scores[1, 3] = b0, b1, b2, b3


@njit(fastmath=SUM_FLAGS, **INNER)
def _project(wide, p, scores):
    """Write the products of four widened rows with one more basis vector."""
    w0, w1, w2, w3 = wide[0], wide[1], wide[2], wide[3]
    a0, a1, a2, a3 = 0.0, 0.0, 0.0, 0.0
    for j in range(wide.shape[1]):
        a0 += w0[j] * p[j]
        a1 += w1[j] * p[j]
        a2 += w2[j] * p[j]
        a3 += w3[j] * p[j]
    scores[0], scores[1], scores[2], scores[3] = a0, a1, a2, a3


@njit(fastmath=SUM_FLAGS, **INNER)
def _accumulate(wide, scores, product):
    """Add the combination of four widened rows with their scores to one row of the products."""
    w0, w1, w2, w3 = wide[0], wide[1], wide[2], wide[3]
    a0, a1, a2, a3 = scores[0], scores[1], scores[2], scores[3]
    for j in range(wide.shape[1]):
        product[j] += a0 * w0[j] + a1 * w1[j] + a2 * w2[j] + a3 * w3[j]


@njit(fastmath=SUM_FLAGS, **INNER)
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


@njit(fastmath=SUM_FLAGS, **INNER)
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
    work,
    figures,
):
    """Advance over one block if it is plain: update mean, basis and lam, write the figures, return True.

    A function of its own, too large to be inlined: inlined into the loop over blocks, the compiler would
    peel the first pass and round it otherwise than the rest, and the result would depend on how many
    blocks a call is given.
    """
    k, d = basis.shape
    size = rows.shape[0]
    wide, norms_sq, scores, shift, products, proposal, ell = work
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
    if not correction <= LARGEST:
        return False
    second = min(1, k - 1)
    for start in range(0, size, _TILE):
        # The last tile ends with the block: rows that the one before has counted are silenced.
        first = min(start, size - _TILE)
        _widen(rows[first : first + _TILE], scale, shift, basis[0], basis[second], wide, norms_sq, scores)
        for c in range(2, k):
            _project(wide, basis[c], scores[c])
        for r in range(start - first):
            norms_sq[r] = 0.0
            for c in range(k):
                scores[c, r] = 0.0
        for r in range(_TILE):
            # Written so that NaN is not plain.
            if not (norms_sq[r] <= limit and norms_sq[r] <= LARGEST):
                return False
            total += norms_sq[r]
        for c in range(k):
            _accumulate(wide, scores[c], products[c])
    if total < SMALLEST:
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
    # By element: assigning a whole matrix makes numba compile the text of a shape error for two seconds.
    for c in range(k):
        lam[c] = ell[c]
        for j in range(d):
            basis[c, j] = proposal[c, j]
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
    work,
    figures,
):
    """Advance over as many leading blocks of ``rows`` as are plain; return (blocks, n, t, fro).

    A block is plain when its row norms are in range, none is heavy and no stored heavy row falls under the
    threshold; the first that is not is left untouched for the general path. ``mean``, ``basis`` (k, d) and
    ``lam`` (k,) are updated in place; ``energy`` and ``rayleigh`` receive one figure a block; ``work``
    and ``figures`` come from ``workspace``.
    """
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
            work,
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


def workspace(k, d):
    """Return the scratch arrays of ``sweep``: allocated here because numba compiles allocations slowly."""
    wide, scores, products, proposal = (
        np.empty(shape) for shape in ((_TILE, d), (max(k, 2), _TILE), (k, d), (k, d))
    )
    return (wide, np.empty(_TILE), scores, np.zeros(d), products, proposal, np.empty(k)), np.empty(2)
