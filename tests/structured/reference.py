"""Butterflies written out in extended precision, and random ones."""

import numpy as np


def product(twiddle, X, permutation=None):
    """Products with the rows of X, level by level in extended precision."""
    twiddle, Z = np.asarray(twiddle), np.asarray(X)
    Z = Z.astype(np.result_type(twiddle, Z, np.longdouble))
    Z = Z if permutation is None else Z[:, permutation]
    m, n = Z.shape
    for k in range(len(twiddle)):
        s = 1 << k
        pairs = Z.reshape(m, n // (2 * s), 2, s)
        Z = np.einsum("bjrc,mbcj->mbrj", twiddle[k].reshape(n // (2 * s), s, 2, 2), pairs).reshape(m, n)
    return Z


def dense(twiddle, permutation=None):
    """The matrix."""
    n = 2 ** len(twiddle)
    return product(twiddle, np.eye(n), permutation).T.astype(np.result_type(twiddle, np.float64))


def twiddles(rng, n, dtype=np.float64):
    """Random blocks, of products neither large nor small."""
    levels = n.bit_length() - 1
    T = rng.standard_normal((levels, n // 2 if levels else 0, 2, 2))
    if np.dtype(dtype).kind == "c":
        T = (T + 1j * rng.standard_normal(T.shape)) / np.sqrt(2)
    return (T / np.sqrt(2)).astype(dtype)


def signals(rng, shape, dtype=np.float64):
    """Random signals."""
    X = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        X = X + 1j * rng.standard_normal(shape)
    return X.astype(dtype)


def bit_reversal(n):
    """Places with their bits reversed."""
    bits = n.bit_length() - 1
    return np.array([int(f"{i:0{bits}b}"[::-1], 2) if bits else 0 for i in range(n)])


def kronecker_sparse(values):
    """The matrix of one factor, entry by entry."""
    a, b, c, d = values.shape
    W = np.zeros((a * b * d, a * c * d), dtype=values.dtype)
    for i, r, s, k in np.ndindex(a, b, c, d):
        W[(i * b + r) * d + k, (i * c + s) * d + k] = values[i, r, s, k]
    return W


def relative(found, expected):
    """Distance in the Frobenius norm, relative to what is expected."""
    size = np.linalg.norm(np.asarray(expected).ravel().astype(complex))
    return float(np.linalg.norm((np.asarray(found) - expected).ravel().astype(complex)) / (size or 1.0))
