"""Diagonal state-space models step by step: outputs, the state to go on from, and the adjoint."""

import math
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from spectralkit._core.dtypes import dtype_of
from spectralkit._core.namespaces import is_numpy
from spectralkit._core.parallel import block_ranges
from spectralkit._core.results import Result
from spectralkit.statespace import _scan_numba as compiled
from spectralkit.statespace._arguments import (
    as_arrays,
    check_axis,
    check_stable,
    faster,
    leading_shape,
    parts,
    real_dtype_name,
    rows,
    sum_to,
)

# Time steps that the generic path holds the states of.
_CHUNK = 4096


@dataclass(frozen=True, repr=False, eq=False)
class ScanResult(Result):
    """
    Outputs of a state-space model, and the state after the last step.

    Unpacks as ``y, state``.

    Attributes
    ----------
    y : array of shape (..., L)
        Outputs, real.
    state : array of shape (..., n)
        State after the last step, complex128 whatever the dtype of the input: passed on as ``x0``, it
        continues without a rounding.
    """

    y: Any
    state: Any

    def __iter__(self):
        return iter((self.y, self.state))


@dataclass(frozen=True, repr=False, eq=False)
class ScanGradients(Result):
    """
    Gradients with respect to the arguments of `diagonal_scan`.

    Each has the shape and the dtype of its argument. For complex ones the gradient g satisfies
    ``dF = Re Σ conj(g) dz``.

    Attributes
    ----------
    A_bar : array of shape (..., n)
        Gradient by the modes.
    B_bar : array of shape (..., n)
        Gradient by the input weights.
    C : array of shape (..., n)
        Gradient by the output weights.
    u : array of shape (..., L)
        Gradient by the inputs.
    D : array or None
        Gradient by the feedthrough; None where there is none.
    x0 : array or None
        Gradient by the first state; None where none was given.
    """

    A_bar: Any
    B_bar: Any
    C: Any
    u: Any
    D: Any
    x0: Any


def diagonal_scan(A_bar, B_bar, C, u, *, D=None, x0=None, allow_unstable=False):
    """
    Run a diagonal state-space model over a signal.

    ``x_t = A_bar x_{t-1} + B_bar u_t`` and ``y_t = 2 Re Σ C x_t + D u_t``: the fastest way from one input
    to its output on a processor, at `O(n L)` per channel, and the one for streams: the state after one
    chunk is the ``x0`` of the next. For NumPy arrays the outputs of chunks are, bit for bit, those of a
    single call. Memory beyond the output is a copy of the model and 8 kB per thread.

    Parameters
    ----------
    A_bar : array of shape (..., n)
        Modes, real or complex, of modulus at most 1.
    B_bar : array of shape (..., n)
        Input weights.
    C : array of shape (..., n)
        Output weights.
    u : array of shape (..., L)
        Inputs, real. All leading axes broadcast.
    D : array of shape (...), optional
        Feedthrough, real.
    x0 : array of shape (..., n), optional
        State before the first step; zero if not given.
    allow_unstable : bool, default=False
        Whether modes may grow: ``|A_bar| > 1`` beyond rounding.

    Returns
    -------
    ScanResult
        Fields ``y`` and ``state``; unpacks as ``y, state``. ``y`` is float32 where all arguments but
        ``x0`` are of single precision; the recurrence runs in double, and ``state`` is complex128.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, or modes grow.
    TypeError
        If ``u`` or ``D`` is complex, or arrays are of an unsupported dtype or of different libraries.

    See Also
    --------
    diagonal_scan_adjoint : Its gradients.
    vandermonde_kernel : The impulse response, with ``log(A_bar)`` and ``B_bar C``.
    discretize : ``A_bar`` and ``B_bar`` from a model in continuous time.

    Notes
    -----
    Complex modes stand for conjugate pairs, hence ``2 Re``; halve C for modes that have no partner.
    Arrays of other libraries take blocks of √L steps at once, for about 2 √L array operations, and agree
    up to rounding; there, cutting into chunks changes rounding errors too.

    References
    ----------
    .. [1] A. Gu, A. Gupta, K. Goel and C. Ré, "On the Parameterization and Initialization of Diagonal
       State Space Models", NeurIPS 2022, arXiv:2206.11893.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import diagonal_scan
    >>> model, u = (np.array([0.5]), np.array([1.0]), np.array([0.5])), np.array([1.0, 0.0, 0.0, 4.0])
    >>> y, _ = diagonal_scan(*model, u)
    >>> y
    array([1.   , 0.5  , 0.25 , 4.125])
    >>> first, state = diagonal_scan(*model, u[:2])
    >>> diagonal_scan(*model, u[2:], x0=state).y
    array([0.25 , 4.125])
    """
    xp, arrays, dtypes = as_arrays(real=("u", "D"), A_bar=A_bar, B_bar=B_bar, C=C, u=u, D=D, x0=x0)
    lead = _check_model(*arrays, allow_unstable, xp)
    dtypes.pop("x0", None)
    dtype = dtype_of(xp, real_dtype_name(*dtypes.values()))
    if not is_numpy(xp):
        y, state = _generic(*arrays, lead, xp)
        return ScanResult(y=xp.astype(y, dtype), state=xp.asarray(state, copy=True))
    A, B, C, u, D, x0 = arrays
    model, state = _grouped((A, B, C), lead), _grouped((_or_zeros(x0, A, xp),), lead)
    u, u_row = _source_rows(u, lead)
    # float16 is a stranger to compiled code.
    y = np.empty((len(model), u.shape[-1]), dtype=np.float32 if dtype == np.float16 else dtype)
    run = faster(compiled.scan, compiled.scan_parallel, u.shape[-1] * state.size)
    run(model, _feedthrough(D, lead), u, u_row, state, y)
    y = y.astype(dtype, copy=False).reshape(*lead, u.shape[-1])
    return ScanResult(y=y, state=_ungrouped(state, lead, A.shape[-1])[0])


