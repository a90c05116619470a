"""The linear Gaussian model of a Kronecker product: what is measured, and the posterior."""

import dataclasses
import functools
import math

import numpy as np

from spectralkit._core.dtypes import dtype_name
from spectralkit._core.namespaces import from_host, to_host
from spectralkit.recovery._products import adjoint_of, multiply, outer, squared_modulus


@dataclasses.dataclass(frozen=True)
class Measurements:
    """
    Measurements ``Y = (H_1 ⊗ ... ⊗ H_I) X + noise``, without what no coefficient can change.

    Factors with more rows than columns are replaced by the triangles of their QR factorisations: of what Y
    has outside of their column spaces only the energy matters.
    """

    factors: list
    """Matrices of shape (m_i, n_i) with m_i ≤ n_i, in double precision."""
    Y: object
    """Array of shape (m_1 ... m_I, L)."""
    outside: float
    """Squared norm of what has been left out of Y."""
    n_measurements: int
    """Measurements in one column of Y before anything was left out."""
    xp: object

    @property
    def n_snapshots(self):
        return self.Y.shape[1]

    @property
    def is_complex(self):
        return dtype_name(self.Y.dtype).startswith("complex")

    @property
    def shape(self):
        """Numbers of columns of the factors."""
        return tuple(factor.shape[1] for factor in self.factors)

    def log_jacobian(self, unit):
        """Return what measurements divided by ``unit`` add to the negative log evidence."""
        return (2.0 if self.is_complex else 1.0) * self.n_measurements * self.n_snapshots * math.log(unit)

    def restricted(self, kept):
        """Return the measurements with some columns of each factor alone; ``kept`` are host indices."""
        xp = self.xp
        columns = [from_host(indices, xp, self.Y) for indices in kept]
        factors = [xp.take(factor, j, axis=1) for factor, j in zip(self.factors, columns, strict=True)]
        return measurements(factors, self.Y, xp, self.outside, self.n_measurements)


def measurements(factors, Y, xp, outside=0.0, n_measurements=None):
    """Return `Measurements`, with tall factors made square."""
    n_measurements = n_measurements or Y.shape[0]
    heights = [factor.shape[0] for factor in factors]
    square = list(factors)
    for i, factor in enumerate(factors):
        if factor.shape[0] <= factor.shape[1]:
            continue
        Q, square[i] = xp.linalg.qr(factor)
        before, after = math.prod(heights[:i]), math.prod(heights[i + 1 :]) * Y.shape[1]
        # The axis of this factor first: one matrix product, whatever stands around it.
        front = xp.reshape(Y, (before, heights[i], after))
        front = xp.reshape(xp.permute_dims(front, (1, 0, 2)), (heights[i], before * after))
        inside = adjoint_of(Q, xp) @ front
        # Not ||Y||² - ||Q^H Y||², which loses small noise to cancellation.
        outside += float(xp.sum(squared_modulus(front - Q @ inside, xp)))
        heights[i] = factor.shape[1]
        Y = xp.permute_dims(xp.reshape(inside, (heights[i], before, after)), (1, 0, 2))
        Y = xp.reshape(Y, (math.prod(heights), -1))
    return Measurements(square, Y, outside, n_measurements, xp)


