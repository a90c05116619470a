"""Diagonal systems to start from: approximations of HiPPO's, and one that is exact."""

import math
from dataclasses import dataclass

import numpy as np

from spectralkit._core.checks import check_integer, check_number, check_option
from spectralkit._core.random import as_rng
from spectralkit._core.results import Result
from spectralkit.nonnormal import perturb_then_diagonalize
from spectralkit.statespace._hippo import check_even, hippo

KINDS = ("lin", "inv", "legs", "ptd")


@dataclass(frozen=True, repr=False, eq=False)
class DiagonalInit(Result):
    """
    A real system in diagonal form, as `diagonal_init` returns it; unpacks to ``A, B``.

    Of each pair of conjugate states one is kept, and the full real state is ``2 Re basis @ (weight * x)``
    for the diagonal state ``x' = A x + B u``. A row C of outputs of the full state therefore acts on x as
    ``C @ basis * weight``, which is what `diagonal_scan` and `vandermonde_kernel` take.

    Attributes
    ----------
    A : array of shape (r,), complex
        Eigenvalues with imaginary part at least 0.
    B : array of shape (r,), complex
        How the input enters.
    weight : array of shape (r,)
        1 for one of a conjugate pair, 1/2 for a real eigenvalue, which stands for itself alone.
    basis : array of shape (n, r), complex
        How the full state is composed of the diagonal one.
    """

    A: np.ndarray
    B: np.ndarray
    weight: np.ndarray
    basis: np.ndarray

    def __iter__(self):
        return iter((self.A, self.B))


def diagonal_init(kind, n, *, eps="auto", rng=None):
    """
    Return a diagonal state-space system with n real states.

    "ptd" reproduces the LegS system of `hippo`; "legs", "lin" and "inv" are cheaper and follow it
    loosely. Cost `O(n^3)` for "ptd", some seconds for n = 1024, and for "legs"; `O(n^2)` for the others.

    Parameters
    ----------
    kind : str
        "ptd": LegS perturbed, then diagonalized [2]_; "legs": the normal part of LegS; "inv" and "lin":
        frequencies by formula [1]_.
    n : int
        Number of real states; even except for "ptd".
    eps : float or "auto", default="auto"
        Norm of the perturbation of "ptd" relative to that of the matrix: see
        `spectralkit.nonnormal.perturb_then_diagonalize`. "auto" is for responses that are as accurate as
        double precision allows; a larger number for states that are better conditioned, and less accurate.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness of "ptd".

    Returns
    -------
    DiagonalInit
        The system; unpacks to ``A, B``. It has n/2 diagonal states, or with "ptd" up to n, since
        eigenvalues may be real.

    Raises
    ------
    ValueError
        If the kind is not known, n is below 1 or is odd, or eps is out of range.
    TypeError
        If n is no integer.

    See Also
    --------
    hippo : The system that is approximated.
    discretize : The same system in discrete time.
    spectralkit.nonnormal.perturb_then_diagonalize : What is behind "ptd".

    Notes
    -----
    "lin" has ``A_k = -1/2 + i π k``, "inv" ``A_k = -1/2 + i (n/π) (n/(2k+1) - 1)``, k from 0, and ones
    for B; their full state is ``[Re x; Im x]``, one above the other. "legs" has the eigenvalues of
    ``A + P P^T``, ``P_k = sqrt(k + 1/2)``, which is normal, and B/2 in their basis: without the rank-one
    term the response converges to that of LegS like 1/n at each frequency, but its largest error over
    all of them grows with n [2]_ [3]_.

    "ptd" diagonalizes ``A + E`` with a small skew E, which leaves ``A + A^T`` alone, so that real parts
    stay below -1/2. With "auto" it couples the first state, which is smooth, with the last one, which is
    small: responses are within 1e-6 of the largest, and the condition number of the basis is about 1e6 n.
    So about seven digits cancel where diagonal states make up the full one: use double precision, since
    complex64 and float32 systems are inaccurate.

    References
    ----------
    .. [1] A. Gu, A. Gupta, K. Goel and C. Ré, "On the parameterization and initialization of diagonal
       state space models", NeurIPS 2022, arXiv:2206.11893.
    .. [2] A. Yu, A. Nigmetov, D. Morozov, M. W. Mahoney and N. B. Erichson, "Robustifying state-space
       models for long sequences via approximate diagonalization", ICLR 2024, arXiv:2310.01698.
    .. [3] A. Gu, I. Johnson, A. Timalsina, A. Rudra and C. Ré, "How to train your HiPPO: State space
       models with generalized orthogonal basis projections", ICLR 2023, arXiv:2206.12037.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import diagonal_init, legs_kernel
    >>> init = diagonal_init("ptd", 16, rng=0)
    >>> t = 0.5
    >>> response = 2.0 * (init.basis @ (init.weight * init.B * np.exp(t * init.A))).real
    >>> np.allclose(response, legs_kernel(16, t), atol=1e-6)
    True
    """
    check_option("kind", kind, KINDS)
    n = check_integer("n", n, 1)
    if kind == "ptd":
        return _perturbed_legs(n, eps, rng)
    if isinstance(eps, str):
        check_option("eps", eps, ("auto",))
    else:
        check_number("eps", eps, 0.0, open_low=True)
    as_rng(rng)
    check_even(n, 'States come in conjugate pairs; "ptd" takes odd numbers.')
    if kind == "legs":
        return _normal_legs(n)
    r = n // 2
    k = np.arange(r)
    frequencies = math.pi * k if kind == "lin" else (n / math.pi) * (n / (2.0 * k + 1.0) - 1.0)
    half = 0.5 * np.eye(r)
    return DiagonalInit(
        -0.5 + 1j * frequencies, np.ones(r, complex), np.ones(r), np.vstack([half, -1j * half])
    )


def _perturbed_legs(n, eps, rng):
    """Return LegS in a basis in which a matrix nearby is diagonal."""
    A, B = hippo("legs", n)
    result = perturb_then_diagonalize(A, eps, rng=rng)
    values = result.eigenvalues
    order = np.lexsort((values.real, values.imag))
    order = order[values.imag[order] >= 0.0]
    values, states = values[order], result.inverse_eigenvectors[order] @ B
    return DiagonalInit(values, states, np.where(values.imag > 0.0, 1.0, 0.5), result.eigenvectors[:, order])


def _normal_legs(n):
    """Return LegS without its rank-one part, in the unitary basis in which that is diagonal."""
    A, B = hippo("legs", n)
    P = np.sqrt(np.arange(n) + 0.5)
    normal = A + np.outer(P, P)
    # -1/2 off the diagonal part it is skew, so that i times it is Hermitian.
    frequencies, V = np.linalg.eigh(-0.5j * (normal - normal.T))
    frequencies, V = frequencies[n // 2 :], V[:, n // 2 :]
    B = V.conj().T @ B
    phase = B / np.abs(B)  # each vector has a phase to choose: B is positive
    return DiagonalInit(-0.5 + 1j * frequencies, 0.5 * np.abs(B) + 0j, np.ones(n // 2), V * phase)