def diagonal_scan_adjoint(
    A_bar, B_bar, C, u, y_bar, *, D=None, x0=None, state_bar=None, allow_unstable=False
):
    """
    Compute the gradients of a function of the outputs and the last state of `diagonal_scan`.

    The exact adjoint, by the recurrence backwards in time. Costs `O(n L)`, about four scans; states are
    kept at √L time steps and computed again between them, so memory per thread is some 16 n √L bytes.
    Arrays of other libraries keep all states, some 100 n L bytes per channel.

    Parameters
    ----------
    A_bar : array of shape (..., n)
        Modes.
    B_bar : array of shape (..., n)
        Input weights.
    C : array of shape (..., n)
        Output weights.
    u : array of shape (..., L)
        Inputs.
    y_bar : array of shape (..., L)
        Gradient with respect to the outputs, real. Its leading axes broadcast with the others.
    D : array of shape (...), optional
        Feedthrough.
    x0 : array of shape (..., n), optional
        State before the first step.
    state_bar : array of shape (..., n), optional
        Gradient with respect to the last state; zero if not given.
    allow_unstable : bool, default=False
        Whether modes may grow.

    Returns
    -------
    ScanGradients
        Fields ``A_bar``, ``B_bar``, ``C``, ``u``, ``D`` and ``x0``: gradients of the shape and dtype of
        the arguments, real for real ones, None for those that were not given.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, or modes grow.
    TypeError
        If ``u``, ``y_bar`` or ``D`` is complex, or arrays are of an unsupported dtype or of different
        libraries.

    See Also
    --------
    diagonal_scan : The recurrence.

    Notes
    -----
    ``λ_t = conj(A_bar) λ_{t+1} + 2 conj(C) y_bar_t`` is the gradient by the state ``x_t``. From it follow
    ``Σ λ_t conj(x_{t-1})`` for A_bar, ``Σ λ_t u_t`` for B_bar, ``2 Σ y_bar_t conj(x_t)`` for C and
    ``Re Σ conj(B_bar) λ_t + D y_bar_t`` for u_t.

    References
    ----------
    .. [1] A. Gu, A. Gupta, K. Goel and C. Ré, "On the Parameterization and Initialization of Diagonal
       State Space Models", NeurIPS 2022, arXiv:2206.11893.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import diagonal_scan, diagonal_scan_adjoint
    >>> A, B, C = np.array([0.5 + 0.5j]), np.array([1.0]), np.array([2.0 - 1j])
    >>> u, y_bar = np.array([1.0, -1.0, 3.0]), np.array([2.0, 0.5, 1.0])
    >>> gradients = diagonal_scan_adjoint(A, B, C, u, y_bar)
    >>> bool(np.isclose(gradients.u @ u, diagonal_scan(A, B, C, u).y @ y_bar))
    True
    """
    xp, arrays, dtypes = as_arrays(
        real=("u", "D", "y_bar"), A_bar=A_bar, B_bar=B_bar, C=C, u=u, D=D, x0=x0, y_bar=y_bar,
        state_bar=state_bar,
    )  # fmt: skip
    *arrays, y_bar, state_bar = arrays
    lead = _check_model(*arrays, allow_unstable, xp)
    check_axis("y_bar", y_bar, arrays[3].shape[-1], "u")
    shapes = {"model": lead, "y_bar": y_bar.shape[:-1]}
    if state_bar is not None:
        check_axis("state_bar", state_bar, arrays[0].shape[-1], "A_bar")
        shapes["state_bar"] = state_bar.shape[:-1]
    lead = leading_shape(**shapes)
    run = _adjoint if is_numpy(xp) else _generic_adjoint
    found = run(*arrays, y_bar, _or_zeros(state_bar, arrays[0], xp), lead, xp)
    names = ("A_bar", "B_bar", "C", "u", "D", "x0")
    return ScanGradients(
        **{
            name: None if value is None else sum_to(gradient, value.shape, dtypes[name], xp)
            for name, value, gradient in zip(names, arrays, found, strict=True)
        }
    )


