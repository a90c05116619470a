"""Continuous systems in discrete time."""

import math

import array_api_compat
import numpy as np
import scipy.linalg

from spectralkit._core.arrays import power_of_two
from spectralkit._core.checks import check_number, check_option, invalid
from spectralkit._core.dtypes import dtype_of
from spectralkit._core.namespaces import is_numpy, to_host
from spectralkit.statespace._arguments import (
    as_arrays,
    check_axis,
    check_stable,
    leading_shape,
    real_dtype_name,
)

METHODS = ("zoh", "bilinear")
_UNIT = float(np.finfo(np.float64).eps)
# Padé's approximant of degree 13 is the exponential up to rounding for norms up to this.
_PADE_NORM = 5.37
_PADE = tuple(math.comb(13, j) / math.perm(26, j) for j in range(14))


def discretize(A, B, dt, *, method="zoh", allow_unstable=False):
    """
    Turn a continuous system into a recurrence, diagonal or dense.

    From ``x' = A x + B u`` to ``x_t = A_bar x_{t-1} + B_bar u_t`` with one step of length dt. Cost `O(n)`
    for each diagonal system, `O(n^3)` for a dense one.

    Parameters
    ----------
    A : array of shape (..., n) or (n, n)
        The diagonal, or a dense matrix. It is dense exactly where it is square, of two axes, and B has
        one: n diagonal systems of n states that share B take it as ``B[None, :]``.
    B : array of shape (..., n) or (n,)
        How the input enters; broadcasts against a diagonal A.
    dt : float or array of shape (...)
        Step, positive; an array broadcasts against the leading axes of the diagonals, or leads those of
        the results for a dense matrix.
    method : str, default="zoh"
        "zoh": zero-order hold, exact for inputs that are constant during each step; "bilinear": the
        trapezoidal rule, of second order.
    allow_unstable : bool, default=False
        Take systems with eigenvalues of positive real part too, whose states grow without bound.

    Returns
    -------
    A_bar : array of shape (..., n) or (..., n, n)
        The recurrence: a diagonal for a diagonal, a matrix for a matrix.
    B_bar : array of shape (..., n)
        How the input enters.

    Raises
    ------
    ValueError
        If shapes do not match, something is not finite, dt is not positive or so long that dt A
        overflows, the system is unstable, or "bilinear" has a pole, which only unstable systems have.
    TypeError
        If arrays are of different libraries, or of a dtype that is not supported.
    numpy.linalg.LinAlgError
        If the exponential of a dense system overflows, from about ``dt ||A|| = 1e30`` on.

    See Also
    --------
    hippo : Dense systems.
    diagonal_init : Diagonal systems.
    diagonal_scan : Runs the recurrence of a diagonal one.

    Notes
    -----
    "zoh" is ``exp(dt A)`` and ``A^-1 (exp(dt A) - 1) B``, "bilinear" ``(1 - dt A/2)^-1 (1 + dt A/2)`` and
    ``dt (1 - dt A/2)^-1 B`` [1]_. A singular A, and one that nearly is, loses no digits: of a dense
    system the exponential of ``[[A, B], [0, 0]]`` is taken, and of a diagonal one ``exp(z) - 1`` without
    cancellation.

    Stable is what grows by no more than rounding in the longer of a step and a unit of time. A dense
    matrix is taken for stable if ``A + A^*`` has no positive eigenvalue, as for all of `hippo`; else it is
    unstable if some eigenvalue is to the right of the axis by more than rounding can have moved it, as far
    as its condition number tells. For matrices that are nearly defective that is far.

    References
    ----------
    .. [1] A. Gu, A. Gupta, K. Goel and C. Ré, "On the parameterization and initialization of diagonal
       state space models", NeurIPS 2022, arXiv:2206.11893.

    Examples
    --------
    >>> from spectralkit.statespace import discretize
    >>> A_bar, B_bar = discretize([-1.0, 0.0], [1.0, 1.0], 0.5)
    >>> A_bar.round(4), B_bar.round(4)
    (array([0.6065, 1.    ]), array([0.3935, 0.5   ]))
    """
    check_option("method", method, METHODS)
    is_number = np.isscalar(dt)
    given = {} if is_number else {"dt": dt}
    xp, (A, B, *steps), dtypes = as_arrays(A=A, B=B, **given, real=("dt",))
    if is_number:
        dt = check_number("dt", dt, 0.0, open_low=True)
        steps = [xp.asarray(dt, dtype=xp.float64, device=array_api_compat.device(A))]
    (steps,) = steps
    if not bool(xp.all(steps > 0.0)):
        raise ValueError(invalid("dt", "positive", float(xp.min(steps))))
    A, B, dt = (_double(array, xp) for array in (A, B, steps))
    check_axis("A", A)
    check_axis("B", B, A.shape[-1], "A")
    dense = B.ndim == 1 and A.ndim == 2 and A.shape[0] == A.shape[1] > 0
    if not dense:
        leading_shape(A=A.shape[:-1], B=B.shape[:-1], dt=dt.shape)
    # Growth in one step, or in a unit of time if that is longer.
    time = xp.where(dt > 1.0, dt, xp.ones_like(dt))
    with np.errstate(over="ignore", invalid="ignore"):
        if dense:
            excess, z = _certain_abscissa(to_host(A)) * to_host(time), dt[..., None, None] * A
        else:
            excess, z = _real_part(A, xp) * time[..., None], dt[..., None] * A
    bound = "stable, without eigenvalues of positive real part"
    check_stable("A", excess, dtypes["A"], allow_unstable, bound)
    if not bool(xp.all(xp.isfinite(z))):
        raise ValueError(
            invalid("dt", "such that dt A does not overflow", "a product that does", "Lower it.")
        )
    A_bar, B_bar = (_dense_step if dense else _diagonal_step)(A, z, B, dt, method, xp)
    both = real_dtype_name(dtypes["A"], dtypes["B"])
    return _cast(A_bar, real_dtype_name(dtypes["A"]), xp), _cast(B_bar, both, xp)


