"""Diagonalization of a matrix nearby, with a certified backward error."""

import itertools
import math
import operator
import warnings
from dataclasses import dataclass, field

import numpy as np
import scipy.linalg

from spectralkit._core.arrays import power_of_two
from spectralkit._core.checks import check_integer, check_number, check_option, invalid
from spectralkit._core.random import as_entropy, block_rng
from spectralkit._core.results import Result
from spectralkit.nonnormal._arguments import (
    as_points,
    as_square,
    complex_name,
    spectral_norm,
)

METHODS, STRUCTURES = ("random", "optimize"), ("none", "skew", "auto")
# Descent ends when the logarithm of the objective falls by less than this.
_TOL = 1e-5
_UNIT = np.finfo(np.float64).eps
# Perturbations of a matrix of norm 1 up to this have squares that do not overflow.
_LARGEST = 1e100


class IllConditionedWarning(UserWarning):
    """
    Rounding errors are larger than the perturbation that was allowed.

    Issued by `perturb_then_diagonalize` with the condition number and the backward errors asked for and
    reached: a larger ``eps`` brings a better conditioned basis.
    """


@dataclass(frozen=True, repr=False, eq=False)
class DiagonalizationResult(Result):
    """
    A diagonalization of a matrix nearby, as `perturb_then_diagonalize` returns it.

    Attributes
    ----------
    eigenvalues : array of shape (n,), complex
        Eigenvalues of ``A + perturbation``; conjugate pairs are exact for a real matrix.
    eigenvectors : array of shape (n, n), complex
        Unit eigenvectors V, in columns.
    inverse_eigenvectors : array of shape (n, n), complex
        The inverse of V.
    perturbation : array of shape (n, n)
        What was added to A; real for a real matrix.
    condition : float
        Condition number of V in the 2-norm.
    backward_error : float
        ``||A - V Λ V^-1||_2 / ||A||_2``, as computed: what was perturbed, and rounding.
    spectral_abscissa : float
        Largest real part of the eigenvalues.
    n_iter : int
        Steps of descent, or ``n_trials``, of which A itself is one; 0 for a normal matrix.
    converged : bool
        Whether the backward error is what was asked for, and descent, if any, has ended by itself.
    status : str
        What happened, and what to change.
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    inverse_eigenvectors: np.ndarray
    perturbation: np.ndarray
    condition: float
    backward_error: float
    spectral_abscissa: float
    n_iter: int
    converged: bool
    status: str
    _is_real: bool = field(default=False)

    def apply(self, function):
        """
        Return a function of the matrix, ``V f(Λ) V^-1``.

        Parameters
        ----------
        function : callable
            Maps an array of eigenvalues to one of their images, as ``np.exp`` does.

        Returns
        -------
        array of shape (n, n)
            The function of ``A + perturbation``; real where that is real and the images of conjugates are
            conjugate.
        """
        values = np.asarray(function(self.eigenvalues))
        if values.shape != self.eigenvalues.shape:
            constraint = f"one that maps shape {self.eigenvalues.shape} to itself"
            raise ValueError(invalid("function", constraint, f"shape {values.shape}"))
        product = (self.eigenvectors * values) @ self.inverse_eigenvectors
        return product.real if self._is_real and _is_closed(self.eigenvalues, values) else product

    def power(self, exponent):
        """
        Return a power of the matrix.

        Parameters
        ----------
        exponent : int or float
            The exponent; fractional ones take principal values.

        Returns
        -------
        array of shape (n, n)
            ``(A + perturbation)^exponent``.

        Raises
        ------
        numpy.linalg.LinAlgError
            If it overflows, or the exponent is negative and an eigenvalue is zero.
        """
        exponent = check_number("exponent", exponent)
        what = f"the power {exponent:g} has a pole, or"
        return self._apply_finite(lambda values: self._powers(values, exponent), what)

    def _powers(self, values, exponent):
        """Return powers of the eigenvalues, for integers conjugate where those are."""
        images = values**exponent
        if self._is_real and exponent.is_integer():
            i, on_axis = np.flatnonzero(values.imag > 0.0), values.imag == 0.0
            images[i + 1] = images[i].conj()
            images[on_axis] = values.real[on_axis] ** exponent
        return images

    def _apply_finite(self, function, what):
        """Return a function of the matrix; raise where it is not finite."""
        with np.errstate(all="ignore"):
            result = self.apply(function)
        if not np.isfinite(result).all():
            raise np.linalg.LinAlgError(f"{what} overflows.")
        return result

    def exponential(self, t=1.0):
        """
        Return the exponential of the matrix times t.

        Parameters
        ----------
        t : float, default=1.0
            The time.

        Returns
        -------
        array of shape (n, n)
            ``exp(t (A + perturbation))``.

        Raises
        ------
        numpy.linalg.LinAlgError
            If it overflows.
        """
        t = check_number("t", t)
        return self._apply_finite(lambda values: np.exp(t * values), f"the exponential at t={t:g}")

    def resolvent(self, z):
        """
        Return the resolvent of the matrix.

        Parameters
        ----------
        z : complex
            A point that is not an eigenvalue.

        Returns
        -------
        array of shape (n, n)
            ``(z - A - perturbation)^-1``.

        Raises
        ------
        numpy.linalg.LinAlgError
            If ``z`` is an eigenvalue.
        """
        z = as_points(z)
        if z.ndim:
            raise ValueError(invalid("z", "one number", f"shape {z.shape}"))
        z = complex(z)
        if np.any(self.eigenvalues == z):
            raise np.linalg.LinAlgError(f"the resolvent has a pole at z={z}, an eigenvalue.")
        return self.apply(lambda values: 1.0 / (z - values))


def perturb_then_diagonalize(
    A, eps="auto", *, method="random", structure="auto", n_trials=5, max_iter=150, rng=None
):
    """
    Diagonalize a matrix nearby whose eigenvectors are well conditioned.

    Use it where ``numpy.linalg.eig`` returns eigenvectors that are nearly dependent, and whatever is computed
    from them is wrong without notice: sequence models, fluid stability, Markov chains, Jordan blocks. Cost
    `O(n^3)` for each trial or step, about one ``eig`` each.

    Parameters
    ----------
    A : array of shape (n, n)
        A real or complex matrix, on the host.
    eps : float or "auto", default="auto"
        Norm of the perturbation relative to that of ``A``, in the 2-norm. What is computed from the result
        is exact for a matrix at that distance: it is the accuracy. The condition number grows as 1/eps.
        "auto" is for functions of the matrix that are as accurate as double precision allows: the root of
        the rounding unit, where both errors balance, and the perturbation that is best for their sum.
    method : str, default="random"
        "random": the best of ``n_trials``, with random perturbations and those of structure; "optimize":
        descent from the best of them.
    structure : str, default="auto"
        "skew": a skew-Hermitian perturbation, which leaves the Hermitian part alone and with it the
        numerical abscissa, so that a dissipative matrix stays stable; "none": any; "auto": "skew" where no
        eigenvalue of the Hermitian part is positive.
    n_trials : int, default=5
        Matrices that are diagonalized: A itself, one with a random perturbation, which is tried in any case,
        then those of structure, then more random ones.
    max_iter : int, default=150
        Steps of descent at the most.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    DiagonalizationResult
        Eigenvalues, eigenvectors, their inverse, the perturbation, and what they are worth; with `apply` for
        functions of the matrix.

    Raises
    ------
    ValueError
        If ``A`` is not square and finite, or a parameter is out of range.
    TypeError
        If ``A`` is not on the host, or of a dtype that is not supported.

    Warns
    -----
    IllConditionedWarning
        If rounding makes the backward error larger than ``eps``.

    See Also
    --------
    eigenvalue_condition : How far eigenvalues move.
    pseudospectrum : Where eigenvalues of matrices nearby are.

    Notes
    -----
    Minimised is ``Σ_i (||x_i|| ||y_i||)²`` over the right and left eigenvectors with ``y_i^* x_i = 1``, the
    squared condition numbers of the eigenvalues, whose root times √n bounds the condition number of V [1]_.
    All perturbations lie on the sphere of radius ``eps ||A||``: random ones with equal singular values; for
    "skew" plus and minus the unitary polar factor of the skew part of A, which moves its eigenvalues apart;
    for "none" those of A itself; and a single entry in either corner, which is best for a Jordan block, or
    a skew pair. With a number for ``eps`` the best has the least objective; with "auto" the least sum of its
    Frobenius norm and of rounding, u times the condition number, relative to A. A normal matrix is
    diagonalized by its Schur form, without a perturbation, and so is any matrix whose own
    eigenvectors are no worse.

    Descent follows the gradient inside the ball. Its first step is a tenth of the radius, the next ones twice
    the last, or a third until the objective falls; it ends when the logarithm of the objective falls by less
    than 1e-5. For any matrix some perturbation reaches a condition number of ``4 n^1.5 (1 + 1/eps)`` [2]_.

    A float32 matrix is solved in double precision, and the results are rounded.

    References
    ----------
    .. [1] A. Yu, A. Nigmetov, D. Morozov, M. W. Mahoney and N. B. Erichson, "Robustifying state-space models
       for long sequences via approximate diagonalization", ICLR 2024, arXiv:2310.01698.
    .. [2] J. Banks, A. Kulkarni, S. Mukherjee and N. Srivastava, "Gaussian regularization of the
       pseudospectrum and Davies' conjecture", Communications on Pure and Applied Mathematics 74, 2021,
       arXiv:1906.11819.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.nonnormal import perturb_then_diagonalize
    >>> jordan = np.diag(np.ones(7), 1)
    >>> result = perturb_then_diagonalize(jordan, 0.01)
    >>> round(result.condition), round(result.backward_error, 12)
    (56, 0.01)
    >>> np.allclose(result.power(2), jordan @ jordan, atol=0.05)
    True
    """
    check_option("method", method, METHODS)
    check_option("structure", structure, STRUCTURES)
    n_trials = check_integer("n_trials", n_trials, 1)
    max_iter = check_integer("max_iter", max_iter, 1)
    entropy = as_entropy(rng)
    A, dtype = as_square("A", A)
    if isinstance(eps, str):
        check_option("eps", eps, ("auto",))
        eps, allowance = None, 10.0
    else:
        eps = check_number("eps", eps, 0.0, open_low=True, remedy="It is relative to the norm of A.")
        if eps > _LARGEST:
            raise ValueError(invalid("eps", f"at most {_LARGEST:g}", eps, "It is relative to the norm of A."))
        allowance = 1.1
    scale = power_of_two(A, np)
    problem = _Problem.of(A / scale, math.sqrt(np.finfo(dtype).eps) if eps is None else eps, structure)
    size = scale * (problem.norm + problem.radius)
    if not size <= float(np.finfo(dtype).max):
        constraint = "of a norm that does not overflow, with the perturbation"
        raise ValueError(invalid("A", constraint, f"a norm of {size:.3g}", "Scale it."))
    best, n_iter, ended = problem.normal(), 0, True
    if best is None:
        zero = problem.decompose(np.zeros_like(A))
        cost = problem.total_error if eps is None else operator.attrgetter("objective")
        best, n_iter = min(problem.perturbed(max(n_trials - 1, 1), entropy), key=cost), n_trials
        if method == "optimize":
            best, n_iter, ended = problem.descend(best, max_iter)
        # A perturbation has to gain something, and no perturbation is best only where nothing is lost by it.
        is_best = math.isfinite(zero.objective) and zero.objective <= (1.0 + _TOL) * best.objective
        if is_best and problem.is_exact(zero):
            best, ended = zero, True
    if not math.isfinite(best.objective):
        raise np.linalg.LinAlgError(
            f"eigenvectors are dependent after perturbations of norm {problem.radius * scale:.1e}: eps is "
            "below what double precision resolves. Raise it, or n_trials."
        )
    return _result(problem, best, allowance, scale, dtype, n_iter, ended, max_iter)


@dataclass(frozen=True)
class _Eigen:
    """
    The eigendecomposition of a perturbed matrix.

    For a real matrix ``basis`` is real: where the eigenvectors ``(p ± i q) / √2`` are conjugate it has the
    columns p and q, so that it is V times a unitary matrix, with the same singular values at a quarter of
    the cost.
    """

    E: np.ndarray
    values: np.ndarray
    basis: np.ndarray
    inverse: np.ndarray
    objective: float
    """Sum of the squared condition numbers of the eigenvalues; infinite where the vectors are dependent."""

    @property
    def pairs(self):
        """Where a conjugate pair begins; it goes on at the next place."""
        return np.flatnonzero(self.values.imag > 0.0) if self.basis.dtype.kind == "f" else np.array([], int)

    def vectors(self):
        """Return V and its inverse, conjugate pairs exact."""
        V, inverse, i = self.basis.astype(complex), self.inverse.astype(complex), self.pairs
        V[:, i] = (self.basis[:, i] + 1j * self.basis[:, i + 1]) * math.sqrt(0.5)
        V[:, i + 1] = V[:, i].conj()
        inverse[i] = (self.inverse[i] - 1j * self.inverse[i + 1]) * math.sqrt(0.5)
        inverse[i + 1] = inverse[i].conj()
        return V, inverse


@dataclass(frozen=True)
class _Problem:
    """A matrix of norm about 1, and the ball in which its perturbation is looked for."""

    A: np.ndarray
    norm: float
    radius: float
    is_skew: bool

    @classmethod
    def of(cls, A, eps, structure):
        norm = spectral_norm(A)
        if structure == "auto":
            dissipative = np.linalg.eigvalsh(0.5 * (A + A.conj().T))[-1] <= len(A) * _UNIT * norm
            structure = "skew" if dissipative else "none"
        return cls(A, norm, eps * norm, structure == "skew")

    def normal(self):
        """Return the Schur form of a normal matrix, whose vectors are orthonormal; None for others."""
        A, n, E = self.A, len(self.A), np.zeros_like(self.A)
        if n == 1 or self.norm == 0.0:
            return _Eigen(
                E, np.diag(A).astype(complex), np.eye(n, dtype=A.dtype), np.eye(n, dtype=A.dtype), n
            )
        rounding = 10.0 * n * _UNIT * self.norm
        if np.linalg.norm(A @ A.conj().T - A.conj().T @ A) > rounding * self.norm:
            return None
        T, basis = scipy.linalg.schur(A, output="complex" if np.iscomplexobj(A) else "real")
        values, rest = np.diag(T).astype(complex), T - np.diag(np.diag(T))
        for i in np.flatnonzero(np.diag(T, -1)):
            # A normal block of two is a turn and a stretch.
            b = math.sqrt(max(-T[i, i + 1] * T[i + 1, i], 0.0))
            values[i : i + 2] = T[i, i] + 1j * b, T[i, i] - 1j * b
            basis[:, i + 1] *= math.copysign(1.0, T[i, i + 1])
            rest[i, i + 1], rest[i + 1, i] = T[i, i + 1] + T[i + 1, i], 0.0
        if np.linalg.norm(rest) > rounding:
            return None
        order = _pairs_together(values)
        basis = basis[:, order]
        return _Eigen(E, values[order], basis, basis.conj().T, n)

    def decompose(self, E):
        """Return the eigendecomposition of the matrix perturbed by ``E``."""
        values, V = np.linalg.eig(self.A + E)
        V = V / np.linalg.norm(V, axis=0)
        if not np.iscomplexobj(self.A):
            order = _pairs_together(values)
            values, V = values[order], V[:, order]
            i = np.flatnonzero(values.imag > 0.0)
            basis = np.ascontiguousarray(V.real)
            basis[:, i] = V[:, i].real * math.sqrt(2.0)
            basis[:, i + 1] = V[:, i].imag * math.sqrt(2.0)
        else:
            basis = V
        objective = math.inf
        try:
            with np.errstate(all="ignore"):
                inverse = np.linalg.inv(basis)
                objective = float(np.linalg.norm(inverse)) ** 2
        except (np.linalg.LinAlgError, OverflowError):
            inverse = np.full_like(basis, np.inf)
        objective = objective if math.isfinite(objective) else math.inf
        return _Eigen(E, values.astype(complex), basis, inverse, objective)

    def is_exact(self, eigen):
        """Return whether the decomposition gives the matrix back up to rounding."""
        V, inverse = eigen.vectors()
        allowed = 10.0 * len(V) * _UNIT * float(np.linalg.norm(eigen.basis, 2) * np.linalg.norm(inverse, 2))
        return spectral_norm(self.A - (V * eigen.values) @ inverse) <= allowed * self.norm

    def total_error(self, eigen):
        """Return what perturbation and rounding add up to in functions of the matrix, relatively."""
        if self.norm == 0.0 or not math.isfinite(eigen.objective):
            return eigen.objective
        condition = math.sqrt(len(self.A) * eigen.objective)  # an upper bound
        return float(np.linalg.norm(eigen.E)) / self.norm + _UNIT * condition

    def perturbed(self, n_trials, entropy):
        """Yield the eigendecompositions of perturbed matrices."""
        return map(self.decompose, itertools.islice(self._perturbations(entropy), n_trials))

    def _perturbations(self, entropy):
        """Yield perturbations on the sphere: the first one random, then those of structure."""
        yield self._random(block_rng(entropy, 0))
        corner = np.zeros_like(self.A)
        corner[-1, 0] = self.radius
        if self.is_skew:
            yield corner.T - corner
        else:
            yield corner
            yield corner.T.copy()
        polar = self._polar_factor()
        yield -polar
        yield polar
        for trial in itertools.count(1):
            yield self._random(block_rng(entropy, trial))

    def _random(self, rng):
        """Return a perturbation whose singular values are all equal: none of the ball is given away."""
        n = len(self.A)
        G = rng.standard_normal((n, n))
        if np.iscomplexobj(self.A):
            G = G + 1j * rng.standard_normal((n, n))
        Q, R = np.linalg.qr(G)
        Q = Q * np.where(np.diag(R).real < 0.0, -1.0, 1.0)  # uniform over the orthogonal matrices
        if not self.is_skew:
            return self.radius * Q
        if np.iscomplexobj(self.A):
            return self._clipped((Q * (1j * np.where(np.arange(n) % 2, -1.0, 1.0))) @ Q.conj().T)
        half = Q[:, : n - n % 2 : 2] @ Q[:, 1::2].T
        return self.radius * (half - half.T)

    def _polar_factor(self):
        """
        Return the unitary factor of the matrix, or of its skew part.

        It turns the spectrum of a skew matrix by equal steps away from 0, and what couples its eigenvectors
        counts for less; for a Jordan block it closes the circle.
        """
        part = self.A - self.A.conj().T if self.is_skew else self.A
        U, _, Vh = np.linalg.svd(part)
        E = self.radius * (U @ Vh)
        return 0.5 * (E - E.conj().T) if self.is_skew else E

    def descend(self, eigen, max_iter):
        """Return the end of projected gradient descent on the logarithm of the objective."""
        step = None
        if not math.isfinite(eigen.objective):
            return eigen, 0, False
        for n_iter in range(1, max_iter + 1):
            slope = _gradient(eigen) / eigen.objective
            if self.is_skew:
                slope = 0.5 * (slope - slope.conj().T)
            length = float(np.linalg.norm(slope, 2)) if np.isfinite(slope).all() else 0.0
            if length == 0.0:
                return eigen, n_iter, True
            step = 0.1 * self.radius / length if step is None else 2.0 * step
            while True:
                trial = self.decompose(self._clipped(eigen.E - step * slope))
                if trial.objective < eigen.objective:
                    break
                step /= 3.0
                if step * length < 1e-9 * self.radius:
                    return eigen, n_iter, True
            gain = math.log(eigen.objective / trial.objective)
            eigen = trial
            if gain < _TOL:
                return eigen, n_iter, True
        return eigen, max_iter, False

    def _clipped(self, E):
        """Return the nearest matrix in the ball: clipped singular values keep a matrix skew."""
        U, s, Vh = np.linalg.svd(E)
        E = (U * np.minimum(s, self.radius)) @ Vh
        return 0.5 * (E - E.conj().T) if self.is_skew else E


def _gradient(eigen):
    """
    Return the gradient of the sum of ``(||x_i|| ||y_i||)²`` in the perturbation.

    From first-order perturbation of left and right eigenvectors: with ``G = X^* X``, ``H = Y^* Y`` and
    ``W_ij = 1 / (λ_i - λ_j)`` off the diagonal it is ``2 (X Z Y^*)^T``, where
    ``Z_ij = ||y_i||² G_ij W_ij + ||x_j||² H_ij W_ji``; its real part for a real perturbation.
    """
    X, inverse = eigen.vectors()
    G, H = X.conj().T @ X, inverse @ inverse.conj().T
    gaps = eigen.values[:, None] - eigen.values[None, :]
    # Equal eigenvalues with independent vectors do not move each other to first order.
    W = np.divide(1.0, gaps, out=np.zeros_like(gaps), where=gaps != 0.0)
    Z = np.diag(H).real[:, None] * G * W + np.diag(G).real[None, :] * H * W.T
    slope = 2.0 * (X @ Z @ inverse).T
    return slope.conj() if np.iscomplexobj(eigen.E) else slope.real


def _is_closed(values, images):
    """Return whether a function takes conjugate eigenvalues, which stand together, to conjugate images."""
    i = np.flatnonzero(values.imag > 0.0)
    on_axis = values.imag == 0.0
    return np.array_equal(images[i].conj(), images[i + 1]) and not np.any(images[on_axis].imag)


def _pairs_together(values):
    """Return an order by modulus of the imaginary part, then real part; LAPACK's conjugate pairs stay."""
    return np.lexsort((values.real, np.abs(values.imag)))


