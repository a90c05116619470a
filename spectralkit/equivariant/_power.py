"""Powers of functions on the sphere."""

import functools
import math

import numpy as np

from spectralkit._core.checks import check_integer
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name
from spectralkit._core.namespaces import from_host, is_numpy
from spectralkit.equivariant._arguments import as_coefficients, check_degree
from spectralkit.equivariant._kept import LARGE
from spectralkit.equivariant._octant import OctantGrid
from spectralkit.equivariant._product import gaunt_tensor_product
from spectralkit.equivariant._sphere_grid import sphere_grid

# Powers of degree up to here are repeated products, as measured.
_BY_PRODUCTS = 12


@np.errstate(invalid="ignore")  # infinity minus infinity
def gaunt_power(x, nu, *, lmax_out=None):
    """
    Raise functions on the sphere to a power.

    The many-body products of descriptors and of equivariant networks: from one pass over a grid, where
    repeated tensor products would take ``nu - 1``, or from those where they are faster, for squares and low
    degrees. Cost `O((nu L)^3)` for a row; for arrays of other libraries than NumPy `O((nu L)^4)`, and memory
    that grows with the rows.

    Parameters
    ----------
    x : array of shape (..., (lmax + 1)**2)
        Coefficients of real spherical harmonics.
    nu : int
        The power, at least 1.
    lmax_out : int or None, default=None
        Largest degree of the power that is wanted; None for all, ``nu * lmax``.

    Returns
    -------
    array of shape (..., (lmax_out + 1)**2)
        Coefficients of the powers.

    Raises
    ------
    ValueError
        If the last axis is no square number, ``nu`` is below 1, or ``lmax_out`` is above ``nu * lmax``.
    TypeError
        If ``x`` is complex or of a dtype that is not supported.

    See Also
    --------
    gaunt_tensor_product : Products of different functions.

    Notes
    -----
    The grid integrates polynomials of degree ``nu * lmax + lmax_out``, so that the coefficients are exact up
    to rounding [1]_.

    References
    ----------
    .. [1] S. Luo, T. Chen and A. S. Krishnapriyan, "Enabling efficient equivariant operations in the Fourier
       basis via Gaunt tensor products", ICLR 2024, arXiv:2401.10216.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.equivariant import gaunt_power, gaunt_tensor_product
    >>> x = np.random.default_rng(0).standard_normal((5, 9))
    >>> cube = gaunt_tensor_product(x, gaunt_tensor_product(x, x))
    >>> np.allclose(gaunt_power(x, 3), cube)
    True
    """
    given = getattr(x, "dtype", np.float64)
    x, xp, lmax = as_coefficients("x", x)
    nu = check_integer("nu", nu, 1)
    remedy = "Above nu * lmax there is nothing."
    lmax_out = nu * lmax if lmax_out is None else check_degree("lmax_out", lmax_out, nu * lmax, remedy)
    shape = tuple(x.shape[:-1])
    rows = xp.reshape(x, (math.prod(shape), x.shape[-1]))
    if is_numpy(xp) and nu > 1 and (nu == 2 or nu * lmax <= _BY_PRODUCTS):
        y = rows
        for k in range(2, nu + 1):
            y = gaunt_tensor_product(y, rows, lmax_out=lmax_out if k == nu else k * lmax)
    elif is_numpy(xp):
        grid = _octant(nu * lmax + lmax_out, lmax, lmax_out, dtype_name(x.dtype))
        y = grid.power(np.ascontiguousarray(rows), nu)
    else:
        degree = nu * lmax + lmax_out
        grid = sphere_grid(degree > LARGE, degree, (lmax,), lmax_out)
        synthesis, analysis = (
            xp.astype(from_host(table, xp, x), x.dtype) for table in (*grid.synthesis, grid.analysis)
        )
        y = xp.matmul(xp.matmul(rows, synthesis) ** nu, analysis)
    y = xp.astype(y, dtype_of(xp, output_dtype_name("x", given)), copy=False)
    return xp.reshape(y, (*shape, (lmax_out + 1) ** 2))


@functools.lru_cache(maxsize=16)
def _octant(degree, lmax, lmax_out, dtype):
    return OctantGrid(degree, (lmax, lmax_out), dtype)
