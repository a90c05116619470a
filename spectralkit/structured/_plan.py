"""Twiddle factors laid out for the compiled stages."""

import math

import numpy as np

from spectralkit.structured._butterfly_numba import (
    LANES,
    complex_row_products,
    complex_tile_products,
    row_products,
    tile_products,
    vector_product,
)

# Below this many rows they are done one by one: a tile costs as much as about so many.
_TILE_FROM = 16
# Columns added to each row of a table: rows a power of two apart would fall into one set of the cache.
_PADDING = 8
_CACHE_LINE = 64


class Plan:
    """The product with ``scale * B_{L-1} ... B_0 x[gather]``, its results in the order ``scatter``."""

    def __init__(self, twiddle, gather, scale, scatter, dtype):
        levels, pairs = twiddle.shape[:2]
        self.n = 2 * pairs if levels else 1
        self.dtype = np.dtype(dtype)
        self.is_complex = self.dtype.kind == "c"
        T = np.asarray(twiddle, dtype=np.complex128 if self.is_complex else np.float64)
        if scale is not None and levels:
            T = T.copy()
            # Rows of the last level are half the length apart.
            T[-1] *= np.asarray(scale).reshape(2, pairs).T[:, :, None]
        self.constant = scale if not levels else None
        if gather is None:  # planes of complex numbers are filled in any case
            gather = np.arange(self.n if self.is_complex else 0)
        self.gather = np.asarray(gather)
        self.scatter = np.empty(0, dtype=self.gather.dtype) if scatter is None else np.asarray(scatter)
        odd = levels % 2
        self.first = self._planes(T[0].reshape(pairs, 4).T if odd else np.empty((4, 0)))
        quarter = self.n // 4
        stages = np.empty((levels // 2, 16, quarter), dtype=T.dtype)
        for stage, k in zip(stages, range(odd, levels, 2), strict=True):
            stage[:] = _fused(T[k], T[k + 1], k, self.n)
        self.stages = self._planes(stages)
        self.planes = 4 if self.is_complex else 2
        self._real = self.first.dtype
        self._row_work = self.planes, self.n + _PADDING
        self._row_product = complex_row_products if self.is_complex else row_products
        self._is_trivial = self.constant is not None or self.n == 1

    def _planes(self, table):
        """Return a table with padded rows, in planes if complex."""
        real = np.dtype(np.empty(0, self.dtype).real.dtype)
        parts = [table.real, table.imag] if self.is_complex else [table]
        if not table.size:
            return np.empty((len(parts), *table.shape) if self.is_complex else table.shape, dtype=real)
        padded = _aligned((len(parts), *table.shape[:-1], table.shape[-1] + _PADDING), real)
        for target, part in zip(padded, parts, strict=True):
            target[..., : table.shape[-1]] = part
        return padded if self.is_complex else padded[0]

    def vector(self, x):
        """Return the product with a vector of the dtype of the plan."""
        flags = x.flags
        if self.is_complex or self._is_trivial or not (flags.c_contiguous and flags.writeable):
            return self.rows(np.ascontiguousarray(x)[None])[0]
        return vector_product(self.gather, self.first, self.stages, self.scatter, x)

    def rows(self, X):
        """Return the products with the rows of a matrix of the dtype of the plan."""
        if self._is_trivial:
            return (X * (1.0 if self.constant is None else self.constant)).astype(self.dtype, copy=False)
        Y = np.empty(X.shape, self.dtype)
        if not X.flags.writeable:
            X = X.copy()  # to compiled code another type than the work arrays
        if len(X) < _TILE_FROM:  # as little as possible before a single short product
            work = np.empty(self._row_work, self._real)
            self._row_product(self.gather, self.first, self.stages, self.scatter, X, work, Y)
            return Y
        work = np.empty((self.planes, self.n * LANES + _PADDING), self._real)
        product = complex_tile_products if self.is_complex else tile_products
        product(self.gather, self.first, self.stages, self.scatter, X, work, Y)
        return Y


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def has_tables(twiddle, scale, dtype):
    """Return whether tables of a dtype hold what single levels do.

    Products of two levels, and what is cast to a smaller dtype, may be out of range where the product with a
    signal is not. Of entries that are lost only those count that are not negligible in their row.
    """
    levels, n = [np.abs(level) for level in twiddle], 1 << len(twiddle)
    if levels and scale is not None:
        levels[-1] = levels[-1] * np.abs(scale).reshape(2, n // 2).T[:, :, None]
    odd, info = len(levels) % 2, np.finfo(dtype)
    least, most = float(info.tiny) / float(info.eps), 0.25 * float(info.max)
    for k in range(-odd, len(levels), 2):
        low, high = levels[max(k, 0)], levels[k + 1]
        sizes = [float(level.max()) for level in ((high,) if k < 0 else (low, high))]
        if not math.prod(sizes) > 0.0:
            if all(sizes):
                return False
            continue
        # Of levels about 1 large no product is lost that counts.
        rows = high / sizes[0] if k < 0 else _fused(low / sizes[0], high / sizes[1], k, n).reshape(4, 4, -1)
        rows = rows.max(axis=-1 if k < 0 else 1)
        size = math.prod(sizes)
        if not (rows[rows > 0.0].min() * size >= least and rows.max() * size <= most):
            return False
    return True


def _aligned(shape, dtype):
    """Return zeros that begin with a line of the cache, so that no vector lies across two."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.zeros(size + _CACHE_LINE, dtype=np.uint8)
    start = -raw.ctypes.data % _CACHE_LINE
    return raw[start : start + size].view(dtype).reshape(shape)


def _fused(low, high, k, n):
    """Return two levels as blocks of four, (row and column, group)."""
    levels = n.bit_length() - 1
    position = 4 * np.arange(n // 4) + np.arange(4)[:, None]
    # At level k the index stands turned right by k bits.
    index = (position << k | position >> (levels - k)) & (n - 1)
    below, above = low[_pair(index[[0, 2]], k)], high[_pair(index[[0, 1]], k + 1)]
    # Entry (r, c) with bits r = r0 + 2 r1: above at r0 from c1 to r1, below at c1 from c0 to r0.
    blocks = np.einsum("pgrc,cgps->rpcsg", above, below)
    return blocks.reshape(16, n // 4)


def _pair(index, k):
    """Return the number of the pair of a row at level k."""
    return (index >> (k + 1) << k) + (index & ((1 << k) - 1))