def _result(problem, eigen, allowance, scale, dtype, n_iter, ended, max_iter):
    """Return the public result, and warn where rounding spoils it."""
    A, norm = problem.A, problem.norm
    asked = problem.radius / norm if norm > 0.0 else 0.0
    V, inverse = (part.astype(complex_name(dtype)) for part in eigen.vectors())
    values = (eigen.values * scale).astype(complex_name(dtype))
    with np.errstate(over="ignore", invalid="ignore"):
        # Of what is returned, rounded to single precision perhaps.
        error = A - (V.astype(complex) * (values.astype(complex) / scale)) @ inverse
    error = spectral_norm(error) / norm if norm > 0.0 else 0.0
    condition = max(spectral_norm(eigen.basis) * spectral_norm(eigen.inverse), 1.0)
    status = f"The backward error is {error:.2g} (eps={asked:.2g}), the condition number {condition:.3g}."
    reached = error <= allowance * asked + 10.0 * len(A) * np.finfo(dtype).eps
    if not reached:
        remedy = f"Raise eps: rounding and perturbation balance near {math.sqrt(np.finfo(dtype).eps):.0e}."
        status += f" Rounding is larger than eps. {remedy}"
        warnings.warn(
            f"the backward error is {error:.2g} where eps={asked:.2g} was asked for: the eigenvectors have "
            f"condition number {condition:.2g}. {remedy}",
            IllConditionedWarning,
            stacklevel=3,
        )
    if not ended:
        status += f" Descent was still going on after max_iter={max_iter} steps."
    return DiagonalizationResult(
        eigenvalues=values,
        eigenvectors=V,
        inverse_eigenvectors=inverse,
        perturbation=(eigen.E * scale).astype(dtype),
        condition=condition,
        backward_error=error,
        spectral_abscissa=float(eigen.values.real.max() * scale),
        n_iter=n_iter,
        converged=bool(reached and ended),
        status=status,
        _is_real=not np.iscomplexobj(A),
    )
