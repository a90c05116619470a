"""Gaunt tensor products: products of functions on the sphere."""

import functools
import math

import numpy as np

from spectralkit._core.arrays import check_out
from spectralkit._core.checks import check_option, invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, is_numpy
from spectralkit.equivariant._arguments import (
    as_coefficients,
    as_real,
    broadcast_shape,
    check_degree,
    check_range,
    degrees,
)
from spectralkit.equivariant._fourier import TorusTransform
from spectralkit.equivariant._gaunt import gaunt_coefficients
from spectralkit.equivariant._kept import LARGE, kept
from spectralkit.equivariant._octant import OctantGrid
from spectralkit.equivariant._product_numba import sparse_product
from spectralkit.equivariant._sphere_grid import sphere_grid

METHODS = ("sparse", "grid", "fft", "auto")
# What the sparse sum costs for an entry, in units of a multiplication of the grid, and how many of those the
# calls of the grid are worth; as measured on shapes of degree 1 to 16, equal and unequal.
_ENTRY, _CALLS = 1.1, 2000


@np.errstate(invalid="ignore")  # infinity minus infinity
def gaunt_tensor_product(x1, x2, *, lmax_out=None, method="auto", w1=None, w2=None, w3=None, out=None):
    """
    Multiply functions on the sphere that are given by their coefficients.

    The equivariant product of features that equivariant networks and rotation-invariant descriptors are made
    of. Cost for a row `O(L^5)` with "sparse", which is fastest up to about degree 6, and `O(L^3)` with "grid"
    and "fft"; the working memory does not grow with the number of rows. For arrays of other libraries than
    NumPy "sparse" and "grid" are alike, two dense matrices: `O(L^4)` for a row and for the matrices, and the
    memory grows with the rows.

    Parameters
    ----------
    x1 : array of shape (..., (lmax1 + 1)**2)
        Coefficients of real spherical harmonics, in the order of `spherical_harmonics`.
    x2 : array of shape (..., (lmax2 + 1)**2)
        Coefficients of the other functions; leading axes broadcast.
    lmax_out : int or None, default=None
        Largest degree of the product that is wanted; None for all, ``lmax1 + lmax2``.
    method : str, default="auto"
        "sparse": the sum over Gaunt coefficients; "grid": values on a Gauss-Legendre grid; "fft": Fourier
        coefficients in both angles; "auto": the faster of the first two.
    w1, w2, w3 : array of shape (..., lmax + 1) or None, default=None
        Factors for each degree of ``x1``, ``x2`` and the result, which are rounded to its precision.
    out : array of shape (..., (lmax_out + 1)**2) or None, default=None
        Where to write the result.

    Returns
    -------
    array of shape (..., (lmax_out + 1)**2)
        Coefficients of the products, in the wider precision of ``x1`` and ``x2``; ``out`` if it was given.

    Raises
    ------
    ValueError
        If a last axis is no square number, ``lmax_out`` is above ``lmax1 + lmax2``, shapes do not match,
        or a factor overflows in the precision of the coefficients.
    TypeError
        If an array is complex or of a dtype that is not supported, or libraries are mixed.

    See Also
    --------
    GauntTensorProduct : The same with the tables kept.
    gaunt_power : Products of a function with itself.
    gaunt_convolution : Products with a filter about a direction.

    Notes
    -----
    ``y_k = Σ_ij G_ijk x1_i x2_j`` with ``G_ijk = ∫ Y_i Y_j Y_k`` [1]_. All methods are exact up to rounding;
    the grid integrates polynomials of degree ``lmax1 + lmax2 + lmax_out``, and uses the three reflections,
    under which harmonics are even or odd, so that an eighth of it is enough. A product of functions is
    symmetric in both: paths with an odd sum of degrees are absent, such as the cross product of two vectors,
    and this is no replacement of the full Clebsch-Gordan product [2]_. NaN stays in its row.

    References
    ----------
    .. [1] S. Luo, T. Chen and A. S. Krishnapriyan, "Enabling efficient equivariant operations in the Fourier
       basis via Gaunt tensor products", ICLR 2024, arXiv:2401.10216.
    .. [2] Y. Xie, A. Daigavane, M. Kotak and T. Smidt, "The price of freedom: exploring expressivity and
       runtime tradeoffs in equivariant tensor products", ICML 2025, arXiv:2506.13523.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.equivariant import gaunt_tensor_product, spherical_harmonics
    >>> x1, x2 = np.random.default_rng(0).standard_normal((2, 5, 9))
    >>> product = gaunt_tensor_product(x1, x2)
    >>> r = spherical_harmonics(4, [0.6, 0.0, 0.8])
    >>> np.allclose(product @ r, (x1 @ r[:9]) * (x2 @ r[:9]))
    True
    """
    check_option("method", method, METHODS)
    given = [getattr(x, "dtype", np.float64) for x in (x1, x2)]
    x1, xp, lmax1 = as_coefficients("x1", x1)
    x2, _, lmax2 = as_coefficients("x2", x2)
    weights = {name: w for name, w in (("w1", w1), ("w2", w2), ("w3", w3)) if w is not None}
    array_namespace(x1=x1, x2=x2, **weights)
    lmax_out = _degree_out(lmax_out, lmax1 + lmax2)
    dtype = xp.result_type(x1, x2)
    x1 = _weighted("x1", x1, "w1", w1, lmax1, dtype, xp)
    x2 = _weighted("x2", x2, "w2", w2, lmax2, dtype, xp)
    large = method == "sparse" and lmax1 + lmax2 + lmax_out > LARGE
    y = _plan(large, lmax1, lmax2, lmax_out, method, dtype_name(dtype))._multiply(x1, x2, xp)
    y = _weighted("x1 * x2", y, "w3", w3, lmax_out, dtype, xp)
    if any(dtype != y.dtype for dtype in given):
        names = {output_dtype_name("x1", dtype) for dtype in given}
        if len(names) == 1:
            y = xp.astype(y, dtype_of(xp, names.pop()), copy=False)
    if out is None:
        return y
    check_out(out, y.shape, y.dtype, x1=x1)
    out[...] = y
    return out


