"""The top eigenvector of a stream of rows, as one function."""

from dataclasses import dataclass
from typing import Any

from spectralkit._core.random import as_entropy
from spectralkit._core.results import Result
from spectralkit.streaming._config import make_config
from spectralkit.streaming._stream import components, peek, run, summarise, warn_if_sorted


@dataclass(frozen=True, repr=False, eq=False)
class TopEigenvectorResult(Result):
    """
    The top eigenvector of ``A'A`` and what the pass learnt beside it.

    Attributes
    ----------
    vector : array of shape (d,)
        Unit vector; its entry of largest modulus is real and positive.
    eigenvalue : float
        Estimate of the top eigenvalue of ``A'A``; of the centred matrix with ``center=True``.
    gap : float
        Estimate of the ratio of the first to the second eigenvalue: infinite when the second is zero, NaN
        for the methods that follow a single vector.
    n_samples : int
        Number of rows seen.
    n_heavy : int
        Number of heavy rows held at the end; 0 for methods without a store.
    method : str
        The method that gave the vector.
    """

    vector: Any
    eigenvalue: float
    gap: float
    n_samples: int
    n_heavy: int
    method: str


def top_eigenvector(
    X,
    *,
    method="auto",
    rng=None,
    n_heavy=32,
    heavy_threshold="auto",
    block_size=256,
    subspace_dim=2,
    sketch_size=32,
    referee="auto",
    center=False,
    memory_limit=None,
    callback=None,
):
    """
    Find the top eigenvector of ``A'A`` in one pass over the rows of ``A``.

    For matrices too long for memory, or read from a stream. ``oja`` costs O(n d) and O(d) memory and needs
    rows in random order; ``gram`` is exact in any order at O(n d^2) and O(d^2) memory and is what "auto"
    takes while ``8 d^2`` bytes fit in the memory limit.

    Parameters
    ----------
    X : array of shape (n, d), or stream
        An array, a memmap, a CSR matrix, an h5py or zarr dataset, a Dask array, or an iterable of blocks of
        rows; real or complex, of any array library.
    method : str, default="auto"
        One of "auto", "oja", "block_power", "oja_grid", "frequent_directions", "incremental_svd" and "gram";
        see the user guide for what each promises.
    rng : None, int or numpy.random.Generator, default=None
        Source of the start vector and of the referee's signs.
    n_heavy : int, default=32
        Heavy rows that are kept exactly, at the most.
    heavy_threshold : float or "auto", default="auto"
        A row is heavy when its squared norm exceeds this multiple of ``||A||_F ** 2 / d``, and twice the mean
        of all rows; "auto" is 0.15.
    block_size : int, default=256
        Rows taken together in one step.
    subspace_dim : int, default=2
        Columns carried by ``oja``, at least 2; more than one is needed to estimate the gap.
    sketch_size : int, default=32
        Rows of the sketch of ``frequent_directions`` and ``incremental_svd``.
    referee : "auto" or bool, default="auto"
        Whether to run the sketching methods and the grid beside ``oja`` and let a CountSketch of the stream
        choose between the answers. "auto" does so when ``method="auto"`` comes to ``oja``.
    center : bool, default=False
        Whether to subtract the mean of the rows.
    memory_limit : int or None, default=None
        Bytes that state and two blocks may take; None lets ``gram`` use 128 MiB.
    callback : callable or None, default=None
        Called with an ``IterationInfo`` after each part of the stream that is read, its figure the number of
        rows seen; reading stops when it returns True. Not called for a Dask array.

    Returns
    -------
    TopEigenvectorResult
        Fields ``vector`` (d,), ``eigenvalue``, ``gap``, ``n_samples``, ``n_heavy`` and ``method``. The vector
        has the dtype and the library of ``X``.

    Raises
    ------
    ValueError
        If ``X`` has NaN or infinite entries, no rows, or blocks of different widths, or if a parameter is
        out of range.
    TypeError
        If ``X`` has an object or extended-precision dtype, or mixes array libraries.

    Warns
    -----
    OrderWarning
        If the rows look sorted and the method assumes a random order.

    See Also
    --------
    StreamingTopEigenvector : The same as an estimator, fed block by block.
    frequent_directions : A sketch of the whole matrix with a certified bound.

    Notes
    -----
    ``oja`` multiplies an orthonormal basis Q by ``I + c_t C_t`` for the scatter ``C_t`` of each block, with
    the variance-optimal rate ``c_t = c / ((t + 2(c - 1)) lambda)``, ``c = R / (R - 1)`` for the running
    estimate R of the gap, from the principal directions of the first block on. Rows with
    ``||a||^2 > 0.15 ||A||_F^2 / d`` stay out of the recursion and enter by Rayleigh-Ritz at the end. No
    summary of O(d) numbers finds the vector for every gap and every order [1]_ [2]_.

    References
    ----------
    .. [1] P. Kacham and D. P. Woodruff, "Approximating the Top Eigenvector in Random Order Streams",
       NeurIPS 2024, arXiv:2412.11963.
    .. [2] E. Price and Z. Xun, "Spectral Guarantees for Adversarial Streaming PCA", FOCS 2024,
       arXiv:2408.10332.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.streaming import top_eigenvector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((20_000, 30))
    >>> X[:, 3] *= 2
    >>> result = top_eigenvector(X, method="oja", rng=0)
    >>> bool(result.vector[3] > 0.999), result.n_samples
    (True, 20000)
    """
    d, dtype, X = peek(X, 256)
    config = make_config(
        d,
        dtype,
        method=method,
        n_components=1,
        n_heavy=n_heavy,
        heavy_threshold=heavy_threshold,
        block_size=block_size,
        subspace_dim=subspace_dim,
        sketch_size=sketch_size,
        referee=referee,
        center=center,
        memory_limit=memory_limit,
    )
    state, spectrum, chosen = summarise(run(X, config, entropy=as_entropy(rng), callback=callback))
    warn_if_sorted(state, stacklevel=3)
    return TopEigenvectorResult(
        vector=components(state, spectrum)[0, :],
        eigenvalue=state.squared(spectrum.values[0]),
        gap=spectrum.gap,
        n_samples=spectrum.n_samples,
        n_heavy=0 if spectrum.heavy_rows is None else spectrum.heavy_rows.shape[0],
        method=chosen,
    )
