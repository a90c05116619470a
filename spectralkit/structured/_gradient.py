"""Derivatives of products with butterfly matrices."""

import math

import numpy as np

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_name
from spectralkit._core.namespaces import array_namespace, is_numpy, library_name
from spectralkit.structured._arguments import as_twiddle, as_working
from spectralkit.structured._gradient_numba import backward, forward


def butterfly_gradient(twiddle, X, cotangent):
    """
    Return the derivatives of a product with a butterfly matrix.

    Of ``Re Σ conj(cotangent) Y`` with ``Y = butterfly_matmul(twiddle, X)``: what reverse-mode
    differentiation and training by hand need. Cost `O(n log n)` and as much memory for a signal.

    Parameters
    ----------
    twiddle : array of shape (log2(n), n/2, 2, 2)
        The blocks, as in `Butterfly`.
    X : array of shape (..., n)
        Signals, along the last axis.
    cotangent : array of shape (..., n)
        Derivatives in the products.

    Returns
    -------
    grad_twiddle : array of shape (log2(n), n/2, 2, 2)
        Derivatives in the blocks, summed over signals; for complex ones those in real and imaginary
        parts, as one complex number.
    grad_X : array of shape (..., n)
        Derivatives in the signals.

    Raises
    ------
    ValueError
        If a shape does not match, or the blocks are not finite.
    TypeError
        If an array is not on the host, or of a dtype that is not supported.

    See Also
    --------
    butterfly_matmul : The product.
    butterfly_learn : Uses them.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.structured import Butterfly, butterfly_gradient
    >>> twiddle, x = Butterfly.hadamard(4).twiddle, np.array([1.0, 2.0, 3.0, 4.0])
    >>> grad_twiddle, grad_x = butterfly_gradient(twiddle, x, np.array([1.0, 0.0, 0.0, 0.0]))
    >>> grad_x
    array([1., 1., 1., 1.])
    """
    given = [getattr(value, "dtype", np.float64) for value in (twiddle, X)]
    twiddle, xp, n = as_twiddle("twiddle", twiddle)
    X, _ = as_working("X", X)
    cotangent, _ = as_working("cotangent", cotangent)
    array_namespace(twiddle=twiddle, X=X, cotangent=cotangent)
    if not is_numpy(xp):
        given = f"arrays of {library_name(xp)}"
        raise TypeError(invalid("twiddle", "a NumPy array", given, "Copy them to the host."))
    for name, value in (("X", X), ("cotangent", cotangent)):
        if value.ndim < 1 or value.shape[-1] != n or value.shape != X.shape:
            constraint = f"of shape (..., {n}), X and cotangent alike"
            raise ValueError(invalid(name, constraint, f"shape {value.shape}"))
    dtype = np.result_type(twiddle, X, cotangent)
    rows = (math.prod(X.shape[:-1]), n)
    levels = activations(twiddle.astype(dtype), X.reshape(rows).T.astype(dtype))
    grad, grad_X = gradients(twiddle.astype(dtype), levels, cotangent.reshape(rows).T.astype(dtype))
    grads = grad, np.ascontiguousarray(grad_X.T).reshape(X.shape)
    # A real argument has real derivatives.
    return tuple(
        (g.real if dtype_name(like.dtype).startswith("float") else g).astype(
            "float16" if dtype_name(named) == "float16" else like.dtype
        )
        for g, like, named in zip(grads, (twiddle, X), given, strict=True)
    )


def activations(twiddle, X):
    """Return the input, of shape (n, signals), and what each level makes of it."""
    levels = np.empty((len(twiddle) + 1, *X.shape), dtype=X.dtype)
    levels[0] = X
    for k in range(len(twiddle)):
        forward(twiddle[k], 1 << k, levels[k], levels[k + 1])
    return levels


def gradients(twiddle, levels, cotangent):
    """Return the derivatives in the blocks and in the input."""
    grad = np.empty_like(twiddle)
    cotangent = np.ascontiguousarray(cotangent)
    for k in range(len(twiddle) - 1, -1, -1):
        before = np.empty_like(cotangent)
        backward(twiddle[k], 1 << k, levels[k], cotangent, grad[k], before)
        cotangent = before
    return grad, cotangent
