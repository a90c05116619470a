"""Kernels of diagonal state-space models as sums of powers of their modes, and the adjoint."""

import math

import array_api_compat
import numpy as np

from spectralkit._core.arrays import check_out
from spectralkit._core.checks import check_integer, invalid
from spectralkit._core.dtypes import dtype_of
from spectralkit._core.namespaces import array_namespace, is_numpy
from spectralkit.statespace import _vandermonde_numba as compiled
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

# 1 / (2π) as a sum of four doubles: 212 bits and more.
_INVERSE_TURN = (
    0.15915494309189535,
    -9.839338337591243e-18,
    -5.360718141446502e-34,
    4.026781963297056e-50,
)
# Phases per step up to here leave a fraction of a turn with more than 100 bits.
_LARGEST_PHASE = 2.0**100
# Steps fit into 31 bits, so that their products with 32 bits fit into an integer.
_LONGEST = 2**31
_LARGEST_EXPONENT = 709.0


def vandermonde_kernel(log_z, C, length, *, allow_unstable=False, out=None):
    """
    Compute the kernel of a diagonal state-space model, ``2 Re Σ_n C_n exp(log_z_n)^l``.

    This is the impulse response of a model with the modes ``exp(log_z)``. Kernel and convolution are for
    many inputs through a large model; otherwise `diagonal_scan` is the faster way. Costs `O(n length)`,
    4 flops for each mode and step and two exponentials for each 128 steps, and 0.3 MB per thread beyond
    the output, whatever the length. The error is a few units in the last place of Σ|C|, independent of
    the length.

    Parameters
    ----------
    log_z : array of shape (..., n)
        Logarithms of the modes: ``A dt``, real or complex. Imaginary parts up to 2^100 are reduced
        exactly.
    C : array of shape (..., n)
        Weights, real or complex; leading axes broadcast with those of ``log_z``.
    length : int
        Number of time steps l = 0, .., length - 1, at least 1.
    allow_unstable : bool, default=False
        Whether modes may grow: ``Re log_z > 0`` beyond rounding.
    out : array of shape (..., length), optional
        Where to write the result, of its dtype.

    Returns
    -------
    array of shape (..., length)
        The real kernel: float32 where both arguments are of single precision, computed in double.

    Raises
    ------
    ValueError
        If ``length`` is below 1, shapes do not match, values are not finite, or modes grow.
    TypeError
        If arrays are of an unsupported dtype or of different libraries.

    See Also
    --------
    vandermonde_kernel_adjoint : Its vector-Jacobian products.
    causal_convolution : What the kernel is for.
    diagonal_scan : The same model step by step.

    Notes
    -----
    With ``l = q b + r`` and b = 128 the kernel is the product of a table of ``2 C_n z_n^{qb}`` and one of
    ``z_n^r``, real and imaginary parts side by side [1]_. Phases are fractions of a turn in 96-bit fixed
    point, whose product with an integer is exact but for whole turns, so a long kernel loses nothing. b
    does not depend on ``length``: a longer kernel starts with the very bits of a shorter one. Powers
    below 1e-308 are zero.

    References
    ----------
    .. [1] A. Gu, A. Gupta, K. Goel and C. Ré, "On the Parameterization and Initialization of Diagonal
       State Space Models", NeurIPS 2022, arXiv:2206.11893.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import vandermonde_kernel
    >>> vandermonde_kernel([-0.5 + 0.25j * np.pi], [1.0], 3).round(4)
    array([2.    , 0.8578, 0.    ])
    """
    length = check_integer("length", length, 1, _LONGEST)
    xp, (log_z, C), dtypes = as_arrays(log_z=log_z, C=C)
    lead = _check_modes(log_z, C, length, allow_unstable, xp)
    shape, dtype = (*lead, length), dtype_of(xp, real_dtype_name(*dtypes.values()))
    if out is not None:
        check_out(out, shape, dtype, log_z=log_z)
    if not is_numpy(xp):
        result = xp.astype(_generic(log_z, C, length, xp), dtype)
    else:
        # float16 is a stranger to compiled code.
        direct = out is not None and out.flags.c_contiguous and dtype != np.float16
        result = out if direct else np.empty(shape, dtype=np.float32 if dtype == np.float16 else dtype)
        tables = _tables(log_z, C, lead)
        run = faster(compiled.kernel, compiled.kernel_parallel, result.size * tables[0].shape[1])
        run(*tables, result.reshape(math.prod(lead), length))
        result = result.astype(dtype, copy=False)
    if out is None:
        return result
    if out is not result:
        out[...] = result
    return out


