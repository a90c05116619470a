"""Products with chains of Kronecker-sparse factors, such as Monarch matrices."""

import math

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace
from spectralkit.structured._arguments import as_working, check_finite

# Up to so many columns a block is applied column by column, on whole arrays.
_SMALL = 4


def ks_matmul(values, X):
    """
    Multiply signals by a chain of Kronecker-sparse factors.

    A factor with values of shape (a, b, c, d) is a matrix of a·b·d rows and a·c·d columns whose pattern
    is ``I_a ⊗ 1_(b x c) ⊗ I_d``: a butterfly level is (n/2^(k+1), 2, 2, 2^k), a Monarch matrix a chain
    of two. Cost `O(a b c d)` for each factor and signal.

    Parameters
    ----------
    values : list of arrays of shape (a, b, c, d)
        The factors, applied first to last.
    X : array of shape (..., n)
        Signals, along the last axis.

    Returns
    -------
    array of shape (..., m)
        The products.

    Raises
    ------
    ValueError
        If a shape does not match, or a factor is not finite.
    TypeError
        If libraries are mixed, or a dtype is not supported.

    See Also
    --------
    Butterfly : Chains of levels of a power of two.

    Notes
    -----
    ``y[i, r, k] = Σ_s values[i, r, s, k] x[i, s, k]``, with an entry of a signal at the place
    ``(i * c + s) * d + k`` [1]_.

    References
    ----------
    .. [1] A. Gonon, L. Zheng, P. Carrivain and Q.-T. Le, "Fast inference with Kronecker-sparse matrices",
       ICML 2025, arXiv:2405.15013.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.structured import ks_matmul
    >>> rng = np.random.default_rng(0)
    >>> monarch = [rng.standard_normal((4, 3, 3, 1)), rng.standard_normal((1, 4, 4, 3))]
    >>> ks_matmul(monarch, rng.standard_normal((10, 12))).shape
    (10, 12)
    """
    given = getattr(X, "dtype", None)
    X, xp = as_working("X", X)
    try:
        values = iter(values)
    except TypeError:
        constraint = "a list of arrays of shape (a, b, c, d)"
        raise TypeError(invalid("values", constraint, f"type {type(values).__name__}")) from None
    values = [as_working(f"values[{i}]", factor)[0] for i, factor in enumerate(values)]
    if not values:
        raise ValueError(invalid("values", "a list of at least one factor", "an empty list"))
    array_namespace(X=X, **{f"values[{i}]": factor for i, factor in enumerate(values)})
    if X.ndim < 1:
        raise ValueError(invalid("X", "of shape (..., n)", f"shape {tuple(X.shape)}"))
    lead = tuple(X.shape[:-1])
    rows = xp.reshape(X, (math.prod(lead), X.shape[-1]))
    for index, factor in enumerate(values):
        name = f"values[{index}]"
        if factor.ndim != 4 or 0 in factor.shape:
            raise ValueError(invalid(name, "of shape (a, b, c, d)", f"shape {tuple(factor.shape)}"))
        check_finite(name, factor, xp)
        a, _, c, d = factor.shape
        if rows.shape[-1] != a * c * d:
            constraint = f"a factor of {rows.shape[-1]} columns"
            raise ValueError(invalid(name, constraint, f"shape {tuple(factor.shape)}: {a * c * d} columns"))
        rows = _apply(factor, rows, xp)
    Y = xp.reshape(rows, (*lead, rows.shape[-1]))
    if given is not None and dtype_name(Y.dtype) == "float32":
        name = output_dtype_name("X", given)
        Y = xp.astype(Y, dtype_of(xp, name), copy=False) if name in ("float16", "bfloat16") else Y
    return Y


def _apply(factor, rows, xp):
    a, b, c, d = factor.shape
    dtype = xp.result_type(factor, rows)
    factor, rows = xp.astype(factor, dtype, copy=False), xp.astype(rows, dtype, copy=False)
    signals = xp.reshape(rows, (rows.shape[0], a, c, d))
    if c <= _SMALL:
        product = factor[:, :, 0, :] * signals[:, :, None, 0, :]
        for s in range(1, c):
            product = product + factor[:, :, s, :] * signals[:, :, None, s, :]
    else:
        # A matrix product for each of the a·d blocks.
        blocks = xp.permute_dims(factor, (0, 3, 1, 2))
        product = xp.matmul(blocks, xp.permute_dims(signals, (1, 3, 2, 0)))
        product = xp.permute_dims(product, (3, 0, 2, 1))
    return xp.reshape(product, (rows.shape[0], a * b * d))
