"""Products with a Kronecker product of matrices that is never formed."""

import math

import array_api_compat

from spectralkit._core.checks import check_flag, invalid
from spectralkit._core.dtypes import dtype_of
from spectralkit.recovery._arguments import as_array, as_factors, as_vectors, common_dtype


def kronecker_matvec(factors, X, *, adjoint=False, out=None):
    """
    Multiply vectors by a Kronecker product of matrices.

    The product ``H = H_1 ⊗ ... ⊗ H_I`` has `M = m_1 ... m_I` rows and `N = n_1 ... n_I` columns and is never
    formed: each factor is multiplied along its own axis. Cost about `O(L max(M, N) max_i(m_i + n_i) I)`
    instead of `O(L M N)`; memory three arrays of the size of the larger side.

    Parameters
    ----------
    factors : sequence of arrays of shape (m_i, n_i), or one such array
        The factors, left to right, real or complex.
    X : array of shape (N,), (N, L) or (n_1, .., n_I)
        One vector, `L` vectors in columns, or one vector as a tensor in C order. For the adjoint `M` and
        the `m_i` take the place of `N` and the `n_i`.
    adjoint : bool, default=False
        Multiply by the conjugate transpose of ``H`` instead.
    out : array of shape (M,), (M, L) or (m_1, .., m_I), optional
        Where to write the product, of its dtype; NumPy and CuPy arrays only.

    Returns
    -------
    array of shape (M,), (M, L) or (m_1, .., m_I)
        The product, shaped as ``X`` is; ``out`` if it was given.

    Raises
    ------
    ValueError
        If a factor is empty or not finite, or shapes do not match.
    TypeError
        If the arrays are of different libraries, or of a dtype that is not supported.

    See Also
    --------
    kronecker_posterior : Bayesian inversion of the product.
    numpy.kron : Forms the product.

    Notes
    -----
    In C order ``np.kron(A, B) @ X.ravel()`` equals ``(A @ X @ B.T).ravel()``. float16 is multiplied in
    float32; entries of ``X`` that are not finite spread as they do in a matrix product.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.recovery import kronecker_matvec
    >>> A, B = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    >>> x = np.array([1.0, 2.0, 3.0, 4.0])
    >>> kronecker_matvec([A, B], x)
    array([ 7., 17.])
    >>> np.kron(A, B) @ x
    array([ 7., 17.])
    """
    X = as_array("X", X)
    factors, xp = as_factors("factors", factors, X=X, out=out)
    adjoint = check_flag("adjoint", adjoint)
    named = {**{f"factors[{i}]": factor for i, factor in enumerate(factors)}, "X": X}
    dtype = common_dtype(named, xp)
    working = dtype_of(xp, "float32" if dtype in ("float16", "bfloat16") else dtype)
    matrices = [xp.astype(factor, working, copy=False) for factor in factors]
    if adjoint:
        matrices = [adjoint_of(matrix, xp) for matrix in matrices]
    sizes = tuple(matrix.shape[1] for matrix in matrices)
    columns = as_vectors("X", X, sizes, f"the {'rows' if adjoint else 'columns'} of the factors")
    product = multiply(matrices, xp.astype(columns, working, copy=False), xp)
    shape = (product.shape[0],)
    if X.ndim > 1:
        shape = tuple(m.shape[0] for m in matrices) if X.shape[0] != columns.shape[0] else product.shape
    product = xp.astype(xp.reshape(product, shape), dtype_of(xp, dtype), copy=False)
    if out is None:
        return product
    if not (array_api_compat.is_numpy_array(out) or array_api_compat.is_cupy_array(out)):
        raise TypeError(invalid("out", "a NumPy or CuPy array", f"type {type(out).__name__}"))
    if array_api_compat.is_numpy_array(out) and not out.flags.writeable:
        raise ValueError(invalid("out", "writeable", "a read-only array"))
    if tuple(out.shape) != tuple(product.shape) or out.dtype != product.dtype:
        constraint = f"of shape {tuple(product.shape)} and dtype {product.dtype}"
        raise ValueError(invalid("out", constraint, f"shape {tuple(out.shape)} and dtype {out.dtype}"))
    out[...] = product
    return out


def multiply(matrices, X, xp):
    """
    Return ``(A_1 ⊗ ... ⊗ A_I) @ X`` for columns ``X`` of shape (N, L).

    Each step contracts the leading axis and puts the new one last, so that it is one matrix product without
    a copy, and the axes are in order again at the end.
    """
    n_columns = X.shape[1]
    for matrix in matrices:
        X = xp.reshape(X, (matrix.shape[1], -1)).T @ matrix.T
    size = math.prod(matrix.shape[0] for matrix in matrices)
    return xp.reshape(X, (size, 1)) if n_columns == 1 else xp.reshape(X, (n_columns, size)).T


def adjoint_of(matrix, xp):
    """Return the conjugate transpose."""
    return xp.conj(matrix).T if xp.isdtype(matrix.dtype, "complex floating") else matrix.T


def outer(vectors, xp):
    """Return the Kronecker product of vectors."""
    product = vectors[0]
    for vector in vectors[1:]:
        product = xp.reshape(product[:, None] * vector[None, :], (-1,))
    return product


def squared_modulus(x, xp):
    """Return the squared moduli of the entries, a real array."""
    if not xp.isdtype(x.dtype, "complex floating"):
        return x * x
    real, imaginary = xp.real(x), xp.imag(x)
    return real * real + imaginary * imaginary
