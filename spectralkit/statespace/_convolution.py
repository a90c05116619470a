"""Causal convolution of signals with kernels, and its adjoint."""

import array_api_compat
import numpy as np
import scipy.fft

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_of
from spectralkit._core.namespaces import from_host, is_numpy, to_host
from spectralkit.statespace._arguments import (
    as_arrays,
    check_axis,
    leading_shape,
    real_dtype_name,
    sum_to,
)

# Kernels up to this length are summed directly: as fast as three transforms, and causal to the bit.
_SHORT = 32
# Powers of two up to this leave room for the products of two sums.
_EXPONENT = 400


def causal_convolution(u, k):
    """
    Convolve signals with kernels that act on the past only, ``y_t = Σ_{s <= t} k_{t-s} u_s``.

    The output of a linear state-space model from its impulse response. Costs `O(L log L)` by real FFTs
    with padding, or `O(L m)` for kernels or signals of at most 32 steps. Errors are a few units in the
    last place of ``norm(u) norm(k)`` by FFT, of ``Σ|k| |u|`` for each step otherwise.

    Parameters
    ----------
    u : array of shape (..., L)
        Signals, real.
    k : array of shape (..., m)
        Kernels, real; leading axes broadcast with those of ``u``. What is longer than L has no effect.

    Returns
    -------
    array of shape (..., L)
        The responses: float32 where both arguments are of single precision, computed in double.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, or ``k`` has no steps.
    TypeError
        If arrays are complex, of an unsupported dtype, or of different libraries.

    See Also
    --------
    causal_convolution_adjoint : Its vector-Jacobian products.
    vandermonde_kernel : Kernels of diagonal models.
    scipy.signal.fftconvolve : Convolution of any kind, with all boundary conditions.

    Notes
    -----
    By FFT the rounding error of a step is relative to all of the signal, later steps included: a signal
    that grows by many orders of magnitude is a case for `diagonal_scan`.

    References
    ----------
    .. [1] A. Gu, K. Goel and C. Ré, "Efficiently Modeling Long Sequences with Structured State Spaces",
       ICLR 2022, arXiv:2111.00396.

    Examples
    --------
    >>> from spectralkit.statespace import causal_convolution
    >>> causal_convolution([1.0, 0.0, 2.0, 0.0], [1.0, 0.5])
    array([1. , 0.5, 2. , 1. ])
    """
    xp, (u, k), dtypes = as_arrays(real=("u", "k"), u=u, k=k)
    _check_shapes(u, k)
    leading_shape(u=u.shape[:-1], k=k.shape[:-1])
    return xp.astype(_convolve(u, k, xp), dtype_of(xp, real_dtype_name(*dtypes.values())))


def causal_convolution_adjoint(y, k, u):
    """
    Compute the vector-Jacobian products of `causal_convolution` with a cotangent.

    The convolution is linear in either argument; this is the adjoint in each. Costs two convolutions.

    Parameters
    ----------
    y : array of shape (..., L)
        Gradient with respect to the responses, real. Its leading axes broadcast with the others.
    k : array of shape (..., m)
        Kernels.
    u : array of shape (..., L)
        Signals.

    Returns
    -------
    grad_u : array of shape (..., L)
        Gradient of the shape and dtype of ``u``, ``Σ_{t >= s} k_{t-s} y_t``.
    grad_k : array of shape (..., m)
        Gradient of the shape and dtype of ``k``, ``Σ_t y_t u_{t-j}``: zero from L on.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, or ``k`` has no steps.
    TypeError
        If arrays are complex, of an unsupported dtype, or of different libraries.

    See Also
    --------
    causal_convolution : The convolution.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import causal_convolution, causal_convolution_adjoint
    >>> u, k, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0]), np.array([0.0, 1.0, 4.0])
    >>> grad_u, grad_k = causal_convolution_adjoint(y, k, u)
    >>> bool(np.isclose(grad_u @ u, causal_convolution(u, k) @ y))
    True
    """
    xp, (y, k, u), dtypes = as_arrays(real=("y", "k", "u"), y=y, k=k, u=u)
    _check_shapes(u, k)
    check_axis("y", y, u.shape[-1], "u")
    lead = leading_shape(y=y.shape[:-1], k=k.shape[:-1], u=u.shape[:-1])
    # The adjoint of a convolution is one with time reversed.
    back = xp.flip(y, axis=-1)
    grad_u = xp.flip(_convolve(back, k, xp), axis=-1)
    grad_k = xp.flip(_convolve(back, u, xp), axis=-1)
    length, kernel_length = u.shape[-1], k.shape[-1]
    if kernel_length <= length:
        grad_k = grad_k[..., :kernel_length]
    else:
        missing = (*grad_k.shape[:-1], kernel_length - length)
        zeros = xp.zeros(missing, dtype=xp.float64, device=array_api_compat.device(u))
        grad_k = xp.concat([grad_k, zeros], axis=-1)
    # Copies: neither read-only nor parts of something larger.
    grad_u, grad_k = (
        xp.asarray(xp.broadcast_to(grad, (*lead, grad.shape[-1])), copy=True) for grad in (grad_u, grad_k)
    )
    return sum_to(grad_u, u.shape, dtypes["u"], xp), sum_to(grad_k, k.shape, dtypes["k"], xp)


def _check_shapes(u, k):
    check_axis("u", u)
    check_axis("k", k)
    if k.shape[-1] == 0:
        raise ValueError(invalid("k", "of at least one time step", f"shape {tuple(k.shape)}"))


def _convolve(u, k, xp):
    """Return the first L steps of the convolution, in double."""
    u, k = (xp.astype(value, xp.float64, copy=False) for value in (u, k))
    length = u.shape[-1]
    k = k[..., : min(length, k.shape[-1])]
    if min(length, k.shape[-1]) <= _SHORT:
        return _direct(u, k, xp)
    size = scipy.fft.next_fast_len(length + k.shape[-1] - 1, real=True)
    fft = scipy.fft if is_numpy(xp) else xp.fft
    (u, u_exponents), (k, k_exponents) = _in_range(u, xp), _in_range(k, xp)
    product = fft.rfft(u, n=size, axis=-1) * fft.rfft(k, n=size, axis=-1)
    y = fft.irfft(product, n=size, axis=-1)[..., :length]
    if u_exponents is None and k_exponents is None:
        return y
    exponents = sum(e for e in (u_exponents, k_exponents) if e is not None)
    # In two steps: either factor is in range.
    for part in (exponents // 2, exponents - exponents // 2):
        y = y * from_host(np.ldexp(1.0, part), xp, y)
    return y


def _in_range(x, xp):
    """Return rows divided by powers of two where products would not be in range, and their exponents."""
    if 0 in x.shape:
        return x, None
    high, low = (to_host(extreme(x, axis=-1, keepdims=True)) for extreme in (xp.max, xp.min))
    exponents = np.frexp(np.maximum(high, -low))[1]
    if np.abs(exponents).max() < _EXPONENT:
        return x, None
    # Not the smallest subnormals: their inverses overflow.
    exponents = np.maximum(exponents, -1000)
    return x * from_host(np.ldexp(1.0, -exponents), xp, x), exponents


def _direct(u, k, xp):
    """Sum shifted copies of the signal; all shapes are those of the result from the first term on."""
    y = u * k[..., :1] if k.shape[-1] else u * xp.sum(k, axis=-1, keepdims=True)
    for s in range(1, k.shape[-1]):
        shifted = xp.concat([xp.zeros_like(u[..., :s]), u[..., :-s]], axis=-1)
        y = y + k[..., s : s + 1] * shifted
    return y
