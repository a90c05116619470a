"""The product with bare twiddle factors."""

import math

from spectralkit._core.arrays import check_out
from spectralkit._core.checks import check_flag, invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace
from spectralkit.structured._arguments import as_twiddle, as_working
from spectralkit.structured._operator import _Factor, _Part


def butterfly_matmul(twiddle, X, *, adjoint=False, out=None):
    """
    Multiply signals by a butterfly matrix that is given by its blocks.

    For single products; a `Butterfly` keeps the tables of the compiled product and is faster from the
    second one on. Cost `O(n log n)` for a signal.

    Parameters
    ----------
    twiddle : array of shape (log2(n), n/2, 2, 2)
        The blocks, as in `Butterfly`.
    X : array of shape (..., n)
        Signals, along the last axis.
    adjoint : bool, default=False
        Whether to multiply by the conjugate transpose.
    out : array of shape (..., n) or None, default=None
        Where to write the products.

    Returns
    -------
    array of shape (..., n)
        The products; ``out`` if it was given.

    Raises
    ------
    ValueError
        If a shape does not match, or the blocks are not finite.
    TypeError
        If libraries are mixed, a dtype is not supported, or ``out`` is no array.

    See Also
    --------
    Butterfly : The operator, with permutations and exact transforms.
    butterfly_gradient : The derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.structured import Butterfly, butterfly_matmul
    >>> butterfly_matmul(Butterfly.hadamard(4).twiddle, np.array([1.0, 2.0, 3.0, 4.0]))
    array([10., -2., -4.,  0.])
    """
    twiddle, _, n = as_twiddle("twiddle", twiddle)
    given = getattr(X, "dtype", None)
    X, xp = as_working("X", X)
    array_namespace(twiddle=twiddle, X=X)
    if X.ndim < 1 or X.shape[-1] != n:
        raise ValueError(invalid("X", f"of shape (..., {n})", f"shape {tuple(X.shape)}"))
    factor = _Factor(twiddle)
    part = _Part((factor.transposed(True) if check_flag("adjoint", adjoint) else factor,))
    dtype = xp.result_type(twiddle, X)
    rows = xp.astype(xp.reshape(X, (math.prod(X.shape[:-1]), n)), dtype, copy=False)
    Y = xp.reshape(part.rows(rows, xp), X.shape)
    half = given is not None and output_dtype_name("X", given) in ("float16", "bfloat16")
    if half and dtype_name(dtype) == "float32":
        Y = xp.astype(Y, dtype_of(xp, output_dtype_name("X", given)))
    if out is None:
        return Y
    check_out(out, Y.shape, Y.dtype, X=X)
    out[...] = Y
    return out
