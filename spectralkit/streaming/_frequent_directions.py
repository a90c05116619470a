"""A frequent-directions sketch of a matrix, as one function."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectralkit._core.checks import check_integer, check_number, invalid
from spectralkit._core.dtypes import eps
from spectralkit._core.namespaces import array_namespace, to_host
from spectralkit._core.results import Result
from spectralkit.streaming._config import Config
from spectralkit.streaming._stream import finish, output, run


@dataclass(frozen=True, repr=False, eq=False)
class FrequentDirectionsResult(Result):
    """
    A frequent-directions sketch and its certificate.

    Attributes
    ----------
    sketch : array of shape (l, d)
        The sketch ``B``: orthogonal rows, descending in norm; ``l`` is ``sketch_size``.
    error_bound : float
        Upper bound on ``||A'A - B'B||_2``, the sum of the shrinkages.
    frobenius_sq : float
        ``||A||_F ** 2``.
    n_samples : int
        Number of rows seen.
    """

    sketch: Any
    error_bound: float
    frobenius_sq: float
    n_samples: int


def frequent_directions(X, sketch_size, *, alpha=1.0, block_size=256, callback=None):
    r"""
    Sketch a tall matrix in one pass, with a certified bound on the error.

    The only method here that is deterministic, indifferent to the order of the rows and mergeable with a
    guarantee. Use it where the guarantee counts; for the top eigenvector of a stream in random order
    ``top_eigenvector`` is far faster and more accurate. Cost O(n d l) and O(d l) memory for a sketch of l
    rows.

    Parameters
    ----------
    X : array of shape (n, d), or stream
        The matrix ``A``: an array, a memmap, a CSR matrix, an h5py or zarr dataset, a Dask array, or an
        iterable of blocks of rows; real or complex.
    sketch_size : int
        Number of rows ``l`` of the sketch, at least 1.
    alpha : float, default=1.0
        Share of the sketch that is shrunk, in [0, 1]: 1 is frequent directions, 0 is incremental SVD,
        0.2 is often the most accurate on data in random order. The bound is certified for each.
    block_size : int, default=256
        Rows read at a time.
    callback : callable or None, default=None
        Called with an ``IterationInfo`` after each part of the stream that is read, its figure the number of
        rows seen; reading stops when it returns True. Not called for a Dask array.

    Returns
    -------
    FrequentDirectionsResult
        Fields ``sketch`` (l, d), ``error_bound``, ``frobenius_sq`` and ``n_samples``. The sketch has the
        dtype and the library of ``X``.

    Raises
    ------
    ValueError
        If ``X`` has NaN or infinite entries, no rows, or blocks of different widths.
    TypeError
        If ``X`` has an object or extended-precision dtype, or mixes array libraries.

    See Also
    --------
    top_eigenvector : The leading eigenvector alone, with smaller error.
    StreamingPCA : The estimator, with ``method="frequent_directions"``.

    Notes
    -----
    After each block of rows the sketch loses ``delta``, its eigenvalue number l + 1, from its last
    ``alpha l`` squared singular values. For ``alpha = 1`` and every ``j < l``,

    .. math::

       0 \preceq A^*A - B^*B, \qquad
       \|A^*A - B^*B\|_2 \le \sum\delta \le \|A - A_j\|_F^2 / (l + 1 - j),

    with :math:`A_j` the best approximation of rank j; merged sketches obey the same bound. The
    ``error_bound`` reported includes the rounding errors, and for float32 those of the final cast.

    References
    ----------
    .. [1] M. Ghashami, E. Liberty, J. M. Phillips and D. P. Woodruff, "Frequent Directions: Simple and
       Deterministic Matrix Sketching", SIAM Journal on Computing 45 (2016).
    .. [2] A. Desai, M. Ghashami and J. M. Phillips, "Improved Practical Matrix Sketching with
       Guarantees", IEEE TKDE 28 (2016).

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.streaming import frequent_directions
    >>> A = np.random.default_rng(0).standard_normal((1000, 20)) * 0.5 ** np.arange(20)
    >>> result = frequent_directions(A, 8)
    >>> error = np.linalg.norm(A.T @ A - result.sketch.T @ result.sketch, 2)
    >>> bool(error <= result.error_bound <= np.sum(A[:, 4:] ** 2) / 4)
    True
    """
    sketch_size = check_integer("sketch_size", sketch_size, 1)
    alpha = check_number("alpha", alpha, 0, 1)
    block_size = check_integer("block_size", block_size, 1)
    config = Config(method="frequent_directions", sketch_size=sketch_size, alpha=alpha, block_size=block_size)
    state = finish(run(X, config, entropy=0, callback=callback))
    main = state.main
    with np.errstate(over="ignore"):
        sketch = output(state, main.sketch, scale=1)
    if not bool(to_host(array_namespace(X=sketch).all(array_namespace(X=sketch).isfinite(sketch)))):
        remedy = "Convert it to a wider dtype."
        raise ValueError(invalid("X", "of a dtype that can hold the sketch", f"dtype {state.dtype}", remedy))
    # Casting the sketch to a shorter dtype moves B'B by eps ||B||_2 ||B||_F at the most.
    cast = eps(sketch.dtype) * math.sqrt(main.norms_sq[0] * main.norms_sq.sum())
    cast = cast if eps(sketch.dtype) > np.finfo(np.float64).eps else 0.0
    return FrequentDirectionsResult(
        sketch=sketch,
        error_bound=state.squared(main.error_bound + cast),
        frobenius_sq=state.squared(main.moments.frobenius_sq),
        n_samples=main.n_samples,
    )
