"""Butterfly factors of a dense matrix."""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from spectralkit._core.checks import check_option, invalid
from spectralkit._core.namespaces import is_numpy, library_name
from spectralkit._core.results import Result
from spectralkit.structured._arguments import (
    as_permutation,
    as_working,
    bit_reversal,
    check_finite,
    check_power_of_two,
)
from spectralkit.structured._factorize_numba import peel
from spectralkit.structured._operator import Butterfly


@dataclass(frozen=True, repr=False, eq=False)
class ButterflyFactorizationResult(Result):
    """
    A butterfly approximation of a matrix, as `butterfly_factorize` and `butterfly_learn` return it.

    Attributes
    ----------
    operator : Butterfly
        The approximation.
    residual : float
        Its distance from the matrix in the Frobenius norm, relative to that of the matrix; for pairs,
        that of the predictions from the outputs. That is in double precision: blocks of single precision
        are then rounded, by about 1e-7.
    permutation : array of shape (n,)
        Order in which entries enter the operator.
    n_iter : int
        Permutations that were tried, or steps of learning.
    converged : bool
        Whether the work ended by itself; always true for `butterfly_factorize`.
    status : str
        What happened, and what to change.
    """

    operator: Butterfly
    residual: float
    permutation: np.ndarray
    n_iter: int
    converged: bool
    status: str


def butterfly_factorize(W, *, permutation="best"):
    """
    Factor a dense matrix into a butterfly.

    Exact up to rounding where the matrix is a butterfly, behind one of the permutations that are tried;
    the best level by level otherwise. Cost `O(n^2)` for each permutation, two passes over the matrix,
    and memory of three quarters of a copy in double precision, in which all is done.

    Parameters
    ----------
    W : array of shape (n, n)
        A real or complex matrix, on the host; n is a power of two.
    permutation : str, array of shape (n,) or None, default="best"
        Order in which entries enter: a permutation; "bitrev" for that of reversed bits; None for the
        natural one; "best" for the best of the eight that separate even from odd places, or not, and
        reverse the first or the second half, or not, at every level alike.

    Returns
    -------
    ButterflyFactorizationResult
        The operator, the relative residual and the permutation.

    Raises
    ------
    ValueError
        If ``W`` is not square and finite, its size is no power of two, or the permutation is none.
    TypeError
        If ``W`` is not on the host, or of a dtype that is not supported.

    See Also
    --------
    butterfly_learn : Improves on it by descent, and fits data.

    Notes
    -----
    Rows of one parity and a pair of columns form a matrix of two columns, which has rank one in a
    butterfly matrix. Its dominant right singular vector, in closed form from a Gram matrix of order two,
    is a row of a block of level 0, and the products with it are the entries of two matrices of half the
    size, for which the same is done [1]_. Blocks but those of the last level have rows of norm 1.
    Products of blocks do not determine the blocks, so that other blocks than those a matrix was made of
    may come out.

    References
    ----------
    .. [1] L. Zheng, E. Riccietti and R. Gribonval, "Efficient identification of butterfly sparse matrix
       factorizations", SIAM Journal on Mathematics of Data Science 5, 2023, arXiv:2110.01230.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.structured import butterfly_factorize
    >>> result = butterfly_factorize(np.fft.fft(np.eye(16)))
    >>> result.residual < 1e-14
    True
    """
    W, n = as_matrix("W", W)
    if isinstance(permutation, str):
        check_option("permutation", permutation, ("best", "bitrev"))
        candidates = eight_permutations(n) if permutation == "best" else [bit_reversal(n)]
    else:
        candidates = [np.arange(n) if permutation is None else as_permutation("permutation", permutation, n)]
    best = None
    for candidate in candidates:
        twiddle, residual = factorize(W, candidate, math.inf if best is None else best[1])
        if twiddle is not None and (best is None or residual < best[1]):
            best = twiddle, residual, candidate
    twiddle, residual, candidate = best
    operator = as_operator(twiddle, candidate, W)
    status = f"Relative residual {residual:.2g}, the best of {len(candidates)} permutations."
    return ButterflyFactorizationResult(operator, residual, candidate, len(candidates), True, status)


