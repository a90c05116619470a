"""Matrices with prescribed spectra, after LAPACK's ``latms``, as a grid and as a Hypothesis strategy."""

from dataclasses import dataclass

import numpy as np

from spectralkit._core.checks import check_integer, check_number, check_option, invalid
from spectralkit._core.random import as_rng
from spectralkit._core.results import Result

_DTYPES = ("float32", "float64", "complex64", "complex128")
_KINDS = ("general", "symmetric", "positive")


@dataclass(frozen=True, repr=False, eq=False)
class PrescribedMatrix(Result):
    """
    A test matrix and the spectrum that it was built from.

    Its repr shows the recipe rather than the elements, so that a failing test can be repeated from its
    report with :func:`prescribed_matrix`.

    Attributes
    ----------
    matrix : array of shape (m, n)
        The matrix.
    spectrum : array of shape (min(m, n),)
        Singular values in descending order, or for symmetric kinds the eigenvalues in ascending order. In
        double precision.
    mode : int
        Shape of the spectrum.
    cond : float
        Ratio of the largest to the smallest singular value.
    scale : float
        Largest singular value, up to the randomness of mode 6.
    kind : str
        "general", "symmetric" or "positive".
    seed : int or None
        Seed of the random numbers, where an integer was given.

    See Also
    --------
    prescribed_matrix : Builds one.
    """

    matrix: object
    spectrum: object
    mode: int
    cond: float
    scale: float
    kind: str
    seed: object


def prescribed_matrix(m, n=None, *, mode=3, cond=10.0, scale=1.0, kind="general", dtype=np.float64, rng=None):
    """
    Return a random matrix with prescribed singular values or eigenvalues.

    The product ``U diag(s) Vᴴ`` with random orthogonal factors, or ``U diag(s) Uᴴ``, as LAPACK's ``latms``
    makes them for LAPACK's own tests. Cost `O((m + n)^3)`: meant for sizes up to a few hundred.

    Parameters
    ----------
    m : int
        Number of rows.
    n : int, optional
        Number of columns; ``m`` if not given.
    mode : int, default=3
        1: one large, the rest small. 2: one small, the rest large. 3: geometric. 4: arithmetic. 5: random,
        logarithms uniform. 6: random, uniform in (0, 1).
    cond : float, default=10
        Ratio of the largest to the smallest value, at least 1. Mode 6 ignores it.
    scale : float, "tiny" or "huge", default=1
        Factor for all values. "tiny" is a quarter of the smallest normal number over eps, "huge" its
        inverse: squares under- and overflow there, products with eps do not.
    kind : str, default="general"
        "general", "symmetric" (Hermitian with random signs of the eigenvalues) or "positive" (Hermitian
        positive definite).
    dtype : dtype, default=float64
        Either float32, float64, complex64 or complex128.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    PrescribedMatrix
        The fields ``matrix`` and ``spectrum``, and the recipe.

    Raises
    ------
    ValueError
        If an argument is out of range, or a symmetric matrix is not square.

    See Also
    --------
    matrix_grid : The grid of them that ratio tests run over.
    matrices : The same as a Hypothesis strategy.

    References
    ----------
    .. [1] J. Demmel and A. McKenney, "A test matrix generation suite", LAPACK Working Note 9, 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.testing import prescribed_matrix
    >>> case = prescribed_matrix(5, 3, mode=3, cond=100.0, rng=0)
    >>> case.spectrum
    array([1.  , 0.1 , 0.01])
    >>> bool(np.allclose(np.linalg.svd(case.matrix, compute_uv=False), case.spectrum))
    True
    """
    m = check_integer("m", m, 0)
    n = m if n is None else check_integer("n", n, 0)
    mode = check_integer("mode", mode, 1, 6)
    cond = check_number("cond", cond, 1.0)
    check_option("kind", kind, _KINDS)
    dtype = np.dtype(dtype)
    check_option("dtype", dtype.name, _DTYPES)
    if kind != "general" and m != n:
        raise ValueError(invalid("n", f"equal to m for a {kind} matrix", n))
    if isinstance(scale, str):
        check_option("scale", scale, ("tiny", "huge"))
        limits = np.finfo(dtype)
        tiny = 0.25 * float(limits.tiny) / float(limits.eps)
        scale = tiny if scale == "tiny" else 1.0 / tiny
    scale = check_number("scale", scale, 0.0, open_low=True)
    seed = rng if isinstance(rng, int) else None
    rng = as_rng(rng)

    k = min(m, n)
    s = _spectrum(k, mode, cond, rng)
    complex_ = np.issubdtype(dtype, np.complexfloating)
    U = _orthogonal(m, complex_, rng)[:, :k]
    if kind == "general":
        V = _orthogonal(n, complex_, rng)[:, :k]
    else:
        V = U
        s = np.sort(s * rng.choice([-1.0, 1.0], size=k) if kind == "symmetric" else s)
    matrix = (U * s) @ V.conj().T
    if kind != "general":
        matrix = (matrix + matrix.conj().T) / 2
    return PrescribedMatrix((matrix * scale).astype(dtype), s * scale, mode, cond, scale, kind, seed)


