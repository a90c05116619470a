"""Butterfly matrices as linear operators."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectralkit._core.checks import check_integer, invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, is_numpy, library_name, to_host
from spectralkit.structured._arguments import (
    as_permutation,
    as_twiddle,
    as_working,
    bit_reversal,
    check_finite,
    check_power_of_two,
)
from spectralkit.structured._plan import Plan, has_tables


@dataclass(frozen=True, eq=False)
class _Factor:
    """``scatter . scale . B_{L-1} ... B_0 . gather``; what is None is left out."""

    twiddle: Any
    gather: np.ndarray | None = None
    scale: Any = None
    scatter: np.ndarray | None = None

    @functools.cached_property
    def is_complex(self):
        xp = array_namespace(twiddle=self.twiddle)
        parts = [self.twiddle] if self.scale is None else [self.twiddle, self.scale]
        return any(xp.isdtype(part.dtype, "complex floating") for part in parts)

    def plan(self, dtype):
        """Return the tables of the compiled product, which are kept; None where they are out of range."""
        plans = self.__dict__.setdefault("_plans", {})
        if dtype not in plans:
            found = has_tables(self.twiddle, self.scale, dtype)
            plans[dtype] = Plan(self.twiddle, self.gather, self.scale, self.scatter, dtype) if found else None
        return plans[dtype]

    def __getstate__(self):
        return {name: getattr(self, name) for name in ("twiddle", "gather", "scale", "scatter")}

    def __setstate__(self, state):
        self.__dict__.update(state)

    def transposed(self, conjugate):
        """Return the factor of the transpose: levels in reverse are levels of bit-reversed places."""
        T, xp = self.twiddle, array_namespace(twiddle=self.twiddle)
        levels, n = T.shape[0], 1 << T.shape[0]
        conj = (lambda x: xp.conj(x)) if conjugate and self.is_complex else (lambda x: x)
        scale = None if self.scale is None else conj(self.scale)
        if not levels:
            return _Factor(T, None, scale, None)
        reverse = bit_reversal(n)
        levels_out = []
        for k in range(levels):
            old = levels - 1 - k
            low = np.arange(n).reshape(-1, 2, 1 << k)[:, 0].ravel()
            there = reverse[low]
            pair = (there >> (old + 1) << old) + (there & ((1 << old) - 1))
            level = xp.take(T[old, ...], from_host(pair, xp, T), axis=0)
            levels_out.append(xp.permute_dims(conj(level), (0, 2, 1)))
        if scale is not None:
            # D of the transpose comes first: into the columns of its first level.
            columns = xp.reshape(xp.take(scale, from_host(reverse, xp, T), axis=0), (n // 2, 1, 2))
            levels_out[0] = levels_out[0] * columns
        twiddle = xp.stack([xp.astype(level, xp.result_type(*levels_out)) for level in levels_out])
        gather = reverse if self.scatter is None else np.argsort(self.scatter)[reverse]
        scatter = reverse if self.gather is None else reverse[np.argsort(self.gather)]
        return _Factor(twiddle, gather, None, scatter)

    def apply(self, X, xp):
        """Return the products with the rows of ``X``, by array operations."""
        n = X.shape[-1]
        if n == 1:  # no product that would do it
            X = xp.astype(X, xp.result_type(X, self.twiddle))
        if self.gather is not None:
            X = xp.take(X, from_host(self.gather, xp, X), axis=-1)
        for k in range(self.twiddle.shape[0]):
            s = 1 << k
            pairs = xp.reshape(X, (X.shape[0], n // (2 * s), 2, s))
            T = xp.reshape(self.twiddle[k, ...], (n // (2 * s), s, 2, 2))
            rows = [T[:, :, r, 0] * pairs[:, :, 0, :] + T[:, :, r, 1] * pairs[:, :, 1, :] for r in range(2)]
            X = xp.reshape(xp.stack(rows, axis=2), (X.shape[0], n))
        if self.scale is not None:
            X = X * self.scale
        return X if self.scatter is None else xp.take(X, from_host(self.scatter, xp, X), axis=-1)


@dataclass(frozen=True, eq=False)
class _Part:
    """Factors, applied first to last, of whose product the real part may be taken."""

    factors: tuple
    real: bool = False

    @functools.cached_property
    def is_complex(self):
        return any(factor.is_complex for factor in self.factors)

    def rows(self, X, xp):
        """Return the products with the rows of ``X``."""
        complex_input = xp.isdtype(X.dtype, "complex floating")
        if complex_input and (self.real or not self.is_complex):
            # A real matrix: both parts of the signals for themselves.
            both = self.rows(xp.concat([xp.real(X), xp.imag(X)], axis=0), xp)
            found, imaginary = both[: X.shape[0], :], both[X.shape[0] :, :]
            if is_numpy(xp):
                # Not 1j times the imaginary part: an infinite one would make the real part NaN.
                found, real = np.empty(found.shape, X.dtype), found
                found.real, found.imag = real, imaginary
                return found
            return xp.astype(found + 1j * imaginary, X.dtype, copy=False)
        for factor in self.factors:
            dtype = np.result_type(X.dtype, np.complex64) if is_numpy(xp) and factor.is_complex else X.dtype
            plan = factor.plan(np.dtype(dtype)) if is_numpy(xp) else None
            if plan is not None:
                X = plan.rows(np.ascontiguousarray(X, dtype=dtype))
            elif is_numpy(xp):
                X = factor.apply(X.astype(np.result_type(dtype, np.float64)), xp).astype(dtype)
            else:
                X = factor.apply(X, xp)
        if not (self.real and xp.isdtype(X.dtype, "complex floating")):
            return X
        return X.real.copy() if is_numpy(xp) else xp.real(X)  # not a view of twice the memory

    def transposed(self, conjugate):
        factors = tuple(factor.transposed(conjugate) for factor in self.factors[::-1])
        return _Part(factors, self.real)


# Of the byte order of this machine.
_DOUBLES = np.dtype(np.float64), np.dtype(np.complex128)


class Butterfly:
    """
    A product of butterfly factors as a linear operator: a matrix with an `O(n log n)` product.

    ``W x = B_{L-1} ... B_0 x[permutation]`` where the level ``B_k`` mixes pairs of entries ``2^k`` apart by
    2 by 2 blocks. Cost of a product `O(n log n)` for a vector, with ``2 n log2 n`` parameters.

    Parameters
    ----------
    twiddle : array of shape (log2(n), n/2, 2, 2)
        The blocks: ``twiddle[k, b*2^k + j]`` acts on rows ``2b*2^k + j`` and ``2b*2^k + 2^k + j``. Level
        0 is applied first.
    permutation : array of shape (n,) or None, default=None
        Order in which entries enter; None for the one they have.

    Attributes
    ----------
    shape : tuple
        ``(n, n)``.
    dtype : dtype
        Dtype of the matrix.
    factors : list
        Triples (twiddle, permutation, scale), applied first to last.
    real : bool
        Whether the real part of their product is taken at the end.
    twiddle : array of shape (log2(n), n/2, 2, 2)
        The blocks of a single factor.
    n_parameters : int
        Number of entries of blocks and scales.

    See Also
    --------
    butterfly_factorize : The factors of a matrix.
    butterfly_matmul : The product with the bare blocks.

    Notes
    -----
    Two levels at a time are fused to blocks of four, which takes as many multiplications and half the
    passes over memory; few vectors go one by one, more in tiles whose lanes are vectors. The tables are
    made at the first product of each dtype, and are as large as the blocks [1]_. Products with arrays of
    other libraries are done by their own operations.

    References
    ----------
    .. [1] T. Dao, A. Gu, M. Eichhorn, A. Rudra and C. Ré, "Learning fast algorithms for linear transforms
       using butterfly factorizations", ICML 2019, arXiv:1903.05895.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.fft
    >>> from spectralkit.structured import Butterfly
    >>> x = np.random.default_rng(0).standard_normal(64)
    >>> np.allclose(Butterfly.dft(64) @ x, scipy.fft.fft(x))
    True
    >>> smoother = Butterfly.circulant([0.5, 0.25, 0, 0, 0, 0, 0, 0.25])
    >>> (smoother @ np.eye(8)[0]).round(6) + 0.0
    array([0.5 , 0.25, 0.  , 0.  , 0.  , 0.  , 0.  , 0.25])
    """

    __array_ufunc__ = None  # so that NumPy leaves ``x @ operator`` to the operator

    def __init__(self, twiddle, *, permutation=None):
        twiddle, xp, n = as_twiddle("twiddle", twiddle)
        twiddle = xp.asarray(twiddle, copy=True)  # tables are kept, and must not go out of date
        if permutation is not None:
            permutation = as_permutation("permutation", permutation, n)
        self._set((_Part((_Factor(twiddle, permutation),)),), n)

    def _set(self, parts, n):
        self._parts, self._n = parts, n
        self._plans, self._transposes = {}, {}
        self._is_complex = any(part.is_complex and not part.real for part in parts)

    @classmethod
    def _of(cls, factors, n, *, real=False):
        operator = cls.__new__(cls)
        operator._set((_Part(tuple(factors), real),), n)
        return operator

    @classmethod
    def _of_scale(cls, twiddle, scale):
        return cls._of([_Factor(twiddle, None, scale)], 1)

    @classmethod
    def dft(cls, n):
        """
        Return the discrete Fourier transform, ``Σ_j exp(-2πi jk/n) x_j``.

        Parameters
        ----------
        n : int
            Length, a power of two.

        Returns
        -------
        Butterfly
            The operator.
        """
        n = _length(n)
        return cls._of([_Factor(_fourier(n, -1), bit_reversal(n))], n)

    @classmethod
    def idft(cls, n):
        """
        Return the inverse discrete Fourier transform, with the factor 1/n.

        Parameters
        ----------
        n : int
            Length, a power of two.

        Returns
        -------
        Butterfly
            The operator.
        """
        n = _length(n)
        return cls._of([_Factor(_fourier(n, 1), bit_reversal(n), np.full(n, 1.0 / n))], n)

    @classmethod
    def dct(cls, n):
        """
        Return the discrete cosine transform of type 2, unscaled, as ``scipy.fft.dct``.

        Parameters
        ----------
        n : int
            Length, a power of two.

        Returns
        -------
        Butterfly
            The operator: the real part of a scaled Fourier transform.
        """
        n = _length(n)
        scale = 2.0 * _unit_roots(-np.arange(n), 4 * n)
        return cls._of([_Factor(_fourier(n, -1), _even_odd(n)[bit_reversal(n)], scale)], n, real=True)

    @classmethod
    def dst(cls, n):
        """
        Return the discrete sine transform of type 2, unscaled, as ``scipy.fft.dst``.

        Parameters
        ----------
        n : int
            Length, a power of two.

        Returns
        -------
        Butterfly
            The operator: the real part of a scaled Fourier transform.
        """
        n = _length(n)
        # Sines of order k + 1: the input is modulated by one step and signs alternate, in the first level.
        order = bit_reversal(n)
        sign = np.where(np.arange(n) < (n + 1) // 2, 1.0, -1.0)
        modulation = (sign * _unit_roots(-np.arange(n), n))[order]
        scale = 2.0j * _unit_roots(-np.arange(1, n + 1), 4 * n)
        twiddle = _fourier(n, -1)
        if n == 1:
            scale = scale * modulation
        else:
            twiddle[0] *= modulation.reshape(n // 2, 1, 2)
        return cls._of([_Factor(twiddle, _even_odd(n)[order], scale)], n, real=True)

    @classmethod
    def hadamard(cls, n):
        """
        Return the Hadamard matrix in natural order, as ``scipy.linalg.hadamard``.

        Parameters
        ----------
        n : int
            Length, a power of two.

        Returns
        -------
        Butterfly
            The operator.
        """
        n = _length(n)
        levels = n.bit_length() - 1
        block = np.array([[1.0, 1.0], [1.0, -1.0]])
        return cls._of([_Factor(np.tile(block, (levels, n // 2, 1, 1)))], n)

    @classmethod
    def hartley(cls, n):
        """
        Return the Hartley transform, ``Σ_j (cos + sin)(2π jk/n) x_j``.

        Parameters
        ----------
        n : int
            Length, a power of two.

        Returns
        -------
        Butterfly
            The operator: the real part of a scaled Fourier transform.
        """
        n = _length(n)
        return cls._of([_Factor(_fourier(n, -1), bit_reversal(n), np.full(n, 1.0 + 1.0j))], n, real=True)

    @classmethod
    def circulant(cls, c):
        """
        Return the circulant matrix of a first column: the circular convolution with it.

        Parameters
        ----------
        c : array of shape (n,)
            First column; n is a power of two.

        Returns
        -------
        Butterfly
            The operator: a Fourier transform, a scaling and an inverse one.
        """
        c, xp = as_working("c", c)
        if not is_numpy(xp):
            given = f"an array of {library_name(xp)}"
            raise TypeError(invalid("c", "a NumPy array", given, "Use to() for an operator elsewhere."))
        if c.ndim != 1:
            raise ValueError(invalid("c", "of shape (n,)", f"shape {c.shape}"))
        check_power_of_two("the length of c", c.size)
        check_finite("c", c, xp)
        n = c.size
        with np.errstate(over="ignore", invalid="ignore"):
            scale = np.fft.fft(c.astype(np.complex128)) / n
        if not np.all(np.isfinite(scale)):
            given = f"entries close to the largest number of {c.dtype}"
            raise ValueError(invalid("c", "small enough for its Fourier transform", given, "Scale it down."))
        factors = [
            _Factor(_fourier(n, -1), bit_reversal(n), scale),
            _Factor(_fourier(n, 1), bit_reversal(n)),
        ]
        return cls._of(factors, n, real=c.dtype.kind == "f")

    @property
    def shape(self):
        """``(n, n)``."""
        return (self._n, self._n)

    @property
    def dtype(self):
        """Dtype of the matrix."""
        kept = [factor for part in self._parts for factor in part.factors]
        xp = array_namespace(twiddle=kept[0].twiddle)
        dtype = xp.result_type(*(factor.twiddle for factor in kept))
        if self._is_complex or not xp.isdtype(dtype, "complex floating"):
            return dtype
        return xp.real(xp.zeros(1, dtype=dtype)).dtype

    @property
    def real(self):
        """Whether the real part of the product of the factors is taken at the end."""
        return self._only().real

    @property
    def factors(self):
        """Triples (twiddle, permutation, scale), applied first to last: read-only views, or copies."""
        triples = []
        for factor in self._only().factors:
            triples.append((_shown(factor.twiddle), _shown(factor.gather), _shown(factor.scale)))
            if factor.scatter is not None:
                identity = np.tile(np.eye(2), (*factor.twiddle.shape[:2], 1, 1))
                xp = array_namespace(twiddle=factor.twiddle)
                triples.append((from_host(identity, xp, factor.twiddle), _shown(factor.scatter), None))
        return triples

    @property
    def twiddle(self):
        """The blocks of a single factor."""
        factors = self.factors
        if len(factors) != 1:
            raise ValueError(f"a chain of {len(factors)} factors has no single twiddle: see factors.")
        return factors[0][0]

    @property
    def n_parameters(self):
        """Number of entries of blocks and scales."""
        kept = [factor for part in self._parts for factor in part.factors]
        return sum(
            math.prod(factor.twiddle.shape) + (0 if factor.scale is None else self._n) for factor in kept
        )

    @property
    def T(self):  # noqa: N802
        """The transpose."""
        return self._transposed(False)

    @property
    def H(self):  # noqa: N802
        """The conjugate transpose."""
        return self._transposed(True)

    def _transposed(self, conjugate):
        conjugate = conjugate and self._is_complex
        if conjugate not in self._transposes:  # kept: making one takes as long as many products
            operator = Butterfly.__new__(Butterfly)
            operator._set(tuple(part.transposed(conjugate) for part in self._parts[::-1]), self._n)
            self._transposes[conjugate] = operator
            operator._transposes[conjugate] = self
        return self._transposes[conjugate]

    def _vector_plans(self, dtype):
        """Return the tables for a vector, none where it is not simple; and whether to take the real part."""
        part = self._parts[0]
        xp = array_namespace(twiddle=part.factors[0].twiddle)
        simple = len(self._parts) == 1 and is_numpy(xp) and dtype in _DOUBLES
        if simple and dtype.kind == "c":
            simple = part.is_complex and not part.real
        plans, kind = [], np.dtype(dtype)
        for factor in part.factors if simple else ():
            kind = np.dtype(np.complex128) if factor.is_complex else kind
            plans.append(factor.plan(kind))
        plans = [] if None in plans else plans
        found = self._plans[dtype] = (plans, part.real and kind.kind == "c")
        return found

    def __getstate__(self):
        return {"_parts": self._parts, "_n": self._n}

    def __setstate__(self, state):
        self._set(state["_parts"], state["_n"])

    def _only(self):
        if len(self._parts) > 1:
            raise ValueError(
                "factors of a composition in whose middle a real part is taken cannot be listed: list those "
                "of its operators."
            )
        return self._parts[0]

    def __repr__(self):
        kinds = [f"{len(part.factors)}" + (", real part" if part.real else "") for part in self._parts]
        return f"<Butterfly {self._n}x{self._n}, {dtype_name(self.dtype)}, factors: {'; '.join(kinds)}>"

    def __matmul__(self, other):
        if type(other) is np.ndarray and other.shape == (self._n,):
            # The checks would take as long as the product: this is what they come to for such a vector.
            plans, real = self._plans.get(other.dtype) or self._vector_plans(other.dtype)
            if plans:
                for plan in plans:
                    other = plan.vector(other if other.dtype == plan.dtype else other.astype(plan.dtype))
                return other.real.copy() if real else other
        if isinstance(other, Butterfly):
            return self._after(other)
        if not hasattr(other, "ndim"):
            other, _ = as_working("X", other)
        return self.matmul(other, axis=-1 if other.ndim < 2 else -2)

    def __rmatmul__(self, other):
        return self.T.matmul(other)

    def _after(self, other):
        if other._n != self._n:
            raise ValueError(invalid("the right operator", f"of size {self._n}", f"size {other._n}"))
        left, right = (operator._parts[0].factors[0].twiddle for operator in (self, other))
        array_namespace(left=left, right=right)
        operator = Butterfly.__new__(Butterfly)
        first, second = other._parts, self._parts
        left, right = second[0], first[-1]
        # A real part goes past a real matrix.
        if not ((left.real and right.is_complex) or (right.real and left.is_complex)):
            joined = _Part(right.factors + left.factors, left.real or right.real)
            first, second = (*first[:-1], joined), second[1:]
        operator._set(first + second, self._n)
        return operator

    def matmul(self, X, axis=-1):
        """
        Multiply along an axis.

        Parameters
        ----------
        X : array of shape (..., n, ...)
            Signals.
        axis : int, default=-1
            Where they run.

        Returns
        -------
        array of the shape of ``X``
            Their products with the matrix.

        Raises
        ------
        ValueError
            If the axis is not of length n.
        TypeError
            If ``X`` is of another library than the blocks, or of a dtype that is not supported.
        """
        given = getattr(X, "dtype", None)
        X, xp = as_working("X", X)
        array_namespace(X=X, twiddle=self._parts[0].factors[0].twiddle)
        axis = _axis(X, axis, self._n)
        moved = X if axis == X.ndim - 1 else xp.moveaxis(X, axis, -1)
        shape = moved.shape
        rows = xp.reshape(moved, (math.prod(shape[:-1]), self._n))
        for part in self._parts:
            rows = part.rows(rows, xp)
        if not is_numpy(xp):
            # The precision of the signals, as on the host.
            is_complex = xp.isdtype(rows.dtype, "complex floating")
            rows = xp.astype(rows, xp.result_type(X, xp.complex64) if is_complex else X.dtype, copy=False)
        Y = xp.reshape(rows, shape)
        Y = Y if axis == X.ndim - 1 else xp.moveaxis(Y, -1, axis)
        if given is not None and X.dtype != given:
            name = output_dtype_name("X", given)
            if name in ("float16", "bfloat16") and not xp.isdtype(Y.dtype, "complex floating"):
                Y = xp.astype(Y, dtype_of(xp, name))
        return Y

    def to_dense(self):
        """
        Return the matrix.

        Returns
        -------
        array of shape (n, n)
            The matrix.
        """
        twiddle = self._parts[0].factors[0].twiddle
        xp = array_namespace(twiddle=twiddle)
        real = xp.real(twiddle) if xp.isdtype(twiddle.dtype, "complex floating") else twiddle
        eye = xp.astype(from_host(np.eye(self._n), xp, real), real.dtype)
        return self.matmul(eye, axis=0)

    def to(self, like):
        """
        Return the operator with its arrays in the library and on the device of another array.

        Parameters
        ----------
        like : array
            An array of the library.

        Returns
        -------
        Butterfly
            The operator there.
        """
        xp = array_namespace(like=like)
        operator = Butterfly.__new__(Butterfly)
        parts = []
        for part in self._parts:
            factors = []
            for factor in part.factors:
                # Libraries share memory where they can.
                scale = None if factor.scale is None else from_host(to_host(factor.scale).copy(), xp, like)
                twiddle = from_host(to_host(factor.twiddle).copy(), xp, like)
                factors.append(_Factor(twiddle, factor.gather, scale, factor.scatter))
            parts.append(_Part(tuple(factors), part.real))
        operator._set(tuple(parts), self._n)
        return operator

    def aslinearoperator(self):
        """
        Return the operator for SciPy's iterative solvers.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Products with the matrix and its conjugate transpose.

        Raises
        ------
        TypeError
            If the blocks are not on the host.
        """
        xp = array_namespace(twiddle=self._parts[0].factors[0].twiddle)
        if not is_numpy(xp):
            given = f"arrays of {library_name(xp)}"
            raise TypeError(invalid("the operator", "of NumPy arrays", given, "Use to() first."))
        from scipy.sparse.linalg import LinearOperator

        adjoint = self.H

        return LinearOperator(
            self.shape,
            matvec=lambda x: self.matmul(np.reshape(x, -1)),
            rmatvec=lambda x: adjoint.matmul(np.reshape(x, -1)),
            matmat=lambda X: self.matmul(X, axis=0),
            rmatmat=lambda X: adjoint.matmul(X, axis=0),
            dtype=self.dtype,
        )


def _shown(array):
    """Return a view that cannot be written to, or a copy: the tables of products would go out of date."""
    if array is None:
        return None
    if not isinstance(array, np.ndarray):
        return array_namespace(array=array).asarray(array, copy=True)
    view = array.view()
    view.flags.writeable = False
    return view


def _axis(X, axis, n):
    axis = check_integer("axis", axis, -X.ndim, X.ndim - 1) if X.ndim else -1
    if not X.ndim or X.shape[axis] != n:
        constraint = f"of length {n} along axis {axis}"
        raise ValueError(invalid("X", constraint, f"shape {tuple(X.shape)}"))
    return axis % X.ndim


def _length(n):
    n = check_integer("n", n, 1)
    check_power_of_two("n", n)
    return n


def _unit_roots(k, n):
    """Return ``exp(2πi k / n)``, exact where it is ±1 or ±i."""
    k = np.mod(np.asarray(k), n)
    quarter = n // 4 or 1
    turns, rest = np.divmod(k, quarter)
    angle = 2.0 * math.pi * rest / n
    # Beyond an eighth of a turn the angle is taken from the other side.
    swapped = 2 * rest > quarter
    other = 2.0 * math.pi * (quarter - rest) / n
    cosine = np.where(swapped, np.sin(other), np.cos(angle))
    sine = np.where(swapped, np.cos(other), np.sin(angle))
    if n < 4:
        return np.exp(2.0j * math.pi * k / n).round(15)
    return (cosine + 1j * sine) * np.array([1.0, 1.0j, -1.0, -1.0j])[turns]


def _fourier(n, sign):
    """Return the twiddle factors of the Fourier transform of bit-reversed input."""
    levels = n.bit_length() - 1
    T = np.empty((levels, n // 2, 2, 2), dtype=complex)
    for k in range(levels):
        roots = np.tile(_unit_roots(sign * np.arange(1 << k), 2 << k), n >> (k + 1))
        T[k, :, 0, 0] = T[k, :, 1, 0] = 1.0
        T[k, :, 0, 1], T[k, :, 1, 1] = roots, -roots
    return T


def _even_odd(n):
    """Return even places, then odd ones in reverse."""
    return np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)[::-1]])
