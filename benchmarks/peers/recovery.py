"""Peers of `spectralkit.recovery`, all on the dense Kronecker product."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular


def textbook_posterior(y, A, g, noise_var):
    """Mean and variance as textbooks have them, by a difference and by way of the full covariance."""
    G = np.diag(g)
    AG = A * g
    C = noise_var * np.eye(len(y)) + AG @ A.conj().T
    covariance = G - AG.conj().T @ np.linalg.solve(C, AG)
    return covariance @ (A.conj().T @ y) / noise_var, np.diag(covariance).real


def dense_sbl(y, A, noise_var, *, prune=1e-3, tol=1e-4, max_iter=150):
    """Classical sparse Bayesian learning: EM, with the M x M covariance of real measurements."""
    kept, g = np.arange(A.shape[1]), np.ones(A.shape[1])
    for _ in range(max_iter):
        H = A[:, kept]
        C = (H * g) @ H.T
        C[np.diag_indices_from(C)] += noise_var
        L = np.linalg.cholesky(C)
        W = solve_triangular(L, H, lower=True, check_finite=False)
        w = solve_triangular(L, y, lower=True, check_finite=False)
        new = (g * (W.T @ w)) ** 2 + g - g**2 * np.einsum("ij,ij->j", W, W)
        change = np.linalg.norm(new - g) / np.linalg.norm(g)
        alive = new >= prune * new.max()
        kept, g = kept[alive], new[alive]
        if change <= tol:
            break
    H = A[:, kept]
    C = (H * g) @ H.T + noise_var * np.eye(len(y))
    x = np.zeros(A.shape[1])
    x[kept] = g * (H.T @ cho_solve(cho_factor(C, lower=True), y))
    return x


def ard(y, A):
    """scikit-learn's ARDRegression, which learns the noise."""
    from sklearn.linear_model import ARDRegression

    return ARDRegression(fit_intercept=False).fit(A, y).coef_