class GauntTensorProduct:
    """
    A product of functions on the sphere, with the tables that it needs.

    Make it once and call it often. `gaunt_tensor_product` keeps the tables of recent shapes too; this is for
    code that wants to say how long they are kept, and of what precision. They are made at the first call, at
    a cost of `O(L^4)`, with "sparse" `O(L^5)`.

    Parameters
    ----------
    lmax1 : int
        Largest degree of the first functions.
    lmax2 : int
        Largest degree of the second functions.
    lmax_out : int or None, default=None
        Largest degree of the product that is wanted; None for all, ``lmax1 + lmax2``.
    method : str, default="auto"
        "sparse", "grid", "fft" or "auto": see `gaunt_tensor_product`.
    dtype : dtype, default=float64
        Either float32 or float64, to which arguments are converted.

    Attributes
    ----------
    method : str
        The method that is used: never "auto".

    See Also
    --------
    gaunt_tensor_product : The same as a function.

    Notes
    -----
    Calls may run in several threads.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.equivariant import GauntTensorProduct
    >>> product = GauntTensorProduct(2, 2, dtype=np.float32)
    >>> x = np.ones((4, 9), dtype=np.float32)
    >>> product(x, x).shape, product.method
    ((4, 25), 'sparse')
    """

    def __init__(self, lmax1, lmax2, lmax_out=None, *, method="auto", dtype=np.float64):
        check_option("method", method, METHODS)
        self.lmax1, self.lmax2 = check_degree("lmax1", lmax1), check_degree("lmax2", lmax2)
        self.lmax_out = _degree_out(lmax_out, self.lmax1 + self.lmax2)
        self.dtype = dtype_name(dtype)
        check_option("dtype", self.dtype, ("float32", "float64"))
        if method == "auto":
            method = _faster(self.lmax1, self.lmax2, self.lmax_out)
        self.method = method

    def __getstate__(self):
        # Tables are faster made than sent.
        return {name: value for name, value in vars(self).items() if name != "_tables"}

    @functools.cached_property
    def _tables(self):
        lmaxs = (self.lmax1, self.lmax2)
        if self.method == "fft":
            return _torus(lmaxs, self.lmax_out)
        if self.method == "grid":
            return _octant(sum(lmaxs) + self.lmax_out, (*lmaxs, self.lmax_out), self.dtype)
        return _sparse(sum(lmaxs) + self.lmax_out > LARGE, *lmaxs, self.lmax_out, self.dtype)

    @np.errstate(invalid="ignore")
    def __call__(self, x1, x2):
        """
        Multiply functions.

        Parameters
        ----------
        x1 : array of shape (..., (lmax1 + 1)**2)
            Coefficients.
        x2 : array of shape (..., (lmax2 + 1)**2)
            Coefficients; leading axes broadcast.

        Returns
        -------
        array of shape (..., (lmax_out + 1)**2)
            Coefficients of the products.

        Raises
        ------
        ValueError
            If a shape is not that of the degrees.
        TypeError
            If an array is complex or of a dtype that is not supported, or libraries are mixed.
        """
        x1, xp, _ = as_coefficients("x1", x1)
        x2, _, _ = as_coefficients("x2", x2)
        array_namespace(x1=x1, x2=x2)
        for name, x, lmax in (("x1", x1, self.lmax1), ("x2", x2, self.lmax2)):
            if x.shape[-1] != (lmax + 1) ** 2:
                constraint = f"of shape (..., {(lmax + 1) ** 2}) for degree {lmax}"
                raise ValueError(invalid(name, constraint, f"shape {tuple(x.shape)}"))
        return self._multiply(x1, x2, xp)

    def _multiply(self, x1, x2, xp):
        # One product of low degree takes microseconds: what is not needed is not called.
        shape = _leading_axes(x1, x2)
        dtype = dtype_of(xp, self.dtype)
        rows = []
        for x in (x1, x2):
            x = xp.astype(x, dtype, copy=False)
            if tuple(x.shape[:-1]) != shape:
                x = xp.broadcast_to(x, (*shape, x.shape[-1]))
            rows.append(x if x.ndim == 2 else xp.reshape(x, (math.prod(shape), x.shape[-1])))
        y = xp.astype(self._rows(*rows, xp), dtype, copy=False)
        return y if len(shape) == 1 else xp.reshape(y, (*shape, y.shape[-1]))

    def _rows(self, x1, x2, xp):
        if self.method == "fft":
            return self._tables.product(x1, x2, xp)
        if not is_numpy(xp):
            return _on_sphere(x1, x2, (self.lmax1, self.lmax2), self.lmax_out, xp)
        x1, x2 = np.ascontiguousarray(x1), np.ascontiguousarray(x2)
        if self.method == "grid":
            return self._tables.product(x1, x2)
        y = np.empty((len(x1), (self.lmax_out + 1) ** 2), dtype=self.dtype)
        sparse_product(x1, x2, *self._tables, y)
        return y


