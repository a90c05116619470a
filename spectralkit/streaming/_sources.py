"""Blocks of rows from everything that can be read by rows."""

import array_api_compat
import numpy as np
import scipy.sparse as sp

from spectralkit._core.checks import invalid
from spectralkit._core.parallel import block_ranges

# Blocks handed on together where slicing costs nothing: enough to amortise the call, few enough that
# Ctrl-C is answered within 50 ms.
_BLOCKS_A_SLAB = 32


def is_dask(X):
    """Return whether ``X`` is a Dask array."""
    return array_api_compat.is_dask_array(X)


def is_dataset(X):
    """Return whether ``X`` is an h5py or zarr dataset, or anything else with a shape and 2-D slicing."""
    return (
        hasattr(X, "shape")
        and hasattr(X, "dtype")
        and hasattr(X, "__getitem__")
        and not array_api_compat.is_array_api_obj(X)
        and not sp.issparse(X)
        and not hasattr(X, "iloc")
    )


def is_block_iterable(X):
    """Return whether ``X`` is an iterator, or a sequence of matrices: a stream of blocks, not a matrix."""
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and len(getattr(X[0], "shape", ())) == 2
    return (
        hasattr(X, "__iter__")
        and not hasattr(X, "shape")
        and not hasattr(X, "__array__")
        and not isinstance(X, (str, bytes, dict))
    )


def row_blocks(X, block_size):
    """Yield consecutive row blocks of ``X`` as 2-D arrays or CSR matrices, without changing any dtype."""
    if is_block_iterable(X):
        for block in X:
            yield from row_blocks(block, block_size)
        return
    if is_dask(X):
        _check_2d(X.shape)
        for part in dask_row_parts(X):
            yield part.compute()
        return
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError(
            invalid("X", "an array without a mask", "type MaskedArray", "Fill or drop those rows.")
        )
    if sp.issparse(X):
        X = X.tocsr()
    elif is_dataset(X):
        _check_2d(X.shape)
        # A dataset in chunks is decompressed a chunk at a time: reading less repeats that work.
        step = max(block_size, (getattr(X, "chunks", None) or (0,))[0])
        for start, stop in block_ranges(X.shape[0], step):
            yield np.asarray(X[start:stop])
        return
    elif not array_api_compat.is_array_api_obj(X):
        X = np.asarray(X)
    _check_2d(X.shape)
    for start, stop in block_ranges(X.shape[0], block_size * _BLOCKS_A_SLAB):
        block = X[start:stop] if sp.issparse(X) else X[start:stop, :]
        yield np.asarray(block) if isinstance(block, np.ndarray) else block


def dask_row_parts(X):
    """Return one delayed block for each chunk of rows of a Dask array."""
    return X.rechunk({1: -1}).to_delayed()[:, 0]


def _check_2d(shape):
    if len(shape) != 2:
        raise ValueError(
            invalid(
                "X",
                "two-dimensional, one row a sample",
                f"shape {tuple(shape)}",
                "Reshape your data with X.reshape(1, -1) if it is a single row.",
            )
        )