def vandermonde_kernel_adjoint(log_z, C, k, *, allow_unstable=False):
    """
    Compute the vector-Jacobian products of `vandermonde_kernel` with a cotangent.

    For a function F whose gradient by the kernel is ``k``, the gradients g: ``dF = Re Σ conj(g) dz``
    for complex z. Costs twice the kernel, in the same memory.

    Parameters
    ----------
    log_z : array of shape (..., n)
        Logarithms of the modes.
    C : array of shape (..., n)
        Weights.
    k : array of shape (..., length)
        Gradient with respect to the kernel, real. Its leading axes broadcast with the others.
    allow_unstable : bool, default=False
        Whether modes may grow.

    Returns
    -------
    grad_log_z : array of shape (..., n)
        Gradient of the shape and dtype of ``log_z``: its real part where that is real.
    grad_C : array of shape (..., n)
        Gradient of the shape and dtype of ``C``. The kernel is linear in C: this is its adjoint.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, or modes grow.
    TypeError
        If ``k`` is complex, or arrays are of an unsupported dtype or of different libraries.

    See Also
    --------
    vandermonde_kernel : The kernel.

    Notes
    -----
    ``grad_C = 2 Σ_l k_l conj(z)^l`` and ``grad_log_z = 2 conj(C) Σ_l l k_l conj(z)^l``, summed panel by
    panel with the tables of the kernel.

    References
    ----------
    .. [1] A. Gu, A. Gupta, K. Goel and C. Ré, "On the Parameterization and Initialization of Diagonal
       State Space Models", NeurIPS 2022, arXiv:2206.11893.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import vandermonde_kernel, vandermonde_kernel_adjoint
    >>> log_z, C, k = np.array([-0.1 + 1j]), np.array([2.0 - 1j]), np.array([1.0, 0.5, -2.0])
    >>> _, grad_C = vandermonde_kernel_adjoint(log_z, C, k)
    >>> bool(np.isclose(np.vdot(grad_C, C).real, vandermonde_kernel(log_z, C, 3) @ k))
    True
    """
    xp, (log_z, C, k), dtypes = as_arrays(real=("k",), log_z=log_z, C=C, k=k)
    check_axis("k", k)
    if not 1 <= k.shape[-1] <= _LONGEST:
        raise ValueError(invalid("k", "of at least one time step", f"shape {tuple(k.shape)}"))
    _check_modes(log_z, C, k.shape[-1], allow_unstable, xp)
    lead = leading_shape(log_z=log_z.shape[:-1], C=C.shape[:-1], k=k.shape[:-1])
    plain, weighted = (_moments if is_numpy(xp) else _generic_moments)(log_z, C, k, lead, xp)
    grad_log_z = 2.0 * xp.conj(xp.astype(C, xp.complex128, copy=False) * weighted)
    grad_C = 2.0 * xp.conj(plain)
    return (
        sum_to(grad_log_z, log_z.shape, dtypes["log_z"], xp),
        sum_to(grad_C, C.shape, dtypes["C"], xp),
    )


def _check_modes(log_z, C, length, allow_unstable, xp):
    """Return the leading shape of modes and weights that match, and whose powers stay finite."""
    check_axis("log_z", log_z)
    check_axis("C", C, log_z.shape[-1], "log_z")
    decay, phase = parts(log_z, xp)
    check_stable("log_z", decay, log_z.dtype, allow_unstable, "of real part at most 0")
    if 0 not in log_z.shape:
        if float(xp.max(decay)) * (length - 1) > _LARGEST_EXPONENT:
            remedy = "Compute fewer steps."
            message = invalid("log_z", "of powers that do not overflow", f"length {length}", remedy)
            raise ValueError(message)
        largest = float(xp.max(xp.abs(phase)))
        if largest > _LARGEST_PHASE:
            remedy = "Reduce it modulo 2π."
            raise ValueError(invalid("log_z", "of imaginary part up to 2^100", largest, remedy))
    return leading_shape(log_z=log_z.shape[:-1], C=C.shape[:-1])


def _turns(phase, xp):
    """
    Return ``phase / 2π`` modulo 1 as a sum of two doubles, to 100 bits after the point.

    Products with the parts of the constant are exact pairs, of which whole turns are dropped; what is
    left is summed with the error of each sum.
    """
    high, low = xp.zeros_like(phase), xp.zeros_like(phase)
    for constant in _INVERSE_TURN:
        for part in _two_product(phase, constant, xp):
            fraction = part - xp.round(part)
            total = high + fraction
            back = total - high
            low = low + ((high - (total - back)) + (fraction - back))
            high = total
    high = high - xp.round(high)
    total = high + low
    return total, low - (total - high)


def _two_product(x, constant, xp):
    """Return the product and its rounding error, after Dekker."""
    product = x * constant
    x_high, x_low = _halves(x)
    high, low = _halves(constant)
    return product, ((x_high * high - product) + x_high * low + x_low * high) + x_low * low


def _halves(x):
    """Split a double into two of 26 bits, after Veltkamp: their products are exact."""
    scaled = 134217729.0 * x
    high = scaled - (scaled - x)
    return high, x - high


