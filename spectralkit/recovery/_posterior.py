"""The posterior of coefficients under a Kronecker dictionary and a separable Gaussian prior."""

import math
from dataclasses import dataclass

import numpy as np

from spectralkit._core.arrays import power_of_two
from spectralkit._core.checks import invalid
from spectralkit._core.namespaces import from_host
from spectralkit._core.results import Result
from spectralkit.recovery._arguments import (
    as_gammas,
    as_problem,
    cast,
    check_noise_var,
    real,
)
from spectralkit.recovery._gaussian import factorise, full_length, measurements, with_null_space
from spectralkit.recovery._products import adjoint_of, multiply, outer, squared_modulus


@dataclass(frozen=True, repr=False, eq=False)
class KroneckerPosterior(Result):
    """
    A Gaussian posterior, as `kronecker_posterior` returns it.

    Attributes
    ----------
    mean : array of shape (N,) or (N, L)
        Posterior mean of the coefficients.
    variance : array of shape (N,)
        Posterior variance of each coefficient: the same for every snapshot, real, at most the prior's.
    neg_log_evidence : float
        ``-log p(Y)`` with all constants, summed over the snapshots.
    """

    mean: object
    variance: object
    neg_log_evidence: float


def kronecker_posterior(Y, dictionaries, gammas, noise_var):
    """
    Compute the posterior of coefficients measured through a Kronecker dictionary.

    The model is ``Y = (H_1 ⊗ ... ⊗ H_I) X + noise`` with a separable Gaussian prior. Use it for Bayesian
    inversion with known variances, and as the E-step of methods that learn them. Neither the Kronecker
    product nor a covariance is formed: cost `O(Σ n_i^3 + N max(n_i) I L)`, memory about eight arrays of `N`
    doubles, where a single covariance would take `N^2`.

    Parameters
    ----------
    Y : array of shape (M,), (M, L) or (m_1, .., m_I)
        Measurements, real or complex: one snapshot, `L` of them in columns, or one as a tensor in C order.
    dictionaries : sequence of arrays of shape (m_i, n_i), or one such array
        The factors ``H_i``; `M` and `N` are the products of the `m_i` and of the `n_i`.
    gammas : sequence of arrays of shape (n_i,)
        Factors of the prior variances, ``⊗ gamma_i``, non-negative.
    noise_var : float
        Variance of the noise in each measurement, positive; for complex ones the expected squared modulus.

    Returns
    -------
    KroneckerPosterior
        The mean, the variances and the negative log evidence.

    Raises
    ------
    ValueError
        If shapes do not match, something is not finite, or a variance is negative.
    TypeError
        If the arrays are of different libraries, or of a dtype that is not supported.

    See Also
    --------
    kronecker_sbl : Learns the gammas, and the noise.
    kronecker_matvec : The product itself.

    Notes
    -----
    With ``H_i diag(gamma_i)^(1/2) = U_i S_i V_i^H`` and ``λ = ⊗ S_i²``, padded with zeros,

    ``mean = diag(g)^(1/2) V (λ^(1/2) / (noise_var + λ)) U^H Y``,
    ``variance_j = g_j Σ_k noise_var / (noise_var + λ_k) |V_jk|²``, ``g = ⊗ gamma_i``,

    where ``U`` and ``V`` are Kronecker products, applied factor by factor. Every sum has positive terms, so
    mean and variance of overdetermined problems keep ten digits with noise 1e-16 times the power of the
    signal; textbook forms, which subtract, keep none. Everything is computed in double precision and rounded
    once to the dtype of the input.

    References
    ----------
    .. [1] Y. He and G. Joseph, "Bayesian algorithms for Kronecker-structured sparse vector recovery with
       application to IRS-MIMO channel estimation", 2023, arXiv:2307.14719.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.recovery import kronecker_posterior
    >>> A, B = np.eye(2), np.array([[1.0, 1.0], [1.0, -1.0]])
    >>> posterior = kronecker_posterior([3.0, 1.0, 0.0, 0.0], [A, B], [[1.0, 1.0], [1.0, 0.0]], noise_var=0.5)
    >>> posterior.mean
    array([1.6, 0. , 0. , 0. ])
    >>> posterior.variance
    array([0.2, 0. , 0.2, 0. ])
    """
    noise_var = check_noise_var(noise_var)
    columns, factors, single, dtype, xp = as_problem(Y, dictionaries)
    gammas = as_gammas(gammas, factors)
    # Powers of two, so that squares stay in range and nothing is rounded.
    units, unit = [power_of_two(factor, xp) for factor in factors], power_of_two(columns, xp)
    factors = [factor / u for factor, u in zip(factors, units, strict=True)]
    given = measurements(factors, columns / unit, xp)
    with np.errstate(over="ignore"):
        prior = [gamma * u * u for gamma, u in zip(gammas, units, strict=True)]
        prior[-1] = prior[-1] / unit / unit
    relative_noise = noise_var / unit / unit
    if not 0.0 < relative_noise < math.inf or not all(np.isfinite(gamma).all() for gamma in prior):
        constraint = (
            f"within 1e±300 of the squares of the measurements, of size {unit:.1e}, as must be gammas"
        )
        raise ValueError(invalid("noise_var", constraint, noise_var))
    shape = given.shape
    kept = [np.flatnonzero(gamma) for gamma in prior]  # a variance of zero is a coefficient of zero
    if not all(map(len, kept)):
        kept = [np.arange(n) for n in shape]
    factorisation = factorise(given.restricted(kept), [g[j] for g, j in zip(prior, kept, strict=True)])
    mean, variance = (
        full_length(values, kept, shape, xp)
        for values in (factorisation.mean(relative_noise), factorisation.variance(relative_noise)[:, None])
    )
    scale = unit / math.prod(units)
    return KroneckerPosterior(
        cast((mean[:, 0] if single else mean) * scale, dtype, xp),
        cast(variance[:, 0] * scale * scale, real(dtype), xp),
        factorisation.neg_log_evidence(relative_noise) + given.log_jacobian(unit),
    )