def _check_model(A, B, C, u, D, x0, allow_unstable, xp):
    """Return the shape to which the leading axes of all arguments broadcast."""
    check_axis("A_bar", A)
    n = A.shape[-1]
    check_axis("B_bar", B, n, "A_bar")
    check_axis("C", C, n, "A_bar")
    check_axis("u", u)
    shapes = {"A_bar": A.shape[:-1], "B_bar": B.shape[:-1], "C": C.shape[:-1], "u": u.shape[:-1]}
    if D is not None:
        shapes["D"] = D.shape
    if x0 is not None:
        check_axis("x0", x0, n, "A_bar")
        shapes["x0"] = x0.shape[:-1]
    # The modulus in double: |exp(iθ)| rounded to single may be off by twice as much.
    modulus = xp.hypot(*parts(A, xp))
    check_stable("A_bar", modulus - 1.0, A.dtype, allow_unstable, "of modulus at most 1")
    return leading_shape(**shapes)


def _or_zeros(value, like, xp):
    return xp.zeros_like(like) if value is None else value


def _grouped(values, lead):
    """Return the parts of values as the compiled loops take them: modes in groups, padded with zeros."""
    n, channels, n_parts = values[0].shape[-1], math.prod(lead), 2 * len(values)
    n_groups, lanes = -(-n // compiled.LANES), compiled.LANES
    # Assignments broadcast: for a short chunk of a stream, NumPy's functions would cost more than the scan.
    columns = np.zeros((*lead, n_parts, n_groups * lanes))
    for i, value in enumerate(values):
        columns[..., 2 * i, :n] = value.real
        if value.dtype.kind == "c":
            columns[..., 2 * i + 1, :n] = value.imag
    columns = columns.reshape(channels, n_parts, n_groups, lanes).swapaxes(1, 2)
    return np.ascontiguousarray(columns).reshape(channels, n_groups, n_parts * lanes)


def _ungrouped(groups, lead, n):
    """Return the complex values of such rows, one of shape (..., n) for each two parts."""
    channels, n_groups, width = groups.shape
    n_parts, lanes = width // compiled.LANES, compiled.LANES
    columns = groups.reshape(channels, n_groups, n_parts, lanes).swapaxes(1, 2)
    columns = columns.reshape(*lead, n_parts, n_groups * lanes)[..., :n]
    return [columns[..., i, :] + 1j * columns[..., i + 1, :] for i in range(0, n_parts, 2)]


def _feedthrough(D, lead):
    return rows(np.zeros(1) if D is None else D[..., None], lead, np.float64)


def _source_rows(u, lead):
    """Return signals as rows of a matrix, and the row of each channel: broadcasting copies nothing."""
    flat = np.ascontiguousarray(u).reshape(math.prod(u.shape[:-1]), u.shape[-1])
    index = np.arange(len(flat))
    if u.shape[:-1] != lead:
        index = np.broadcast_to(index.reshape(u.shape[:-1]), lead).reshape(math.prod(lead))
    return flat, np.ascontiguousarray(index)


def _adjoint(A, B, C, u, D, x0, y_bar, state_bar, lead, xp):
    """Return the gradients by A, B, C, u, D and x0, broadcast to all leading axes."""
    n, length = A.shape[-1], u.shape[-1]
    model = _grouped((A, B, C), lead)
    state, adjoint = (_grouped((x,), lead) for x in (_or_zeros(x0, A, xp), state_bar))
    (u, u_row), (y_bar, y_row) = (_source_rows(x.astype(np.float64), lead) for x in (u, y_bar))
    grads, grad_D, grad_u = np.empty_like(model), np.empty(len(model)), np.empty((len(model), length))
    run = faster(compiled.adjoint, compiled.adjoint_parallel, length * state.size)
    run(model, _feedthrough(D, lead), u, u_row, state, y_bar, y_row, adjoint, grads, grad_D, grad_u)
    grad_A, grad_B, grad_C = _ungrouped(grads, lead, n)
    (grad_x0,) = _ungrouped(adjoint, lead, n)
    return grad_A, grad_B, grad_C, grad_u.reshape(*lead, length), grad_D.reshape(lead), grad_x0


def _recurrence(A, drive, x0, xp):
    """
    Return all states ``x_t = A x_{t-1} + drive_t``, of shape (..., L, n), for a drive of that shape.

    In blocks of √L steps: from zero in all blocks at once, then from block to block, then what each block
    inherits. 2 √L array operations in a row.
    """
    length, n = drive.shape[-2:]
    size = max(1, math.isqrt(length))
    n_blocks = -(-length // size)
    shape = (*drive.shape[:-2], n_blocks * size - length, n)
    drive = xp.concat([drive, xp.broadcast_to(xp.zeros_like(drive[..., :1, :]), shape)], axis=-2)
    drive = xp.reshape(drive, (*drive.shape[:-2], n_blocks, size, n))
    A = A[..., None, :]
    inside, powers = [drive[..., 0, :]], [A]
    for t in range(1, size):
        inside.append(A * inside[-1] + drive[..., t, :])
        powers.append(A * powers[-1])
    start, starts = x0, []
    for block in range(n_blocks):
        starts.append(start)
        start = powers[-1][..., 0, :] * start + inside[-1][..., block, :]
    inherited = xp.stack(powers, axis=-2) * xp.stack(starts, axis=-2)[..., None, :]
    states = xp.stack(inside, axis=-2) + inherited
    return xp.reshape(states, (*states.shape[:-3], n_blocks * size, n))[..., :length, :]


def _in_double(A, B, C, u, D, x0, lead, xp):
    """Return arrays as complex128 and float64, inputs and first state with all leading axes."""
    A, B, C = (xp.astype(value, xp.complex128, copy=False) for value in (A, B, C))
    u = xp.broadcast_to(xp.astype(u, xp.float64, copy=False), (*lead, u.shape[-1]))
    if D is None:
        D = xp.zeros((), dtype=xp.float64, device=array_api_compat.device(u))
    D = xp.astype(D, xp.float64, copy=False)
    x0 = xp.astype(_or_zeros(x0, A, xp), xp.complex128, copy=False)
    return A, B, C, u, D, xp.broadcast_to(x0, (*lead, A.shape[-1]))


def _generic(A, B, C, u, D, x0, lead, xp):
    """Run the recurrence by array operations, some thousand steps at a time."""
    A, B, C, u, D, state = _in_double(A, B, C, u, D, x0, lead, xp)
    outputs = [u[..., :0]]
    for start, stop in block_ranges(u.shape[-1], _CHUNK):
        part = u[..., start:stop]
        drive = B[..., None, :] * xp.astype(part, xp.complex128)[..., None]
        states = _recurrence(A, drive, state, xp)
        state = states[..., -1, :]
        outputs.append(2.0 * xp.real(xp.sum(C[..., None, :] * states, axis=-1)) + D[..., None] * part)
    return xp.concat(outputs, axis=-1), state


def _generic_adjoint(A, B, C, u, D, x0, y_bar, state_bar, lead, xp):
    """Return the gradients of ``_adjoint`` by array operations."""
    A, B, C, u, D, x0 = _in_double(A, B, C, u, D, x0, lead, xp)
    y_bar = xp.broadcast_to(xp.astype(y_bar, xp.float64, copy=False), u.shape)
    state_bar = xp.broadcast_to(xp.astype(state_bar, xp.complex128, copy=False), x0.shape)
    length = u.shape[-1]
    if length == 0:
        zeros = (xp.zeros_like(x0) for _ in range(3))
        return *zeros, u, xp.sum(u, axis=-1), xp.asarray(state_bar, copy=True)
    drive, weight = (xp.astype(value, xp.complex128)[..., None] for value in (u, 2.0 * y_bar))
    states = xp.concat([x0[..., None, :], _recurrence(A, B[..., None, :] * drive, x0, xp)], axis=-2)
    pulled = xp.conj(C)[..., None, :] * weight
    last = pulled[..., -1:, :] + state_bar[..., None, :]
    backwards = xp.flip(xp.concat([pulled[..., :-1, :], last], axis=-2), axis=-2)
    adjoint = xp.flip(_recurrence(xp.conj(A), backwards, xp.zeros_like(x0), xp), axis=-2)
    states_conj = xp.conj(states)
    grad_A = xp.sum(adjoint * states_conj[..., :-1, :], axis=-2)
    grad_B = xp.sum(adjoint * drive, axis=-2)
    grad_C = xp.sum(weight * states_conj[..., 1:, :], axis=-2)
    grad_u = xp.real(xp.sum(xp.conj(B)[..., None, :] * adjoint, axis=-1)) + D[..., None] * y_bar
    grad_D = xp.sum(y_bar * u, axis=-1)
    return grad_A, grad_B, grad_C, grad_u, grad_D, xp.conj(A) * adjoint[..., 0, :]