def _tables(log_z, C, lead):
    """Return what the compiled loops take, padded with zeros: decay, turns in fixed point, weights."""
    xp = array_namespace(log_z=log_z)
    decay, phase = parts(log_z, xp)
    high, low = _turns(phase, xp)
    # 64 bits in halves of 32 that doubles hold, then 32 below them, with a carry.
    upper = np.floor(high * 2.0**32)
    rest = (high * 2.0**32 - upper) * 2.0**32
    middle = np.floor(rest)
    last = np.rint(((rest - middle) + low * 2.0**64) * 2.0**32).astype(np.int64)
    turn = ((upper.astype(np.int64) << 32) + middle.astype(np.int64) + (last >> 32)).view(np.uint64)
    turn_low = (last & 0xFFFFFFFF).view(np.uint64)
    padding = [(0, 0), (0, -log_z.shape[-1] % compiled.UNROLL)]
    # Below that all powers but the first are zero; products with steps stay finite.
    columns = (np.maximum(decay, -1e3), turn, turn_low, *parts(C, xp))
    return [np.pad(rows(x, lead, x.dtype), padding) for x in columns]


def _moments(log_z, C, k, lead, xp):
    """Return ``Σ_l k_l z^l`` and ``Σ_l l k_l z^l``, complex of shape (..., n)."""
    n, length = log_z.shape[-1], k.shape[-1]
    decay, turn, turn_low = _tables(log_z, C, lead)[:3]
    k = rows(k, lead, np.float64)
    sums = np.zeros((len(k), -(-length // compiled.PANEL), 4, decay.shape[1]))
    run = faster(compiled.moments, compiled.moments_parallel, k.size * decay.shape[1])
    run(decay, turn, turn_low, k, sums)
    sums = np.sum(sums, axis=1)[..., :n].reshape(*lead, 4, n)
    return sums[..., 0, :] + 1j * sums[..., 1, :], sums[..., 2, :] + 1j * sums[..., 3, :]


def _powers(log_z, steps, xp):
    """Return real and imaginary parts of ``exp(log_z)^steps``, float64 of shape (..., n, steps)."""
    decay, phase = parts(log_z, xp)
    high, low = _turns(phase, xp)
    angle = low[..., None] * steps
    # Pieces of 18 bits: their products with steps are exact, and so is what is left without whole turns.
    for bits in (18, 36):
        piece = xp.round(high * 2.0**bits) * 2.0**-bits
        high = high - piece
        product = piece[..., None] * steps
        angle = angle + (product - xp.round(product))
    angle = angle + high[..., None] * steps
    angle = 2.0 * math.pi * (angle - xp.round(angle))
    size = xp.exp(decay[..., None] * steps)
    return size * xp.cos(angle), size * xp.sin(angle)


def _giant_and_baby(log_z, length, xp):
    """Return the powers by whole blocks and those inside a block, each a pair of parts."""
    block = compiled.BLOCK
    baby = xp.astype(xp.arange(block, device=array_api_compat.device(log_z)), xp.float64)
    baby = xp.where(baby < length, baby, 0.0 * baby)  # later powers may overflow
    giant = xp.astype(xp.arange(-(-length // block), device=array_api_compat.device(log_z)), xp.float64)
    return _powers(log_z, block * giant, xp), _powers(log_z, baby, xp)


def _generic(log_z, C, length, xp):
    """Compute the kernel by array operations: one matrix product for each channel."""
    (g, h), (b, d) = _giant_and_baby(log_z, length, xp)
    c, e = (part[..., None] for part in parts(C, xp))
    left = 2.0 * xp.concat([c * g - e * h, -(c * h + e * g)], axis=-2)
    right = xp.concat([b, d], axis=-2)
    kernel = xp.matmul(xp.matrix_transpose(left), right)
    n_blocks, block = kernel.shape[-2:]
    return xp.reshape(kernel, (*kernel.shape[:-2], n_blocks * block))[..., :length]


def _generic_moments(log_z, C, k, lead, xp):
    """Return ``Σ_l k_l z^l`` and ``Σ_l l k_l z^l`` by array operations."""
    block, length = compiled.BLOCK, k.shape[-1]
    (g, h), (b, d) = _giant_and_baby(log_z, length, xp)
    n_blocks = g.shape[-1]
    k = xp.astype(k, xp.float64, copy=False)
    padding = xp.zeros_like(k[..., :1])
    padding = xp.broadcast_to(padding, (*k.shape[:-1], n_blocks * block - length))
    k = xp.reshape(xp.concat([k, padding], axis=-1), (*k.shape[:-1], n_blocks, block))
    sums = []
    steps = xp.astype(xp.arange(block, device=array_api_compat.device(k)), xp.float64)
    starts = block * xp.astype(xp.arange(n_blocks, device=array_api_compat.device(k)), xp.float64)
    b, d = xp.matrix_transpose(b), xp.matrix_transpose(d)
    plain = xp.matmul(k, b), xp.matmul(k, d)
    weighted = [
        xp.matmul(k * steps, part) + starts[:, None] * inside
        for part, inside in zip((b, d), plain, strict=True)
    ]
    for x, y in (plain, weighted):
        x, y = xp.matrix_transpose(x), xp.matrix_transpose(y)
        real, imaginary = xp.sum(g * x - h * y, axis=-1), xp.sum(g * y + h * x, axis=-1)
        sums.append(xp.astype(real, xp.complex128) + 1j * xp.astype(imaginary, xp.complex128))
    return [xp.broadcast_to(total, (*lead, total.shape[-1])) for total in sums]
