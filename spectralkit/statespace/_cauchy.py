"""Cauchy kernels: diagonal state-space models on the imaginary axis, and the adjoint."""

import math

import numpy as np

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_of
from spectralkit._core.namespaces import is_numpy
from spectralkit._core.parallel import block_ranges
from spectralkit.statespace import _cauchy_numba as compiled
from spectralkit.statespace._arguments import (
    as_arrays,
    check_axis,
    faster,
    leading_shape,
    parts,
    real_dtype_name,
    rows,
    sum_to,
)

# Elements of a block of the generic path.
_BLOCK_ELEMENTS = 2**22
# Scalar operations for each pole and point.
_OPERATIONS = 20


def cauchy_kernel(v, z, w):
    """
    Compute ``Σ_n v_n / (iz - w_n) + conj(v_n) / (iz - conj(w_n))``.

    The transfer function at the frequencies z of a real system whose poles are ``w`` and their
    conjugates. Costs `O(n L)` with one division for both terms; the memory is that of the result. Errors
    are a few units in the last place of the sum of the moduli of all terms, next to a pole as anywhere,
    and at any scale up to 1e307.

    Parameters
    ----------
    v : array of shape (..., n)
        Residues, real or complex.
    z : array of shape (L,)
        Frequencies, real.
    w : array of shape (..., n)
        Poles, real or complex; leading axes broadcast with those of ``v``.

    Returns
    -------
    array of shape (..., L)
        The complex kernel: complex64 where all arguments are of single precision, computed in double. A
        point that hits a pole gives NaN.

    Raises
    ------
    ValueError
        If shapes do not match, or values are not finite.
    TypeError
        If ``z`` is complex, or arrays are of an unsupported dtype or of different libraries.

    See Also
    --------
    cauchy_kernel_adjoint : Its vector-Jacobian products.
    vandermonde_kernel : The same model in time.

    Notes
    -----
    Both differences are scaled by powers of two before they are squared, so nothing overflows on the way.
    The pair could be put over one real quadratic ``s² - 2 s Re w + |w|²`` [1]_, which cancels near a
    pole; its two factors do not. A real pole counts twice, as its own conjugate.

    References
    ----------
    .. [1] A. Gu, K. Goel and C. Ré, "Efficiently Modeling Long Sequences with Structured State Spaces",
       ICLR 2022, arXiv:2111.00396.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import cauchy_kernel
    >>> cauchy_kernel([0.5], [0.0, 1.0], [-1.0])  # 1 / (1 + iz)
    array([1. +0.j , 0.5-0.5j])
    """
    xp, (v, z, w), dtypes = as_arrays(real=("z",), v=v, z=z, w=w)
    lead = _check_shapes(v, z, w)
    single = real_dtype_name(*dtypes.values()) != "float64"
    dtype = dtype_of(xp, "complex64" if single else "complex128")
    if not is_numpy(xp):
        return xp.astype(_generic(v, z, w, lead, xp), dtype)
    result = np.empty((*lead, len(z)), dtype=dtype)
    columns = [rows(x, lead, np.float64) for pair in (parts(v, xp), parts(w, xp)) for x in pair]
    run = faster(compiled.kernel, compiled.kernel_parallel, _OPERATIONS * columns[0].size * len(z))
    flat = result.reshape(math.prod(lead), len(z)).view(np.float32 if single else np.float64)
    run(*columns, np.ascontiguousarray(z, dtype=np.float64), flat)
    return result