def _spectrum(k, mode, cond, rng):
    s = np.ones(k)
    position = np.arange(k) / max(k - 1, 1)
    if mode == 1:
        s[1:] = 1.0 / cond
    elif mode == 2 and k > 1:
        s[-1] = 1.0 / cond
    elif mode == 3:
        s = cond**-position
    elif mode == 4:
        s = 1.0 - position * (1.0 - 1.0 / cond)
    elif mode == 5:
        s = cond ** -rng.random(k)
    elif mode == 6:
        s = rng.random(k)
    return np.sort(s)[::-1]


def _orthogonal(n, complex_, rng):
    gaussian = rng.standard_normal((n, n))
    if complex_:
        gaussian = gaussian + 1j * rng.standard_normal((n, n))
    Q, R = np.linalg.qr(gaussian)
    diagonal = np.diagonal(R)
    return Q * (diagonal / np.abs(diagonal))  # unique signs make Q uniformly distributed


def matrix_grid(*, sizes=(1, 2, 3, 17, 64), kind="general", dtypes=("float32", "float64")):
    """
    Yield the grid of matrices that ratio tests run over.

    All six modes, condition numbers 2, 1000 and ``0.1/eps``, scales 1, "tiny" and "huge": 54 matrices for
    each size and dtype, 540 by default, made in about 0.1 s.

    Parameters
    ----------
    sizes : sequence of int or of pairs, default=(1, 2, 3, 17, 64)
        Square sizes `n`, or shapes `(m, n)`.
    kind : str, default="general"
        "general", "symmetric" or "positive".
    dtypes : sequence of str, default=("float32", "float64")
        Precisions.

    Yields
    ------
    PrescribedMatrix
        One matrix of the grid after the other; the same in every run.

    See Also
    --------
    prescribed_matrix : One matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.testing import check_ratio, matrix_grid
    >>> worst = 0.0
    >>> for case in matrix_grid(sizes=(2, 17), dtypes=["float64"]):
    ...     s = np.linalg.svd(case.matrix, compute_uv=False)
    ...     error = np.max(np.abs(s - case.spectrum))
    ...     worst = max(worst, check_ratio(error, s[0], len(s), "float64"))
    >>> worst < 30
    True
    """
    seed = 0
    for dtype in dtypes:
        for size in sizes:
            m, n = (size, size) if np.ndim(size) == 0 else size
            for mode in range(1, 7):
                for cond in (2.0, 1e3, 0.1 / float(np.finfo(dtype).eps)):
                    for scale in (1.0, "tiny", "huge"):
                        yield prescribed_matrix(
                            m, n, mode=mode, cond=cond, scale=scale, kind=kind, dtype=dtype, rng=seed
                        )
                        seed += 1


def matrices(
    *,
    rows=(1, 20),
    columns=None,
    kinds=("general",),
    modes=(1, 2, 3, 4, 5, 6),
    scales=(1.0, "tiny", "huge"),
    dtypes=("float32", "float64"),
):
    """
    Return a Hypothesis strategy for matrices with prescribed spectra.

    It draws a seed and the structure (shape, mode, condition, scale, precision), not elements: that is
    twice as fast, and reaches the spectra on which algorithms fail, where independent elements never do.
    Structure shrinks towards small, well-conditioned, unscaled matrices.

    Parameters
    ----------
    rows : pair of int, default=(1, 20)
        Smallest and largest number of rows.
    columns : pair of int, optional
        The same for columns. By default matrices are square.
    kinds : sequence of str, default=("general",)
        Kinds to draw from: "general", "symmetric", "positive".
    modes : sequence of int, default=(1, 2, 3, 4, 5, 6)
        Shapes of spectra to draw from.
    scales : sequence, default=(1.0, "tiny", "huge")
        Scales to draw from.
    dtypes : sequence of str, default=("float32", "float64")
        Precisions to draw from; also "complex64" and "complex128".

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        A strategy of :class:`PrescribedMatrix`.

    Raises
    ------
    ImportError
        If Hypothesis is not installed.

    See Also
    --------
    prescribed_matrix : Builds the matrix, and explains modes and scales.

    Examples
    --------
    >>> import numpy as np
    >>> from hypothesis import given, settings
    >>> from spectralkit.testing import check_ratio, matrices
    >>> @settings(max_examples=10, derandomize=True)
    ... @given(matrices(rows=(1, 5)))
    ... def test_singular_values(case):
    ...     s = np.linalg.svd(case.matrix, compute_uv=False)
    ...     error = np.max(np.abs(s - case.spectrum))
    ...     check_ratio(error, s[0], len(s), case.matrix.dtype)
    >>> test_singular_values()
    """
    try:
        from hypothesis import strategies
    except ImportError as error:
        raise ImportError("matrices needs Hypothesis; install it with pip install hypothesis.") from error

    @strategies.composite
    def draw_matrix(draw):
        dtype = draw(strategies.sampled_from(dtypes))
        m = draw(strategies.integers(*rows))
        n = m if columns is None else draw(strategies.integers(*columns))
        largest = 0.1 / float(np.finfo(dtype).eps)
        return prescribed_matrix(
            m,
            n,
            mode=draw(strategies.sampled_from(modes)),
            cond=draw(strategies.sampled_from((2.0, 1e3, largest)) | strategies.floats(1.0, largest)),
            scale=draw(strategies.sampled_from(scales)),
            kind=draw(strategies.sampled_from(kinds)),
            dtype=dtype,
            rng=draw(strategies.integers(0, 2**32 - 1)),
        )

    return draw_matrix()
