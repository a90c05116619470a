"""Tensor products of orthonormal polynomials."""

import itertools
import math

import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import check_integer, check_option, invalid
from spectralkit._core.dtypes import dtype_of, output_dtype_name, working_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, is_numpy
from spectralkit._core.random import as_rng
from spectralkit.sampling._dpp_numba import tensor_products
from spectralkit.sampling._families import as_family

INDEX_SETS = ("total_degree", "hyperbolic_cross", "tensor")


class TensorPolynomialBasis:
    """
    Products of univariate polynomials, orthonormal in a product of probability measures.

    The basis of polynomial surrogates in several variables: each function is a product of one orthonormal
    polynomial for each coordinate, and an index set says which products are in. Evaluation costs one
    multiplication for each function and point, `O(n (m + d degree))`.

    Parameters
    ----------
    families : str, tuple or list of them
        "legendre" (uniform on [-1, 1]), "chebyshev" (arcsine on [-1, 1]), "hermite" (standard normal),
        "laguerre" (exponential of mean 1) or ("jacobi", a, b) (density proportional to
        ``(1 - x)^a (1 + x)^b``, a and b above -1). One for all coordinates, or a list with one for each.
    degree : int
        Degree of the index set; ignored with an array of indices.
    n_dims : int, optional
        Number of coordinates, d; by default the length of the list, or 1.
    index_set : str or array of int of shape (m, d), default="total_degree"
        "total_degree": the sum of the degrees is at most ``degree``; "hyperbolic_cross": the product of the
        degrees plus one is at most ``degree + 1``; "tensor": each is at most ``degree``. Or the degrees of
        each function, a set with every index below each of its own (downward closed).

    Attributes
    ----------
    multi_indices : array of int of shape (m, d)
        Degrees of the functions, in graded lexicographic order, the constant first.
    n_features : int
        Number of functions, m.
    n_dims : int
        Number of coordinates, d.
    support : array of shape (2, d)
        Smallest and largest point of the measure in each coordinate.

    Raises
    ------
    ValueError
        If a family or an index set is unknown, the indices are not downward closed, or a number is out of
        range.

    See Also
    --------
    sample_dpp : Points that suit a basis, as many as it has functions.
    OptimalWeightedLeastSquares : Fits a function in a basis.

    Notes
    -----
    With ``x p_n = b_{n+1} p_{n+1} + a_n p_n + b_n p_{n-1}`` for each family, all polynomials have positive
    leading coefficients and norm 1. Hermite and Laguerre polynomials grow fast: beyond degree 250 they
    overflow at points far outside. Sampling does not evaluate them, and has no such limit.

    References
    ----------
    .. [1] W. Gautschi, "Orthogonal Polynomials: Computation and Approximation", Oxford University Press,
       2004.

    Examples
    --------
    >>> from spectralkit.sampling import TensorPolynomialBasis
    >>> basis = TensorPolynomialBasis("legendre", 2, n_dims=2)
    >>> basis.multi_indices.tolist()
    [[0, 0], [0, 1], [1, 0], [0, 2], [1, 1], [2, 0]]
    >>> basis.evaluate([[1.0, 1.0]]).round(3)
    array([[1.   , 1.732, 1.732, 2.236, 3.   , 2.236]])
    """

    def __init__(self, families, degree, *, n_dims=None, index_set="total_degree"):
        explicit = not isinstance(index_set, str)
        if explicit:
            try:
                index_set = np.asarray(index_set)
            except ValueError:  # rows of different lengths
                index_set = np.empty(0)
        if n_dims is not None:
            n_dims = check_integer("n_dims", n_dims, 1)
        if isinstance(families, list):
            given = [as_family(f"families[{i}]", family) for i, family in enumerate(families)]
            if not given or n_dims not in (None, len(given)):
                constraint = f"a list of {n_dims or 'at least one'}, a family for each coordinate"
                raise ValueError(invalid("families", constraint, f"{len(given)} of them"))
            self._families = tuple(given)
        else:
            family = as_family("families", families)
            if n_dims is None:
                n_dims = index_set.shape[1] if explicit and index_set.ndim == 2 else 1
            self._families = (family,) * n_dims
        d = len(self._families)
        if explicit:
            self.multi_indices = _checked_indices(index_set, d)
        else:
            check_option("index_set", index_set, INDEX_SETS)
            self.multi_indices = _index_set(index_set, check_integer("degree", degree, 0), d)
        self._parent, self._column, self._degrees = _products(self.multi_indices)

    @property
    def n_features(self):
        """Number of functions."""
        return len(self.multi_indices)

    @property
    def n_dims(self):
        """Number of coordinates."""
        return len(self._families)

    @property
    def support(self):
        """Smallest and largest point of the measure in each coordinate."""
        return np.array([family.support for family in self._families]).T

    def evaluate(self, X):
        """
        Evaluate all functions.

        Parameters
        ----------
        X : array of shape (n, d)
            Points; outside of the support too.

        Returns
        -------
        array of shape (n, m)
            Values, in the dtype of ``X``; computed in double precision.
        """
        X, dtype, xp = self._points(X)
        if is_numpy(xp):
            tables = [family.table(X[:, i], int(k)) for i, family, k in self._coordinates()]
            values = self._product_of_tables(np.concatenate(tables, axis=1))
        else:
            columns = [family.evaluate(X[:, i], int(k), xp) for i, family, k in self._coordinates()]
            values = self._product(columns, xp)
        return xp.astype(values, dtype, copy=False)

    def gradient(self, X):
        """
        Evaluate the derivatives of all functions.

        Parameters
        ----------
        X : array of shape (n, d)
            Points; outside of the support too.

        Returns
        -------
        array of shape (n, m, d)
            Partial derivatives with respect to each coordinate, in the dtype of ``X``.
        """
        X, dtype, xp = self._points(X)
        values = [family.evaluate(X[:, i], int(k), xp) for i, family, k in self._coordinates()]
        partial = []
        for i, family, _ in self._coordinates():
            columns = list(values)
            columns[i] = family.differentiate(X[:, i], values[i], xp)
            partial.append(self._product_of_all([xp.stack(column, axis=1) for column in columns], xp))
        return xp.astype(xp.stack(partial, axis=-1), dtype, copy=False)

    def sample_measure(self, n, rng=None):
        """
        Draw points from the measure in which the basis is orthonormal.

        Parameters
        ----------
        n : int
            Number of points.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness.

        Returns
        -------
        array of shape (n, d)
            Independent points.
        """
        n, rng = check_integer("n", n, 1), as_rng(rng)
        return np.stack([family.measure(n, rng) for family in self._families], axis=1)

    def __repr__(self):
        names = {family.name for family in self._families}
        size = f"{self.n_dims} dimensions, {self.n_features} functions"
        return f"TensorPolynomialBasis({', '.join(sorted(names))}; {size})"

    def _coordinates(self):
        return zip(range(self.n_dims), self._families, self._degrees, strict=True)

    def _points(self, X):
        """Return points in double precision, the dtype in which values come back, and the namespace."""
        X = as_numbers("X", X)
        working_dtype_name("X", X.dtype, allow_complex=False)
        name = output_dtype_name("X", X.dtype)
        if X.ndim != 2 or X.shape[1] != self.n_dims:
            remedy = "One row a point, one column a coordinate."
            raise ValueError(invalid("X", f"of shape (n, {self.n_dims})", f"shape {tuple(X.shape)}", remedy))
        xp = array_namespace(X=X)
        X = xp.astype(X, xp.float64)
        if not bool(xp.all(xp.isfinite(X))):
            raise ValueError(invalid("X", "finite", "NaN or infinity", "Drop those rows."))
        return X, dtype_of(xp, name), xp

    def _product(self, columns, xp):
        """Return the functions from lists of the values of univariate ones, by coordinate."""
        tables = xp.stack([column for values in columns for column in values], axis=1)
        product = tables[:, :1]
        # Functions of one total degree at a time: their parents have smaller ones.
        totals = np.sum(self.multi_indices, axis=1)
        bounds = np.searchsorted(totals, np.arange(1, totals[-1] + 2))
        for start, stop in itertools.pairwise(bounds):
            parent = from_host(self._parent[start:stop], xp, tables)
            column = from_host(self._column[start:stop], xp, tables)
            more = xp.take(product, parent, axis=1) * xp.take(tables, column, axis=1)
            product = xp.concat([product, more], axis=1)
        return product

    def _product_of_all(self, tables, xp):
        """Return products of columns where those of degree zero are not 1, so that parents do not serve."""
        product = None
        for table, degrees in zip(tables, self.multi_indices.T, strict=True):
            factor = xp.take(table, from_host(np.ascontiguousarray(degrees), xp, table), axis=1)
            product = factor if product is None else product * factor
        return product

    def _product_of_tables(self, tables):
        out = np.empty((len(tables), self.n_features))
        tensor_products(tables, self._parent, self._column, out)
        return out

    def _directions(self, X):
        """Return unit vectors in the directions of the functions' values at points on the host."""
        bounded = not any(math.isinf(family.support[1]) for family in self._families)
        columns = [family.directions(X[:, i], int(k)) for i, family, k in self._coordinates()]
        if bounded:
            values = self._product_of_tables(np.concatenate(columns, axis=1))
        else:
            values = self._product_of_all(columns, array_namespace(X=X))
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    def _sample_christoffel(self, n, rng):
        """Draw from the density K(x, x) / m: one function at random, then each coordinate from its square."""
        chosen = self.multi_indices[rng.integers(self.n_features, size=n)]
        X = np.empty(chosen.shape)
        for family in dict.fromkeys(self._families):
            mine = [i for i, other in enumerate(self._families) if other == family]
            X[:, mine] = family.induced(chosen[:, mine].reshape(-1), rng).reshape(n, len(mine))
        return X