@dataclasses.dataclass(frozen=True)
class Factorisation:
    """
    Singular value decompositions ``H_i diag(gamma_i)^(1/2) = U_i S_i V_i^H``.

    The covariance of the measurements is ``⊗ U_i (noise_var I + ⊗ S_i²) ⊗ U_i^H``.
    """

    given: Measurements
    roots: list
    """Square roots of the gammas, as arrays of shape (n_i, 1)."""
    left: list
    right: list
    singular_values: list

    @functools.cached_property
    def eigenvalues(self):
        """Eigenvalues of the covariance of the noiseless measurements, of shape (m_1 ... m_I,)."""
        return outer([s * s for s in self.singular_values], self.given.xp)

    @functools.cached_property
    def rotated(self):
        """Measurements in the basis of the eigenvectors, of shape (m_1 ... m_I, L)."""
        xp = self.given.xp
        return multiply([adjoint_of(U, xp) for U in self.left], self.given.Y, xp)

    @functools.cached_property
    def energies(self):
        """Squared moduli of ``rotated``, summed over the snapshots."""
        xp = self.given.xp
        return xp.sum(squared_modulus(self.rotated, xp), axis=1)

    def neg_log_evidence(self, noise_var):
        """Return ``-log p(Y)`` with all constants, summed over the snapshots."""
        given, xp = self.given, self.given.xp
        spread = noise_var + self.eigenvalues
        n = given.n_measurements
        log_determinant = float(xp.sum(xp.log(spread))) + (n - given.Y.shape[0]) * math.log(noise_var)
        quadratic = float(xp.sum(self.energies / spread)) + given.outside / noise_var
        weight = 1.0 if given.is_complex else 0.5
        constant = n * given.n_snapshots * math.log(math.pi / weight)
        return weight * (given.n_snapshots * log_determinant + quadratic + constant)

    def expected_noise_energy(self, noise_var):
        """Return the posterior expectation of ``|noise|²``, summed over all measurements."""
        xp = self.given.xp
        share = noise_var / (noise_var + self.eigenvalues)
        misfit = float(xp.sum(self.energies * share * share)) + self.given.outside
        explained = float(xp.sum(1.0 - share))
        return misfit + self.given.n_snapshots * noise_var * explained

    def mean(self, noise_var):
        """Return the posterior mean of the coefficients, of shape (n_1 ... n_I, L)."""
        xp = self.given.xp
        gains = xp.sqrt(self.eigenvalues) / (noise_var + self.eigenvalues)
        synthesis = [root * V for root, V in zip(self.roots, self.right, strict=True)]
        return multiply(synthesis, self.rotated * gains[:, None], xp)

    def shrinkage(self, noise_var):
        """
        Return posterior over prior variance of each coefficient, of shape (n_1 ... n_I,), in (0, 1].

        It is ``Σ_k noise_var / (noise_var + λ_k) ∏_i |V_i[j_i, k_i]|²`` over complete bases V_i: a sum of
        positive terms, where ``1 - Σ_k λ_k / ...`` cancels. The null space of a factor has λ = 0 whatever
        the others do, so that only its sum is needed.
        """
        xp = self.given.xp
        weights, eigenvalues = [], []
        for V, s in zip(self.right, self.singular_values, strict=True):
            weight, eigenvalue = squared_modulus(V, xp), s * s
            if V.shape[0] > V.shape[1]:
                weight, eigenvalue = with_null_space(weight, eigenvalue, null_leverage(V, xp), xp)
            weights.append(weight)
            eigenvalues.append(eigenvalue)
        shares = noise_var / (noise_var + outer(eigenvalues, xp))
        return multiply(weights, shares[:, None], xp)[:, 0]

    def variance(self, noise_var):
        """Return the posterior variance of each coefficient, of shape (n_1 ... n_I,)."""
        prior = outer([root[:, 0] * root[:, 0] for root in self.roots], self.given.xp)
        return prior * self.shrinkage(noise_var)


def with_null_space(weights, eigenvalues, null, xp):
    """Return weights and eigenvalues with one more, for all of a null space together."""
    zero = xp.zeros_like(eigenvalues[:1])
    return xp.concat([weights, null[:, None]], axis=1), xp.concat([eigenvalues, zero])


def null_leverage(V, xp):
    """
    Return ``1 - Σ_k |V_jk|²`` for orthonormal columns, to nearly full relative accuracy.

    Where that is small it cancels. With P the projection on the columns, 1 - P_jj is then the root of
    ``(1 - x) x = Σ_{i != j} |P_ij|²``, whose right side is a sum of positive terms: at most about as many
    rows as there are columns are that well covered.
    """
    null = np.maximum(1.0 - host_floats(xp.sum(squared_modulus(V, xp), axis=1)), 0.0)
    small = np.flatnonzero(null < 0.01)
    if len(small):
        rows = xp.take(V, from_host(small, xp, V), axis=0)
        overlaps = host_floats(squared_modulus(rows @ adjoint_of(V, xp), xp))
        overlaps[np.arange(len(small)), small] = 0.0
        null[small] = 2.0 * np.sum(overlaps, axis=1) / (1.0 + np.sqrt(1.0 - 4.0 * np.sum(overlaps, axis=1)))
    return from_host(null, xp, V)


def factorise(given, gammas):
    """Return the `Factorisation` of measurements for host vectors ``gammas``."""
    xp = given.xp
    roots, left, right, singular_values = [], [], [], []
    for factor, gamma in zip(given.factors, gammas, strict=True):
        root = from_host(np.sqrt(gamma), xp, factor)
        U, s, Vh = xp.linalg.svd(factor * root[None, :], full_matrices=False)
        roots.append(root[:, None])
        left.append(U)
        right.append(adjoint_of(Vh, xp))
        singular_values.append(s)
    return Factorisation(given, roots, left, right, singular_values)


def full_length(values, kept, shape, xp):
    """Return columns with ``values`` of shape (k_1 ... k_I, L) at the kept indices, zero elsewhere."""
    size = math.prod(shape)
    if values.shape[0] == size:
        return values
    source = np.full(size, values.shape[0])  # of the zeros, appended below
    source[flat_indices(kept, shape)] = np.arange(values.shape[0])
    zeros = xp.astype(from_host(np.zeros((1, values.shape[1])), xp, values), values.dtype)
    return xp.take(xp.concat([values, zeros]), from_host(source, xp, values), axis=0)


def flat_indices(kept, shape):
    """Return the sorted indices, in C order, of the Kronecker product of the kept atoms."""
    return np.ravel_multi_index(np.ix_(*kept), shape).reshape(-1).astype(np.int64, copy=False)


def host_floats(array):
    """Return a small real array on the host."""
    return np.asarray(to_host(array), np.float64)
