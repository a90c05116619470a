"""Prior variances of the coefficients of an expansion, by evidence, and the posterior they give."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from spectralkit.gaussian_process._conditions import rms

# Standard deviation of boundary data over the size of the solution: exact would be singular.
_BOUNDARY = 1e-6
# Prior standard deviation of what is not in the source, in units of the solution.
_FLAT = 10.0
_PRUNE = 1e-10


@dataclass(frozen=True)
class WeightPosterior:
    """Normal distribution of the coefficients, and how it was found."""

    mean: np.ndarray
    root: np.ndarray
    """``root.T @ root`` is the covariance."""
    log_evidence: float
    """Up to a constant that depends on the problem only."""
    n_iter: int
    change: float


def evidence_weights(collocation, C, std, max_iter, tol):
    """
    Return the posterior of the coefficients under the mixture of spectra that maximises the evidence.

    The equations are linearised at C, with noise of a given standard deviation. The prior variances of the
    coefficients are a nonnegative combination of products of the spectra of the dictionaries, of weights w.
    MacKay's fixed point is where the gradient of the evidence in w vanishes: of spectrum g, prior variances s
    and shrinkage γ, ``w = w (Σ g c² / s²) / (Σ g γ / s)``. It is iterated, at the QR factorisation of twice
    as many rows as coefficients each, until the fit moves by less than ``tol`` of its standard deviation.
    """
    A, y, outside = collocation.source_equations(C)
    y = y + A @ C.ravel()
    largest = max([rms(collocation.apply(C, (0,) * C.ndim)), *map(abs_max, collocation.problem.conditions)])
    weight = std / (_BOUNDARY * largest) if largest > 0.0 else 1.0
    norms = np.linalg.norm(A, axis=0)
    rows, right = [A], [y]
    for B, g, left in collocation.boundary_equations(np.zeros_like(C)):
        rows.append(weight * B)
        right.append(weight * g)
        outside += weight**2 * left
    A, y = np.concatenate(rows), np.concatenate(right)
    # In units of what the functions are in the source. Those that it does not show are for the boundary alone
    # to determine: their prior is flat.
    hidden = norms <= 1e-8 * norms.max()
    norms[hidden] = 1.0
    flat = np.where(hidden, (_FLAT * largest) ** 2, 0.0)
    R = np.linalg.qr(np.concatenate([A / norms, y[:, None]], axis=1), mode="r") / std
    outside = outside / std**2 + float(np.sum(R[len(norms) :, -1] ** 2))
    R, y = R[: len(norms), :-1], R[: len(norms), -1]
    spectra = functools.reduce(np.kron, [d.spectra() for d in collocation.dictionaries])
    spectra[:, hidden] = 0.0
    spectra = spectra[spectra.any(axis=1)]
    w = np.full(len(spectra), std**2 * max(float(y @ y), 1e-300) / len(norms))
    change, n_iter, before = np.inf, 0, np.zeros(len(norms))
    for n_iter in range(1, max_iter + 1):  # noqa: B007
        prior = w @ spectra + flat
        _, c, gamma, _ = _posterior(R, y, prior)
        inverse = np.divide(1.0, prior, out=np.zeros_like(prior), where=prior > 0.0)
        found, expected = spectra @ (c * inverse) ** 2, spectra @ (gamma * inverse)
        # Of a line that the data do not show at all the ratio is one of rounding errors.
        shown = expected > 1e-8 * (spectra @ inverse)
        w = w * np.divide(found, expected, out=np.ones_like(w), where=shown)
        w = np.where(w > _PRUNE * w.max(initial=0.0), w, 0.0)
        change = float(np.linalg.norm(R @ (c - before))) / math.sqrt(max(gamma.sum(), 1.0))
        if change <= tol:
            break
        before = c
    root, c, _, log_evidence = _posterior(R, y, w @ spectra + flat)
    log_evidence -= 0.5 * outside + collocation.problem.source.size * math.log(std)
    return WeightPosterior((c / norms).reshape(C.shape), root / norms, log_evidence, n_iter, change)


def abs_max(condition):
    """Return the largest of the values of a condition, if they are those of the solution."""
    return float(np.abs(condition.values).max(initial=0.0)) if not condition.order else 0.0


def _posterior(R, y, prior):
    """Return a root of the covariance, the mean, how far each coefficient is determined, and the evidence.

    R and y are in units of the noise.
    """
    # Pruned coefficients are left out, and are 0. By QR: boundary rows are too heavy to be squared.
    active = prior > 0.0
    s = np.sqrt(prior[active])
    rows = np.concatenate([R[:, active] * s, np.eye(len(s))])
    right = np.concatenate([y, np.zeros(len(s))])
    T = np.linalg.qr(np.concatenate([rows, right[:, None]], axis=1), mode="r")
    T, z, left = T[: len(s), :-1], T[: len(s), -1], T[len(s), -1]
    root, c, gamma = np.zeros((len(s), len(prior))), np.zeros(len(prior)), np.zeros(len(prior))
    root[:, active] = scipy.linalg.solve_triangular(T, np.diag(s), trans="T")
    c[active] = s * scipy.linalg.solve_triangular(T, z)
    gamma[active] = 1.0 - np.sum(root[:, active] ** 2, axis=0) / prior[active]
    return root, c, gamma, -float(np.sum(np.log(np.abs(np.diag(T))))) - 0.5 * left**2