def predictive_parts(factors, gammas, xp):
    """Return what the variance of predictions needs: for each factor kept atoms, roots of gammas, V and S."""
    parts = []
    for factor, gamma in zip(factors, gammas, strict=True):
        kept = np.flatnonzero(gamma)
        kept = kept if len(kept) else np.arange(1)  # a variance of zero, so that no shape is empty
        root = from_host(np.sqrt(gamma[kept]), xp, factor)
        matrix = xp.take(factor, from_host(kept, xp, factor), axis=1) * root[None, :]
        if matrix.shape[0] > matrix.shape[1]:
            matrix = xp.linalg.qr(matrix)[1]
        _, s, Vh = xp.linalg.svd(matrix, full_matrices=False)
        parts.append((kept, root, adjoint_of(Vh, xp), s))
    return parts


def predictive_variance(rows, parts, noise_var, xp):
    """Return the posterior variance of ``(⊗ rows_i) X``, without the noise, for each row."""
    weights, eigenvalues = [], []
    for row, (kept, root, V, s) in zip(rows, parts, strict=True):
        scaled = xp.take(row, from_host(kept, xp, row), axis=1) * root[None, :]
        inside = scaled @ V
        weight, eigenvalue = squared_modulus(inside, xp), s * s
        if V.shape[0] > V.shape[1]:
            # The remainder, and not a difference of squared norms, which cancels.
            null = xp.sum(squared_modulus(scaled - inside @ adjoint_of(V, xp), xp), axis=1)
            weight, eigenvalue = with_null_space(weight, eigenvalue, null, xp)
        weights.append(weight)
        eigenvalues.append(eigenvalue)
    noise_var = max(noise_var, float(np.finfo(np.float64).tiny))  # zero noise is of coefficients of zero
    shares = noise_var / (noise_var + outer(eigenvalues, xp))
    return multiply(weights, shares[:, None], xp)[:, 0]
