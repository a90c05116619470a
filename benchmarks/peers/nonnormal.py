"""Peers of `spectralkit.nonnormal`: `eig`, a decomposition at each point, the normal part of LegS."""

import numpy as np
import scipy.linalg


def eig(A):
    """Eigenvalues, eigenvectors and their inverse, as NumPy has them; NaN if they are dependent."""
    values, V = np.linalg.eig(A)
    try:
        return values, V, np.linalg.inv(V)
    except np.linalg.LinAlgError:
        return values, V, np.full_like(V, np.nan)


def svd_pseudospectrum(A, z):
    """Smallest singular values of ``z - A``, a decomposition at each point: the algorithm of pseudopy."""
    eye = np.eye(len(A))
    return np.array([scipy.linalg.svdvals(point * eye - A)[-1] for point in z.ravel()]).reshape(z.shape)


def batched_svd_pseudospectrum(A, z):
    """The same by one call of NumPy for a batch of points."""
    shifted = z.ravel()[:, None, None] * np.eye(len(A)) - A
    return np.linalg.svd(shifted, compute_uv=False)[:, -1].reshape(z.shape)


def s4d_legs(A, B):
    """Eigenvalues, eigenvectors and input of S4D-LegS: the normal part, and half of the input."""
    n = len(A)
    # The normal part is -1/2 and something skew: an eigenproblem that is Hermitian.
    skew = 0.5 * (A - A.T)
    frequencies, V = np.linalg.eigh(-1j * skew)
    return -0.5 + 1j * frequencies, V, 0.5 * (V.conj().T @ B.reshape(n))