def as_matrix(name, W):
    """Return a square NumPy matrix of a size that is a power of two."""
    W, xp = as_working(name, W)
    if not is_numpy(xp):
        given = f"an array of {library_name(xp)}"
        raise TypeError(invalid(name, "a NumPy array", given, "Copy it to the host."))
    if W.ndim != 2 or W.shape[0] != W.shape[1]:
        raise ValueError(invalid(name, "square", f"shape {W.shape}"))
    check_power_of_two(f"the size of {name}", len(W))
    check_finite(name, W, xp)
    return W, len(W)


def as_operator(twiddle, permutation, W):
    """Return the operator, in the dtype of the matrix."""
    with np.errstate(over="ignore"):
        twiddle = twiddle.astype(W.dtype)
    if not np.all(np.isfinite(twiddle)):
        given = f"entries close to the largest number of {W.dtype}"
        raise ValueError(invalid("W", "small enough for its factors", given, "Scale it down."))
    if len(W) == 1:  # without levels: a number
        return Butterfly._of_scale(twiddle, W[0])
    return Butterfly(twiddle, permutation=permutation)


def eight_permutations(n):
    """Return the permutations of Dao et al., without repetitions."""
    found = {}
    for choice in itertools.product((True, False), (False, True), (False, True)):
        permutation = _recursive_permutation(n, *choice)
        found.setdefault(permutation.tobytes(), permutation)
    return list(found.values())


def _recursive_permutation(n, separate, reverse_first, reverse_second):
    """Return the permutation that makes the same choices in each half again."""
    if n <= 1:
        return np.arange(n)
    places = np.arange(n)
    halves = [places[::2], places[1::2]] if separate else [places[: n // 2], places[n // 2 :]]
    halves = [
        half[::-1] if reverse else half
        for half, reverse in zip(halves, (reverse_first, reverse_second), strict=True)
    ]
    inner = _recursive_permutation(n // 2, separate, reverse_first, reverse_second)
    return np.concatenate([half[inner] for half in halves])


def factorize(W, permutation, bound=math.inf):
    """Return twiddle factors and the relative residual; None once that is above ``bound``."""
    n = len(W)
    levels = n.bit_length() - 1
    dtype = np.complex128 if W.dtype.kind == "c" else np.float64
    twiddle = np.empty((levels, n // 2 if levels else 0, 2, 2), dtype=dtype)
    if not levels:
        return twiddle, 0.0
    parts = (W.real, W.imag) if W.dtype.kind == "c" else (W,)
    largest = max(float(max(part.max(), -part.min())) for part in parts)
    # Squares stay in range; the smallest subnormals have no inverse.
    exponent = max(math.frexp(largest)[1] - 1, -1000) if largest else 0
    A, columns, scale = W[None], permutation, math.ldexp(1.0, -exponent)
    lost, total, room = 0.0, 0.0, []  # two arrays, in turn
    for index, level in enumerate(twiddle[:-1]):
        count, m = A.shape[:2]
        entries = 2 * count * (m // 2) ** 2
        if index < 2:
            room.append(np.empty(entries, dtype=dtype))
        rest = room[index % 2][:entries].reshape(2 * count, m // 2, m // 2)
        energy, missing = peel(A, columns, scale, level, rest)
        total, lost = max(total, energy), lost + missing
        if lost > bound**2 * total:
            return None, math.inf
        A, columns, scale = rest, np.arange(m // 2), 1.0
    if levels == 1:
        A = A[..., columns] * scale
    twiddle[-1] = A
    with np.errstate(over="ignore"):
        twiddle[-1] *= math.ldexp(1.0, exponent)
    return twiddle, math.sqrt(lost / total) if total else 0.0
