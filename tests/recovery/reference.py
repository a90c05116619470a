"""Dense references: the products formed, the covariances inverted."""

import functools

import numpy as np
from scipy.stats import multivariate_normal


def kron(matrices):
    return functools.reduce(np.kron, matrices)


def normal(rng, shape, is_complex=False):
    values = rng.standard_normal(shape)
    return (values + 1j * rng.standard_normal(shape)) / np.sqrt(2) if is_complex else values


def dense_posterior(Y, H, gamma, noise_var):
    """Return mean and variance by least squares with a prior, and the negative logarithm of the density."""
    root = np.sqrt(gamma)
    stacked = np.concatenate([H * root / np.sqrt(noise_var), np.eye(len(gamma))])
    Q, R = np.linalg.qr(stacked)
    inverse = np.linalg.inv(R)
    mean = (root * (inverse @ Q[: len(H)].conj().T @ (Y / np.sqrt(noise_var))).T).T
    variance = gamma * np.sum(np.abs(inverse) ** 2, axis=1)
    C = noise_var * np.eye(len(H)) + (H * gamma) @ H.conj().T
    columns = Y.reshape(len(H), -1).T
    if np.iscomplexobj(C) or np.iscomplexobj(Y):
        _, log_determinant = np.linalg.slogdet(np.pi * C)
        quadratic = np.sum(columns.conj() * np.linalg.solve(C, columns.T).T).real
        return mean, variance, len(columns) * log_determinant + quadratic
    return mean, variance, -np.sum(multivariate_normal(cov=C).logpdf(columns))


def textbook_variance(H, gamma, noise_var):
    """Return the variance by the formula of the textbooks, which cancels."""
    C = noise_var * np.eye(len(H)) + (H * gamma) @ H.conj().T
    return gamma - np.einsum("ij,ij->j", (H * gamma).conj(), np.linalg.solve(C, H * gamma)).real


def oracle(problem):
    """Return least squares on the true support."""
    places = np.unravel_index(problem.support, [d.shape[1] for d in problem.dictionaries])
    columns = np.ones((1, len(problem.support)))
    for dictionary, place in zip(problem.dictionaries, places, strict=True):
        columns = (columns[:, None] * dictionary[:, place]).reshape(-1, len(problem.support))
    coef = np.zeros_like(problem.coef)
    coef[problem.support] = np.linalg.lstsq(columns, problem.Y, rcond=None)[0]
    return coef


def planted(shapes, places, values, seed=0, noise=0.0, is_complex=False):
    """Return measurements, Gaussian dictionaries and coefficients: a Kronecker product of sparse vectors."""
    rng = np.random.default_rng(seed)
    dictionaries = [normal(rng, shape, is_complex) for shape in shapes]
    parts = []
    for (_, n), where, what in zip(shapes, places, values, strict=True):
        part = np.zeros(n, dtype=complex if is_complex else float)
        part[where] = what
        parts.append(part)
    coef = kron(parts)
    clean = kron(dictionaries) @ coef
    return clean + noise * normal(rng, clean.shape, is_complex), dictionaries, coef