def cauchy_kernel_adjoint(v, z, w, k):
    """
    Compute the vector-Jacobian products of `cauchy_kernel` with a cotangent.

    For a function F whose gradient by the kernel is ``k``, the gradients g: ``dF = Re Σ conj(g) dv``, and
    the same for w. Costs `O(n L)`, twice the kernel.

    Parameters
    ----------
    v : array of shape (..., n)
        Residues.
    z : array of shape (L,)
        Frequencies, real.
    w : array of shape (..., n)
        Poles.
    k : array of shape (..., L)
        Gradient with respect to the kernel. Its leading axes broadcast with the others.

    Returns
    -------
    grad_v : array of shape (..., n)
        Gradient of the shape and dtype of ``v``: its real part where that is real. The kernel is linear
        in v over the real numbers: this is its adjoint.
    grad_w : array of shape (..., n)
        Gradient of the shape and dtype of ``w``.

    Raises
    ------
    ValueError
        If shapes do not match, or values are not finite.
    TypeError
        If ``z`` is complex, or arrays are of an unsupported dtype or of different libraries.

    See Also
    --------
    cauchy_kernel : The kernel.

    Notes
    -----
    With ``p = 1 / (iz - w)`` and ``q = 1 / (iz - conj(w))`` it is ``grad_v = Σ k conj(p) + conj(k) q``
    and ``grad_w = conj(v) Σ k conj(p)² + conj(k) q²``.

    References
    ----------
    .. [1] A. Gu, K. Goel and C. Ré, "Efficiently Modeling Long Sequences with Structured State Spaces",
       ICLR 2022, arXiv:2111.00396.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import cauchy_kernel, cauchy_kernel_adjoint
    >>> v, z, w, k = np.array([1 - 2j]), np.array([0.0, 1.0]), np.array([-1 + 3j]), np.array([1j, 2.0])
    >>> grad_v, _ = cauchy_kernel_adjoint(v, z, w, k)
    >>> bool(np.isclose(np.vdot(grad_v, v).real, np.vdot(k, cauchy_kernel(v, z, w)).real))
    True
    """
    xp, (v, z, w, k), dtypes = as_arrays(real=("z",), v=v, z=z, w=w, k=k)
    lead = _check_shapes(v, z, w)
    check_axis("k", k, z.shape[0], "z")
    lead = leading_shape(**{"v and w": lead, "k": k.shape[:-1]})
    # Of conj(g), whose conjugate is taken once.
    plain, squared = (_moments if is_numpy(xp) else _generic_moments)(w, z, k, lead, xp)
    grad_w = xp.conj(xp.astype(v, xp.complex128, copy=False) * squared)
    return sum_to(xp.conj(plain), v.shape, dtypes["v"], xp), sum_to(grad_w, w.shape, dtypes["w"], xp)


def _check_shapes(v, z, w):
    if z.ndim != 1:
        raise ValueError(invalid("z", "of shape (L,)", f"shape {tuple(z.shape)}"))
    check_axis("v", v)
    check_axis("w", w, v.shape[-1], "v")
    return leading_shape(v=v.shape[:-1], w=w.shape[:-1])


def _moments(w, z, k, lead, xp):
    """Return ``Σ conj(k) p + k conj(q)`` and ``Σ conj(k) p² + k conj(q)²``, complex of shape (..., n)."""
    k_parts, w_parts = ([rows(x, lead, np.float64) for x in parts(value, xp)] for value in (k, w))
    n = w.shape[-1]
    sums = np.zeros((len(k_parts[0]), -(-len(z) // compiled.TILE), 4, n))
    run = faster(compiled.moments, compiled.moments_parallel, _OPERATIONS * k_parts[0].size * n)
    run(*w_parts, np.ascontiguousarray(z, dtype=np.float64), *k_parts, sums)
    sums = np.sum(sums, axis=1).reshape(*lead, 4, n)
    return sums[..., 0, :] + 1j * sums[..., 1, :], sums[..., 2, :] + 1j * sums[..., 3, :]


def _reciprocals(z, w, xp):
    """Return ``1 / (iz - w)`` and ``1 / (iz - conj(w))`` of shape (..., n, L)."""
    iz = 1j * xp.astype(z, xp.complex128)
    w = xp.astype(w, xp.complex128, copy=False)[..., None]
    return 1.0 / (iz - w), 1.0 / (iz - xp.conj(w))


def _point_blocks(w, z, lead):
    size = max(1, _BLOCK_ELEMENTS // max(1, math.prod(lead) * w.shape[-1]))
    return list(block_ranges(z.shape[0], size)) or [(0, 0)]


def _generic(v, z, w, lead, xp):
    """Compute the kernel by array operations, some points at a time."""
    v = xp.astype(v, xp.complex128, copy=False)[..., None]
    blocks = []
    for start, stop in _point_blocks(w, z, lead):
        p, q = _reciprocals(z[start:stop], w, xp)
        blocks.append(xp.sum(v * p + xp.conj(v) * q, axis=-2))
    return xp.concat(blocks, axis=-1)


def _generic_moments(w, z, k, lead, xp):
    """Return the moments of ``_moments`` by array operations."""
    k = xp.astype(k, xp.complex128, copy=False)[..., None, :]
    plain = squared = 0.0
    for start, stop in _point_blocks(w, z, lead):
        p, q = _reciprocals(z[start:stop], w, xp)
        part = k[..., start:stop]
        plain = xp.sum(xp.conj(part) * p + part * xp.conj(q), axis=-1) + plain
        squared = xp.sum(xp.conj(part) * p**2 + part * xp.conj(q) ** 2, axis=-1) + squared
    shape = (*lead, w.shape[-1])
    return xp.broadcast_to(plain, shape), xp.broadcast_to(squared, shape)
