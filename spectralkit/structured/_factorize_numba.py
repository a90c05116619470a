"""One level of the factorization of a dense matrix."""

import numpy as np

from spectralkit._core.jit import njit


@njit(fastmath={"contract", "nsz"})
def peel(A, columns, scale, rows, rest):
    """
    Split the lowest bit off: write the rows of the blocks and the matrices that are left.

    For an odd or even row and a pair of columns the entries are a matrix of two columns, which is of
    rank one in a butterfly matrix. Its dominant right singular vector is found in closed form. Returned
    are the sums of squares of the matrices and of what the best rank-one matrices leave out.
    """
    count, m = A.shape[0], A.shape[1]
    half = m // 2
    first, second, missing = np.empty(half), np.empty(half), np.empty(half)
    # One after the other in memory: blocks, and the entries of pairs, are far apart.
    mixed, left, right, even, odd = np.empty((5, half), dtype=rows.dtype)
    total, lost = 0.0, 0.0
    for block in range(count):
        for bit in range(2):
            target = rest[block + bit * count]
            first[:] = 0.0
            second[:] = 0.0
            missing[:] = 0.0
            mixed[:] = 0.0
            for i in range(half):
                row = A[block, 2 * i + bit]
                for j in range(half):
                    even[j], odd[j] = row[columns[2 * j]] * scale, row[columns[2 * j + 1]] * scale
                for j in range(half):
                    a, b = even[j], odd[j]
                    first[j] += (a * np.conj(a)).real
                    second[j] += (b * np.conj(b)).real
                    mixed[j] += np.conj(a) * b
            for j in range(half):
                p, r, c = first[j], second[j], mixed[j]
                total += p + r
                root = np.sqrt((p - r) ** 2 + 4.0 * (c * np.conj(c)).real)
                # The larger eigenvalue minus the smaller diagonal entry: nothing cancels.
                if p >= r:
                    u, v = 0.5 * (p - r + root) + 0.0 * c, np.conj(c)
                else:
                    u, v = c, 0.5 * (r - p + root) + 0.0 * c
                norm = np.sqrt((u * np.conj(u) + v * np.conj(v)).real)
                if norm > 0.0:
                    u, v = u / norm, v / norm
                else:
                    u, v = 1.0 + 0.0 * c, 0.0 * c
                left[j], right[j] = u, v
                rows[j * count + block, bit, 0] = np.conj(u)
                rows[j * count + block, bit, 1] = np.conj(v)
            for i in range(half):
                row, out = A[block, 2 * i + bit], target[i]
                for j in range(half):
                    even[j], odd[j] = row[columns[2 * j]] * scale, row[columns[2 * j + 1]] * scale
                for j in range(half):
                    a, b, u, v = even[j], odd[j], left[j], right[j]
                    out[j] = a * u + b * v
                    lacking = b * np.conj(u) - a * np.conj(v)
                    missing[j] += (lacking * np.conj(lacking)).real
            for j in range(half):
                lost += missing[j]
    return total, lost
