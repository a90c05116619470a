"""Streams of rows with a known top direction."""

import math

import numpy as np

from spectralkit._core.checks import check_integer, check_number, check_option, invalid
from spectralkit._core.dtypes import dtype_name
from spectralkit._core.parallel import block_ranges
from spectralkit._core.random import as_entropy, as_rng, block_rng

_BLOCK_ROWS = 4096


def make_spiked_stream(n_samples=10_000, n_features=64, *, gap=4.0, dtype=np.float64, out=None, rng=None):
    """
    Generate Gaussian rows with one direction of larger variance.

    Rows are drawn from N(0, I + (gap - 1) v vᵀ), the spiked covariance model, with v uniform on the sphere,
    so that no coordinate is special. Blocks of 4096 rows are drawn one after the other, each from its own
    stream of random numbers: with ``out`` a memory-mapped file the data can be larger than memory. Cost
    `O(n d)`, about 10 ns per element.

    Parameters
    ----------
    n_samples : int, default=10000
        Number of rows, n.
    n_features : int, default=64
        Number of columns, d.
    gap : float, default=4
        Ratio of the largest eigenvalue of the covariance to all the others, at least 1.
    dtype : dtype, default=float64
        Either float32 or float64.
    out : array of shape (n, d), optional
        Where to write the rows: an array, memmap or HDF5 dataset. ``dtype`` still says what is drawn.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    X : array of shape (n, d)
        The rows, in random order; ``out`` if it was given.
    v : array of shape (d,)
        The unit vector of largest variance, in double precision. The top eigenvector of the sample XᵀX is
        at distance `1 - ⟨v, v̂⟩² ≈ gap d / (n (gap - 1)²)` from it.

    Raises
    ------
    ValueError
        If a number is out of range or ``out`` has another shape.

    See Also
    --------
    make_heavy_row_stream : An instance on which every fixed learning rate fails.

    References
    ----------
    .. [1] I. M. Johnstone, "On the distribution of the largest eigenvalue in principal components
       analysis", Annals of Statistics 29(2), 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.datasets import make_spiked_stream
    >>> X, v = make_spiked_stream(20_000, 8, gap=9.0, rng=0)
    >>> bool(np.isclose(np.var(X @ v), 9.0, rtol=0.05))
    True
    """
    n, d = check_integer("n_samples", n_samples, 1), check_integer("n_features", n_features, 1)
    gap = check_number("gap", gap, 1.0)
    check_option("dtype", dtype_name(dtype), ("float32", "float64"))
    if out is not None and tuple(out.shape) != (n, d):
        raise ValueError(invalid("out", f"of shape {(n, d)}", f"shape {tuple(out.shape)}"))
    X = np.empty((n, d), dtype) if out is None else out
    entropy = as_entropy(rng)
    v = block_rng(entropy, 0).standard_normal(d)
    v /= np.linalg.norm(v)
    stretch = ((math.sqrt(gap) - 1.0) * v).astype(dtype)
    for index, (start, stop) in enumerate(block_ranges(n, _BLOCK_ROWS)):
        block = block_rng(entropy, 1, index).standard_normal((stop - start, d), dtype=np.dtype(dtype))
        block += np.outer(block @ v.astype(dtype), stretch)
        X[start:stop] = block
    return X, v


def make_heavy_row_stream(
    n_samples=20_000, n_features=1024, *, gap=3, rotate=False, dtype=np.float64, rng=None
):
    """
    Generate the hard instance for streaming methods with a fixed learning rate.

    All coordinates but one share many unit rows evenly; the last one, at a random place other than the
    first, has only ``gap`` rows, each as heavy as all unit rows of another coordinate together. With a
    fixed rate the light rows grow as an exponential and the few heavy ones as a power: the heavy direction
    loses unless `gap ≥ ln d / ln ln d`. Methods that keep heavy rows solve it exactly. Cost `O(n d)`, with
    ``rotate`` also `O(d^3)`.

    Parameters
    ----------
    n_samples : int, default=20000
        Number of rows, n: at least d - 1 + gap.
    n_features : int, default=1024
        Number of columns, d: at least 3.
    gap : int, default=3
        Ratio of the two largest eigenvalues of XᵀX, exactly, and the number of heavy rows; at least 2.
    rotate : bool, default=False
        Apply a random rotation, so that all rows are dense.
    dtype : dtype, default=float64
        Either float32 or float64.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    X : array of shape (n, d)
        The rows in random order, with random signs.
    v : array of shape (d,)
        The top eigenvector of XᵀX: a coordinate vector unless rotated.

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    make_spiked_stream : The easy, Gaussian case.

    References
    ----------
    .. [1] P. Kacham and D. P. Woodruff, "Approximating the top eigenvector in random order streams",
       NeurIPS 2024, arXiv:2412.11963.
    .. [2] E. Price and Z. Xun, "Spectral guarantees for adversarial streaming PCA", FOCS 2024,
       arXiv:2408.10332.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.datasets import make_heavy_row_stream
    >>> X, v = make_heavy_row_stream(500, 50, gap=3, rng=0)
    >>> eigenvalues = np.linalg.eigvalsh(X.T @ X)
    >>> round(float(eigenvalues[-1] / eigenvalues[-2]), 12)
    3.0
    >>> round(float(np.linalg.norm(X @ v) ** 2 / eigenvalues[-1]), 12)
    1.0
    """
    d = check_integer("n_features", n_features, 3)
    gap = check_integer("gap", gap, 2)
    n = check_integer("n_samples", n_samples, d - 1 + gap, remedy="Each coordinate needs a row.")
    check_option("dtype", dtype_name(dtype), ("float32", "float64"))
    rng = as_rng(rng)
    heavy = int(rng.integers(1, d))
    light = np.delete(np.arange(d), heavy)
    coordinate = np.concatenate([np.full(gap, heavy), np.resize(light, n - gap)])
    length = np.ones(n)
    length[:gap] = math.sqrt(math.ceil((n - gap) / (d - 1)))
    length *= rng.choice([-1.0, 1.0], size=n)
    order = rng.permutation(n)
    coordinate, length = coordinate[order], length[order]
    if not rotate:
        X = np.zeros((n, d), dtype)
        X[np.arange(n), coordinate] = length
        return X, np.eye(1, d, heavy)[0]
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    X = np.empty((n, d), dtype)
    for start, stop in block_ranges(n, _BLOCK_ROWS):
        X[start:stop] = rotation[coordinate[start:stop]] * length[start:stop, np.newaxis]
    return X, rotation[heavy]
