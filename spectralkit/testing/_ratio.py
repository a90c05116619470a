"""Errors as multiples of rounding error."""

import math

import numpy as np

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import eps
from spectralkit._core.random import as_rng


def check_ratio(residual, norm, n, dtype, *, threshold=30):
    """
    Assert that a residual is at the level of rounding error.

    The figure is LAPACK's test ratio, ``residual / (norm * n * eps)``. NumPy's own factorisations stay
    below 6, so the usual threshold of 30 accepts every sound algorithm and no other. Cost: nothing.

    Parameters
    ----------
    residual : float
        Norm of what should be zero, such as ``‖A - QR‖``.
    norm : float
        Norm of the data, in the same norm. For norm 0 the residual must be 0.
    n : int
        Length of the sums behind each element, usually the larger dimension.
    dtype : dtype
        Working precision; of any array library.
    threshold : float, default=30
        Largest ratio that passes.

    Returns
    -------
    float
        The ratio, for a stricter test or a report.

    Raises
    ------
    AssertionError
        If the ratio is above the threshold, or residual or norm is not finite.

    See Also
    --------
    dottest : Test that an operator and its adjoint belong together.

    References
    ----------
    .. [1] E. Anderson et al., "LAPACK Users' Guide", third edition, SIAM, 1999, and its ``TESTING`` folder.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.testing import check_ratio
    >>> A = np.random.default_rng(0).standard_normal((20, 20))
    >>> Q, R = np.linalg.qr(A)
    >>> check_ratio(np.linalg.norm(A - Q @ R), np.linalg.norm(A), 20, A.dtype) < 1
    True
    """
    residual, norm = float(residual), float(norm)
    if not (math.isfinite(residual) and math.isfinite(norm)):
        ratio = math.nan
    elif norm == 0.0:
        ratio = 0.0 if residual == 0.0 else math.inf
    else:
        ratio = residual / norm / (max(n, 1) * eps(dtype))  # in this order nothing underflows
    if not 0 <= ratio <= threshold:  # also true for NaN
        raise AssertionError(
            f"ratio {ratio:.3g} is above the threshold {threshold:g}: "
            f"residual {residual:.3g}, norm {norm:.3g}, n {n}, eps {eps(dtype):.3g}"
        )
    return ratio


def dottest(operator, *, rng=None, threshold=30):
    """
    Assert that the adjoint of a linear operator is its adjoint.

    Random vectors must give ``⟨A u, v⟩ = ⟨u, Aᴴ v⟩`` up to rounding. Every linear operator deserves this
    test first; it costs one product with A and one with its adjoint.

    Parameters
    ----------
    operator : array, sparse matrix or object with ``shape``, ``matvec`` and ``rmatvec``
        The operator of shape `(m, n)`. Its ``dtype``, float64 without one, says whether the vectors are
        complex and how accurate the products have to be.
    rng : None, int or numpy.random.Generator, optional
        Source of the two vectors.
    threshold : float, default=30
        Largest ratio that passes, see :func:`check_ratio`.

    Returns
    -------
    float
        The ratio ``|⟨A u, v⟩ - ⟨u, Aᴴ v⟩| / ((‖A u‖ ‖v‖ + ‖u‖ ‖Aᴴ v‖) max(m, n) eps)``.

    Raises
    ------
    AssertionError
        If the ratio is above the threshold or not a number.
    TypeError
        If ``operator`` has neither the two products nor two dimensions.

    See Also
    --------
    check_ratio : The ratio test behind it.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse.linalg import LinearOperator
    >>> from spectralkit.testing import dottest
    >>> shift = LinearOperator(
    ...     (5, 5), matvec=lambda x: np.roll(x, 1), rmatvec=lambda x: np.roll(x, -1), dtype=float
    ... )
    >>> dottest(shift, rng=0) < 1
    True
    """
    if hasattr(operator, "matvec") and hasattr(operator, "rmatvec"):
        forward, backward = operator.matvec, operator.rmatvec
    elif len(getattr(operator, "shape", ())) == 2:
        forward, backward = operator.__matmul__, operator.conj().T.__matmul__
    else:
        raise TypeError(
            invalid("operator", "a matrix or have matvec and rmatvec", f"type {type(operator).__name__}")
        )
    m, n = operator.shape
    dtype = getattr(operator, "dtype", None)
    dtype = np.result_type(np.float64 if dtype is None else dtype, np.float32)
    rng = as_rng(rng)

    def draw(size):
        vector = rng.standard_normal(size)
        if np.issubdtype(dtype, np.complexfloating):
            vector = vector + 1j * rng.standard_normal(size)
        return vector.astype(dtype)

    u, v = draw(n), draw(m)
    forward_u, backward_v = np.ravel(forward(u)), np.ravel(backward(v))
    residual = abs(np.vdot(v, forward_u) - np.vdot(backward_v, u))
    norm = np.linalg.norm
    scale = norm(forward_u) * norm(v) + norm(u) * norm(backward_v)
    return check_ratio(residual, scale, max(m, n), dtype, threshold=threshold)