def _leading_axes(x1, x2):
    """Return the axes of the product but the last."""
    first, second = tuple(x1.shape[:-1]), tuple(x2.shape[:-1])
    if first == second:
        return first
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        found = f"{tuple(x1.shape)} and {tuple(x2.shape)}"
        raise ValueError(invalid("x1 and x2", "of leading axes that broadcast", found)) from None


def _degree_out(lmax_out, highest):
    remedy = "Above lmax1 + lmax2 there is nothing."
    return highest if lmax_out is None else check_degree("lmax_out", lmax_out, highest, remedy)


def _faster(lmax1, lmax2, lmax_out):
    """Return the method with less work: about the number of Gaunt coefficients, or that of the transforms."""
    degree = lmax1 + lmax2 + lmax_out
    n_phi, n_theta = degree // 4 + 1, (degree // 2 + 2) // 2
    sizes = sum((lmax + 1) ** 2 for lmax in (lmax1, lmax2, lmax_out))
    work = 2 * n_phi * n_theta * (2 * degree + 3) + n_theta * sizes
    allowed = _ENTRY * (work + _CALLS)
    entries = 0
    for a in range(lmax1 + 1):
        for b in range(lmax2 + 1):
            for c in range(abs(a - b), min(a + b, lmax_out) + 1, 2):
                entries += (2 * a + 1) * (2 * b + 1) * (2 * c + 1) // (2 * max(a, b, c) + 1)
            if entries > allowed:
                return "grid"
    return "sparse"


def _weighted(of, x, name, w, lmax, dtype, xp):
    """Return coefficients times factors for each degree, which do not widen the dtype of the product."""
    if w is None:
        return x
    w, _ = as_real(name, w)
    if w.ndim < 1 or w.shape[-1] != lmax + 1:
        constraint = f"of shape (..., {lmax + 1}), a factor for each degree"
        raise ValueError(invalid(name, constraint, f"shape {tuple(w.shape)}"))
    broadcast_shape(**{of: (x, 1), name: (w, 1)})
    check_range(name, w, dtype, xp)
    w = xp.astype(w, dtype, copy=False)
    return x * xp.take(w, from_host(degrees(lmax), xp, w), axis=-1)


def _on_sphere(x1, x2, lmaxs, lmax_out, xp):
    """Return products by values on the whole grid, with arrays of any library."""
    degree = sum(lmaxs) + lmax_out
    grid = sphere_grid(degree > LARGE, degree, lmaxs, lmax_out)
    first, second, analysis = (
        xp.astype(from_host(table, xp, x1), x1.dtype) for table in (*grid.synthesis, grid.analysis)
    )
    return xp.matmul(xp.matmul(x1, first) * xp.matmul(x2, second), analysis)


_plan = kept(
    lambda lmax1, lmax2, lmax_out, method, dtype: GauntTensorProduct(
        lmax1, lmax2, lmax_out, method=method, dtype=dtype
    )
)
_octant = functools.lru_cache(maxsize=16)(OctantGrid)
_torus = functools.lru_cache(maxsize=16)(TorusTransform)


@kept
def _sparse(lmax1, lmax2, lmax_out, dtype):
    """Return the pairs of factors, where the entries of each begin, their targets and values."""
    indices, values = gaunt_coefficients(lmax1, lmax2, lmax_out)
    pairs, start = np.unique(indices[:, :2], axis=0, return_index=True)
    return pairs, np.append(start, len(values)), indices[:, 2].copy(), values.astype(dtype)
