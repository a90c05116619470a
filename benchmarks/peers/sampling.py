"""Peers of `spectralkit.sampling`: DPPy, and loops as the formulas read."""

import numpy as np


def dppy_ensemble(m, d):
    """DPPy's ensemble of m points, uniform on [-1, 1]^d; `dppy_indices` are the degrees it has chosen."""
    from dppy.multivariate_jacobi_ope import MultivariateJacobiOPE

    return MultivariateJacobiOPE(m, np.zeros((d, 2)))


def dppy_indices(ensemble):
    """Degrees of the functions of a DPPy ensemble, (m, d)."""
    return np.array(ensemble.ordering, dtype=np.int64)


def dppy_sample(ensemble, seed):
    """One draw: a proposal at a time, rejected jointly in all coordinates."""
    return ensemble.sample(random_state=seed)


def dppy_basis(ensemble, X):
    """DPPy's evaluation of the functions, orthonormal in the uniform probability measure."""
    return ensemble.eval_multiD_polynomials(X) * 2 ** (X.shape[1] / 2)


def dppy_finite(Q, seed):
    """Rows of orthonormal columns by DPPy's chain rule, O(N m^2)."""
    from dppy.finite_dpps import FiniteDPP

    process = FiniteDPP("correlation", projection=True, K_eig_dec=(np.ones(Q.shape[1]), Q))
    return process.sample_exact(mode="GS", random_state=seed)


def product_basis(X, indices):
    """Products of Legendre polynomials of norm 1, one function after the other."""
    tables = [
        np.polynomial.legendre.legvander(x, top) * np.sqrt(2 * np.arange(top + 1) + 1)
        for x, top in zip(X.T, indices.max(axis=0), strict=True)
    ]
    values = np.empty((len(X), len(indices)))
    for j, index in enumerate(indices):
        values[:, j] = np.prod([table[:, k] for table, k in zip(tables, index, strict=True)], axis=0)
    return values
