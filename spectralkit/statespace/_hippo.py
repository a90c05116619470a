"""HiPPO matrices, and what the LegS system answers in closed form."""

import math

import numpy as np

from spectralkit._core.checks import check_integer, check_option, invalid
from spectralkit._core.dtypes import dtype_of
from spectralkit.statespace._arguments import as_arrays

MEASURES = ("legs", "legt", "fout", "lagt")


def hippo(measure, n, *, dtype=np.float64):
    """
    Return the matrices of a system that remembers its input as coefficients of orthogonal functions.

    The state of ``x' = A x + B u`` holds the first n coefficients of the past of u, in a basis that is
    orthonormal for the measure. Cost and memory `O(n^2)`.

    Parameters
    ----------
    measure : str
        "legs": Legendre polynomials of ``2 exp(-t) - 1``, all of the past with an exponential weight;
        "legt": Legendre polynomials on a window of length 2; "fout": Fourier series on a window of length
        2; "lagt": Laguerre functions.
    n : int
        Number of states; even for "fout".
    dtype : dtype, default=numpy.float64
        Precision, float32 or float64.

    Returns
    -------
    A : ndarray of shape (n, n)
        The matrix of the system. It is dissipative: no eigenvalue of ``A + A^T`` is positive.
    B : ndarray of shape (n,)
        How the input enters.

    Raises
    ------
    ValueError
        If the measure is not known, or n is below 1, or odd for "fout".
    TypeError
        If n is no integer, or the dtype another one.

    See Also
    --------
    diagonal_init : Diagonal systems with nearly the same states.
    legs_kernel : Impulse response of "legs".
    discretize : The same system in discrete time.

    Notes
    -----
    With ``r_i = sqrt(2 i + 1)``, rows and columns from 0: "legs" has ``A_ij = -r_i r_j`` below the
    diagonal, ``-(i + 1)`` on it and 0 above, and ``B = r``; "legt" has ``A_ij = -r_i r_j / 2`` on and
    below the diagonal and ``-(-1)^(i-j) r_i r_j / 2`` above, and ``B = r / 2``; "fout" has rotations at
    the frequencies ``π k`` minus ``B B^T``, with ``B = (1, 0, √2, 0, √2, ..)``, where the state of the
    sine of frequency 0 stays 0 and makes A singular; "lagt" has ``A = I/2 - tril(ones)``, and ones for B.
    "legs" is the time-invariant system, without the factor 1/t of the first reference.

    References
    ----------
    .. [1] A. Gu, T. Dao, S. Ermon, A. Rudra and C. Ré, "HiPPO: Recurrent memory with optimal polynomial
       projections", NeurIPS 2020, arXiv:2008.07669.
    .. [2] A. Gu, I. Johnson, A. Timalsina, A. Rudra and C. Ré, "How to train your HiPPO: State space
       models with generalized orthogonal basis projections", ICLR 2023, arXiv:2206.12037.

    Examples
    --------
    >>> from spectralkit.statespace import hippo
    >>> A, B = hippo("legs", 3)
    >>> A.round(3)
    array([[-1.   ,  0.   ,  0.   ],
           [-1.732, -2.   ,  0.   ],
           [-2.236, -3.873, -3.   ]])
    """
    check_option("measure", measure, MEASURES)
    n = check_integer("n", n, 1)
    try:
        dtype = np.dtype(dtype)
    except TypeError:
        raise TypeError(invalid("dtype", "float32 or float64", dtype)) from None
    if dtype.name not in ("float32", "float64"):
        raise TypeError(invalid("dtype", "float32 or float64", dtype.name))
    if measure == "legs":
        B = _norms(n)
        A = 0.0 - np.tril(np.outer(B, B), -1) - np.diag(np.arange(1.0, n + 1.0))
    elif measure == "legt":
        r, i = _norms(n), np.arange(n)
        signs = np.where((i[:, None] < i) & ((i[:, None] - i) % 2 == 1), -1.0, 1.0)
        A, B = -0.5 * np.outer(r, r) * signs, 0.5 * r
    elif measure == "fout":
        check_even(n, 'Fourier functions come in pairs, which "fout" does not cut.')
        turns = np.zeros(n - 1)
        turns[2::2] = np.pi * np.arange(1, n // 2)
        B = np.zeros(n)
        B[::2] = math.sqrt(2.0)
        B[0] = 1.0
        A = np.diag(turns, -1) - np.diag(turns, 1) - np.outer(B, B)
    else:
        A, B = 0.5 * np.eye(n) - np.tril(np.ones((n, n))), np.ones(n)
    return A.astype(dtype), B.astype(dtype)


def legs_kernel(n, t):
    """
    Return the impulse response of the LegS system from its closed form.

    It is ``exp(t A) B`` for the matrices of `hippo`, whose product form loses all digits for large n.
    Cost `O(n)` for each time.

    Parameters
    ----------
    n : int
        Number of states.
    t : float or array of shape (...)
        Times, at least 0; an array of any library.

    Returns
    -------
    array of shape (..., n)
        The response of each state. Errors are a few units of rounding relative to the largest of a state.

    Raises
    ------
    ValueError
        If n is below 1, or a time is negative or not finite.
    TypeError
        If n is no integer, or times are not real.

    See Also
    --------
    hippo : The system.
    legs_transfer_function : Its Laplace transform.

    Notes
    -----
    State k answers ``sqrt(2 k + 1) exp(-t) P_k(2 exp(-t) - 1)`` with the Legendre polynomials P. Their
    recurrence runs in differences ``P_{k+1} - P_k``, in the distance to the nearer end of [-1, 1]: that
    is known to all digits, even where the argument itself has rounded to 1 or -1.

    References
    ----------
    .. [1] A. Gu, I. Johnson, A. Timalsina, A. Rudra and C. Ré, "How to train your HiPPO: State space
       models with generalized orthogonal basis projections", ICLR 2023, arXiv:2206.12037.

    Examples
    --------
    >>> from spectralkit.statespace import legs_kernel
    >>> legs_kernel(3, 0.5).round(4)
    array([ 0.6065,  0.2238, -0.5858])
    """
    n = check_integer("n", n, 1)
    xp, (t,), dtypes = as_arrays(t=t, real=("t",))
    t = xp.astype(t, xp.float64)
    if not bool(xp.all(t >= 0.0)):
        raise ValueError(invalid("t", "non-negative", "a negative time", "The system is causal."))
    decay, to_one = xp.exp(-t), -2.0 * xp.expm1(-t)  # 1 - x for x = 2 exp(-t) - 1
    near = to_one <= 1.0
    distance = xp.where(near, to_one, 2.0 * decay)
    # P_k(-x) = (-1)^k P_k(x) serves the other half.
    sign = xp.where(near, xp.ones_like(t), -1.0)
    columns, factor = [], decay
    P, step = xp.ones_like(t), xp.zeros_like(t)
    for k in range(n):
        columns.append(math.sqrt(2.0 * k + 1.0) * factor * P)
        step = (k * step - (2.0 * k + 1.0) * distance * P) / (k + 1.0)
        P, factor = P + step, factor * sign
    return xp.astype(xp.stack(columns, axis=-1), dtype_of(xp, dtypes["t"]), copy=False)


def legs_transfer_function(n, s):
    """
    Return the transfer function of the LegS system from its closed form.

    It is ``(s I - A)^-1 B`` for the matrices of `hippo`, without a linear system that is nearly singular.
    Cost `O(n)` for each point.

    Parameters
    ----------
    n : int
        Number of states.
    s : complex or array of shape (...)
        Points, real or complex; an array of any library. Not the poles, -1 to -n.

    Returns
    -------
    array of shape (..., n)
        The transfer function to each state; real for real points.

    Raises
    ------
    ValueError
        If n is below 1, or a point is a pole or not finite.
    TypeError
        If n is no integer, or points are of a dtype that is not supported.

    See Also
    --------
    hippo : The system.
    legs_kernel : Its impulse response.

    Notes
    -----
    State k, from 0, has ``sqrt(2 k + 1) Π_{j<k} (s - j) / Π_{1<=j<=k+1} (s + j)``. The relative error is
    some k units of rounding, wherever s is.

    References
    ----------
    .. [1] A. Gu, I. Johnson, A. Timalsina, A. Rudra and C. Ré, "How to train your HiPPO: State space
       models with generalized orthogonal basis projections", ICLR 2023, arXiv:2206.12037.

    Examples
    --------
    >>> from spectralkit.statespace import legs_transfer_function
    >>> abs(legs_transfer_function(3, 2j)).round(4)
    array([0.4472, 0.5477, 0.4385])
    """
    n = check_integer("n", n, 1)
    xp, (s,), dtypes = as_arrays(s=s)
    s = xp.astype(s, xp.complex128 if xp.isdtype(s.dtype, "complex floating") else xp.float64)
    columns, product = [], 1.0
    for k in range(n):
        below = s + (k + 1.0)
        if bool(xp.any(below == 0.0)):
            raise ValueError(invalid("s", f"none of the poles -1 to -{n}", -(k + 1)))
        product = product * ((s - (k - 1.0) if k else 1.0) / below)
        columns.append(math.sqrt(2.0 * k + 1.0) * product)
    return xp.astype(xp.stack(columns, axis=-1), dtype_of(xp, dtypes["s"]), copy=False)


def check_even(n, why, name="n"):
    """Raise ValueError where the number of states is odd."""
    if n % 2:
        raise ValueError(invalid(name, "even", n, why))


def _norms(n):
    """Return the norms of Legendre polynomials that are 1 at 1: ``sqrt(2 i + 1)``."""
    return np.sqrt(2.0 * np.arange(n) + 1.0)
