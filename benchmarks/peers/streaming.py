"""Peers of `spectralkit.streaming`."""

import numpy as np


def incremental_pca(X, n_components, *, batch_size=None):
    """scikit-learn's IncrementalPCA, which always centres; returns its components."""
    from sklearn.decomposition import IncrementalPCA

    return IncrementalPCA(n_components=n_components, batch_size=batch_size).fit(X).components_


def svd_frequent_directions(X, sketch_size, *, alpha=1.0):
    """Frequent Directions as published: fill a buffer of 2 l rows, shrink by an SVD of all of it.

    Returns the sketch and the sum of the shrinkages, which bounds the spectral norm of A'A - B'B.
    """
    n, d = X.shape
    buffer = np.zeros((2 * sketch_size, d), dtype=X.dtype)
    filled, bound = 0, 0.0
    shrunk = max(int(alpha * sketch_size), 1)
    for start in range(0, n, sketch_size):
        block = X[start : start + sketch_size]
        buffer[filled : filled + len(block)] = block
        filled += len(block)
        if filled <= sketch_size:
            continue
        _, s, Vt = np.linalg.svd(buffer[:filled], full_matrices=False)
        squares = s.astype(np.float64) ** 2
        delta = squares[sketch_size] if len(squares) > sketch_size else 0.0
        bound += delta
        kept = squares[:sketch_size].copy()
        kept[sketch_size - shrunk :] = np.maximum(kept[sketch_size - shrunk :] - delta, 0.0)
        filled = len(kept)
        buffer[:filled] = np.sqrt(kept)[:, None] * Vt[:filled]
        buffer[filled:] = 0.0
    return buffer[:sketch_size], bound