def as_basis(basis):
    """Raise TypeError unless ``basis`` is a `TensorPolynomialBasis`."""
    if not isinstance(basis, TensorPolynomialBasis):
        raise TypeError(invalid("basis", "a TensorPolynomialBasis", f"type {type(basis).__name__}"))
    return basis


def _index_set(kind, degree, d):
    """Return an index set in graded lexicographic order."""
    # One coordinate after the other: what is left of the budget says which degrees it may have.
    steps = {
        "total_degree": lambda left: ((k, left - k) for k in range(left + 1)),
        "hyperbolic_cross": lambda left: ((k, left // (k + 1)) for k in range(left)),
        "tensor": lambda left: ((k, left) for k in range(left + 1)),
    }[kind]
    found = [((), degree + 1 if kind == "hyperbolic_cross" else degree)]
    for _ in range(d):
        found = [((*index, k), rest) for index, left in found for k, rest in steps(left)]
    return np.array(
        sorted((index for index, _ in found), key=lambda index: (sum(index), index)), dtype=np.int64
    )


def _last(index):
    """Return the last coordinate with a positive degree, 0 for none."""
    return max((i for i, k in enumerate(index) if k), default=0)


def _checked_indices(indices, d):
    """Return a downward closed set of indices, in graded lexicographic order."""
    if indices.ndim != 2 or indices.shape[1] != d or not len(indices) or indices.dtype.kind not in "iu":
        constraint = f"one of {', '.join(map(repr, INDEX_SETS))} or integers of shape (m, {d})"
        given = f"dtype {indices.dtype} and shape {indices.shape}"
        raise ValueError(invalid("index_set", constraint, given))
    found = {tuple(int(k) for k in index) for index in indices}
    if len(found) < len(indices):
        raise ValueError(invalid("index_set", "without repetitions", f"{len(indices) - len(found)} of them"))
    if indices.min() < 0:
        raise ValueError(invalid("index_set", "non-negative", int(indices.min())))
    for index in found:
        for i, k in enumerate(index):
            below = (*index[:i], k - 1, *index[i + 1 :])
            if k and below not in found:
                remedy = f"It has {index} without {below}."
                raise ValueError(invalid("index_set", "downward closed", "a set with a gap", remedy))
    return np.array(sorted(found, key=lambda index: (sum(index), index)), dtype=np.int64)


def _products(indices):
    """Return, by function, its parent and the column of the univariate factor; and the degrees needed."""
    degrees = indices.max(axis=0)
    offsets = np.concatenate([[0], np.cumsum(degrees + 1)[:-1]])
    place = {tuple(index): j for j, index in enumerate(indices.tolist())}
    parent, column = np.zeros(len(indices), dtype=np.int64), np.zeros(len(indices), dtype=np.int64)
    for j, index in enumerate(indices.tolist()):
        i = _last(index)
        parent[j] = place[(*index[:i], 0, *index[i + 1 :])]
        column[j] = offsets[i] + index[i]
    return parent, column, degrees