def _diagonal_step(A, z, B, dt, method, xp):
    """Return the recurrence of diagonal systems, where z is dt A."""
    dt = dt[..., None]
    if method == "bilinear":
        below = 1.0 - 0.5 * z
        _check_no_pole(bool(xp.any(below == 0.0)))
        return (1.0 + 0.5 * z) / below, dt / below * B
    zero = z == 0.0
    slope = xp.where(zero, xp.ones_like(z), _expm1(z, xp) / xp.where(zero, xp.ones_like(z), z))
    return xp.exp(z), dt * slope * B


def _dense_step(A, z, B, dt, method, xp):
    """Return the recurrence of a dense system, where z is dt A."""
    n = A.shape[0]
    common = xp.result_type(A, B)
    dt = dt[..., None]
    if method == "bilinear":
        half = 0.5 * z
        eye = xp.eye(n, dtype=half.dtype, device=array_api_compat.device(A))
        both = xp.concat([xp.astype(eye + half, common), xp.astype(dt * B, common)[..., None]], axis=-1)
        try:
            both = xp.linalg.solve(xp.astype(eye - half, common), both)
        except (np.linalg.LinAlgError, RuntimeError):
            _check_no_pole(True)
        A_bar, B_bar = both[..., :n], both[..., n]
    else:
        # The last column is linear in what stands there, which must not be what sets the norm.
        size, columns = power_of_two(B, xp), 2.0 ** n.bit_length()
        last = xp.astype(B / size / columns, common)[:, None]
        top = xp.concat([xp.astype(z, common), xp.broadcast_to(last, (*z.shape[:-1], 1))], axis=-1)
        with np.errstate(over="ignore", invalid="ignore"):
            augmented = xp.concat([top, xp.zeros_like(top[..., :1, :])], axis=-2)
            flow = scipy.linalg.expm(augmented) if is_numpy(xp) else _expm(augmented, xp)
            A_bar, B_bar = flow[..., :n, :n], dt * flow[..., :n, n] * columns * size
        if not bool(xp.all(xp.isfinite(A_bar))) or not bool(xp.all(xp.isfinite(B_bar))):
            raise np.linalg.LinAlgError("the exponential of dt A overflows: lower dt.")
    return A_bar if _is_complex(A, xp) else _real_part(A_bar, xp), B_bar


def _expm1(z, xp):
    """Return ``exp(z) - 1`` without cancellation; not all libraries have it for complex numbers."""
    if not _is_complex(z, xp):
        return xp.expm1(z)
    x, y = xp.real(z), xp.imag(z)
    sine = xp.sin(0.5 * y)
    return (xp.expm1(x) * xp.cos(y) - 2.0 * sine * sine) + 1j * (xp.exp(x) * xp.sin(y))


def _expm(M, xp):
    """Return exponentials of matrices by scaling and squaring, each as often as its norm asks for."""
    norm = xp.max(xp.sum(xp.abs(M), axis=-2), axis=-1)[..., None, None] / _PADE_NORM
    squarings = xp.ceil(xp.log2(xp.where((norm > 1.0) & xp.isfinite(norm), norm, xp.ones_like(norm))))
    M = M / 2.0**squarings
    square, eye = M @ M, xp.eye(M.shape[-1], dtype=M.dtype, device=array_api_compat.device(M))
    even, odd = _PADE[12] * eye, _PADE[13] * eye
    for j in range(10, -1, -2):
        even, odd = even @ square + _PADE[j] * eye, odd @ square + _PADE[j + 1] * eye
    odd = M @ odd
    flow = xp.linalg.solve(even - odd, even + odd)
    for step in range(int(xp.max(squarings)) if 0 not in M.shape else 0):
        flow = xp.where(squarings > step, flow @ flow, flow)
    return flow


def _is_complex(array, xp):
    return xp.isdtype(array.dtype, "complex floating")


def _real_part(array, xp):
    return xp.real(array) if _is_complex(array, xp) else array


def _double(array, xp):
    """Return an array in double precision."""
    return xp.astype(array, xp.complex128 if _is_complex(array, xp) else xp.float64, copy=False)


def _cast(array, dtype, xp):
    """Return an array in the precision of ``dtype``, complex where it is; halves have no complex."""
    if _is_complex(array, xp):
        dtype = "complex128" if dtype == "float64" else "complex64"
    return xp.astype(array, dtype_of(xp, dtype), copy=False)


def _certain_abscissa(A):
    """Return the largest real part of an eigenvalue that rounding does not explain, or 0."""
    n, scale = len(A), power_of_two(A, np)
    A = A / scale
    noise = n * _UNIT * float(np.linalg.norm(A))
    if np.linalg.eigvalsh(0.5 * (A + A.conj().T))[-1] <= noise:
        return np.zeros(())
    values, left, right = scipy.linalg.eig(A, left=True)
    cosines = np.abs(np.sum(left.conj() * right, axis=0))
    moved = noise / np.maximum(cosines, np.finfo(np.float64).tiny)
    return np.max(np.where(values.real > moved, values.real, 0.0)) * scale


def _check_no_pole(hit):
    if hit:
        remedy = "Change dt, or take method='zoh'."
        raise ValueError(
            invalid("dt", "such that dt/2 is not the inverse of an eigenvalue", "a pole", remedy)
        )
