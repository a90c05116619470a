"""Products with filters about a direction."""

import functools
import math

import numpy as np

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, is_numpy
from spectralkit.equivariant._arguments import (
    as_coefficients,
    as_real,
    as_unit_vectors,
    broadcast_shape,
    check_degree,
    check_range,
    degrees,
)
from spectralkit.equivariant._harmonics import spherical_harmonics
from spectralkit.equivariant._legendre import gauss_legendre, legendre_functions
from spectralkit.equivariant._product import gaunt_tensor_product
from spectralkit.equivariant._rotations import quarter_turn, turn


@np.errstate(invalid="ignore")  # infinity minus infinity
def gaunt_convolution(x, directions, radial, *, lmax_out=None):
    """
    Multiply functions on the sphere with filters that are symmetric about a direction.

    The message of equivariant convolutions: features of a neighbour times harmonics of the direction to it.
    Cost `O(L^3)` for a row.

    Parameters
    ----------
    x : array of shape (..., (lmax + 1)**2)
        Coefficients of real spherical harmonics.
    directions : array of shape (..., 3)
        Vectors, of which only the direction matters.
    radial : array of shape (..., l_filter + 1)
        Factors of the degrees of the filter, which is ``radial_l Y_lm(direction)``.
    lmax_out : int or None, default=None
        Largest degree of the product that is wanted; None for all, ``lmax + l_filter``.

    Returns
    -------
    array of shape (..., (lmax_out + 1)**2)
        Coefficients of the products, in the precision of ``x`` whatever that of the directions and factors;
        leading axes broadcast.

    Raises
    ------
    ValueError
        If a shape does not match, a direction is zero or not finite, ``lmax_out`` is too large, or a factor
        overflows in the precision of ``x``.
    TypeError
        If an array is complex or of a dtype that is not supported, or libraries are mixed.

    See Also
    --------
    gaunt_tensor_product : The product with any function.

    Notes
    -----
    NumPy arrays are multiplied with the coefficients of the filter by `gaunt_tensor_product`. For those of
    other libraries the frame is turned so that the direction becomes the polar axis, where the filter does
    not depend on the angle about it: each order of the function is multiplied by the same values on a
    Gauss-Legendre grid of the polar angle, and no other transform is needed. Then the frame is turned
    back [1]_.

    References
    ----------
    .. [1] S. Passaro and C. L. Zitnick, "Reducing SO(3) convolutions to SO(2) for efficient equivariant
       GNNs", ICML 2023, arXiv:2302.03655.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.equivariant import gaunt_convolution, gaunt_tensor_product, spherical_harmonics
    >>> rng = np.random.default_rng(0)
    >>> x, direction = rng.standard_normal((5, 16)), rng.standard_normal((5, 3))
    >>> filters = spherical_harmonics(2, direction) * np.repeat([1.0, 0.5, 0.2], [1, 3, 5])
    >>> convolved = gaunt_convolution(x, direction, [1.0, 0.5, 0.2])
    >>> np.allclose(convolved, gaunt_tensor_product(x, filters))
    True
    """
    given = getattr(x, "dtype", np.float64)
    x, xp, lmax = as_coefficients("x", x)
    directions, _ = as_unit_vectors("directions", directions)
    radial, _ = as_real("radial", radial)
    if radial.ndim < 1 or radial.shape[-1] < 1:
        raise ValueError(invalid("radial", "of shape (..., l_filter + 1)", f"shape {tuple(radial.shape)}"))
    array_namespace(x=x, directions=directions, radial=radial)
    check_range("radial", radial, x.dtype, xp)
    lmax_filter = radial.shape[-1] - 1
    highest = lmax + lmax_filter
    remedy = "Above lmax + l_filter there is nothing."
    lmax_out = highest if lmax_out is None else check_degree("lmax_out", lmax_out, highest, remedy)
    shape = broadcast_shape(x=(x, 1), directions=(directions, 1), radial=(radial, 1))
    if is_numpy(xp):
        # Compiled products and harmonics are faster than turning frames by array operations. In double
        # precision, as there.
        filters = spherical_harmonics(lmax_filter, directions) * radial[..., degrees(lmax_filter)]
        y = gaunt_tensor_product(x.astype(np.float64), filters, lmax_out=lmax_out)
        return y.astype(output_dtype_name("x", given), copy=False)
    alpha = xp.atan2(directions[..., 1], directions[..., 0])
    across = xp.sqrt(directions[..., 0] ** 2 + directions[..., 1] ** 2)
    beta = xp.atan2(across, directions[..., 2])
    x = xp.broadcast_to(xp.astype(x, xp.float64), (*shape, x.shape[-1]))
    x = _to_pole(x, lmax, alpha, beta, xp)
    y = _zonal_product(x, xp.astype(radial, xp.float64), lmax, lmax_filter, lmax_out, xp)
    y = _from_pole(y, lmax_out, alpha, beta, xp)
    return xp.astype(y, dtype_of(xp, output_dtype_name("x", given)), copy=False)


def _to_pole(x, lmax, alpha, beta, xp):
    span = (0, lmax)
    x = quarter_turn(turn(x, span, -alpha, xp), span, xp)
    return quarter_turn(turn(x, span, -beta, xp), span, xp, back=True)


def _from_pole(x, lmax, alpha, beta, xp):
    span = (0, lmax)
    x = turn(quarter_turn(x, span, xp), span, beta, xp)
    return turn(quarter_turn(x, span, xp, back=True), span, alpha, xp)


def _zonal_product(x, radial, lmax, lmax_filter, lmax_out, xp):
    """Return products with functions of the polar angle alone."""
    P, weighted, zonal = _tables(lmax, lmax_filter, lmax_out)
    values = xp.matmul(radial, from_host(zonal, xp, x))
    rows = [None] * (lmax_out + 1) ** 2
    for m in range(lmax_out + 1):
        for order in (m, -m) if m else (0,):
            if m > lmax:
                parts = [0.0 * x[..., 0]] * (lmax_out + 1 - m)
            else:
                l = np.arange(m, lmax + 1)  # noqa: E741
                part = xp.take(x, from_host(l * l + l + order, xp, x), axis=-1)
                product = xp.matmul(part, from_host(P[m], xp, x)) * values
                product = xp.matmul(product, from_host(weighted[m], xp, x))
                parts = [product[..., k] for k in range(product.shape[-1])]
            for k, part in enumerate(parts):
                l = m + k  # noqa: E741
                rows[l * l + l + order] = part
    return xp.stack(rows, axis=-1)


@functools.lru_cache(maxsize=16)
def _tables(lmax, lmax_filter, lmax_out):
    """Return, by order, Legendre functions to synthesise and to analyse; and those of the filter."""
    nodes, weights = gauss_legendre(lmax + lmax_filter + lmax_out)
    P = legendre_functions(max(lmax, lmax_filter, lmax_out), nodes)
    synthesis = [np.ascontiguousarray(P[m : lmax + 1, m]) for m in range(lmax + 1)]
    analysis = [np.ascontiguousarray((P[m : lmax_out + 1, m] * weights).T) for m in range(lmax_out + 1)]
    # About the pole Y_l0 is P_l0 / √2π, and its value in the direction √((2l + 1) / 4π).
    l = np.arange(lmax_filter + 1.0)  # noqa: E741
    at_pole = np.sqrt((2.0 * l + 1.0) / (4.0 * math.pi))[:, None]
    return synthesis, analysis, at_pole * P[: lmax_filter + 1, 0] / math.sqrt(2.0 * math.pi)
