"""Print the guide's tables of non-normal matrices.

``python docs/nonnormal_table.py [eig|eps|structure|weak|mode]``: all tables if none is named.
"""

import sys
import warnings

import numpy as np

import spectralkit
from spectralkit.nonnormal import IllConditionedWarning, perturb_then_diagonalize
from spectralkit.statespace import diagonal_init, hippo, legs_kernel, legs_transfer_function

TIMES = np.concatenate([[0.0], np.logspace(-6, 1, 400)])


def diagonalized(A, eps, **options):
    """Return a result, also where rounding is larger than eps: the table says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IllConditionedWarning)
        return perturb_then_diagonalize(A, eps, rng=0, **options)


def system(result, B):
    """Return eigenvalues, eigenvectors and the input in their basis."""
    return result.eigenvalues, result.eigenvectors, result.inverse_eigenvectors @ B


def s4d(n):
    """Return the same of the normal part of LegS with half of the input, all n states."""
    init = diagonal_init("legs", n)
    values, b = (np.append(part, part.conj()) for part in (init.A, init.B))
    return values, np.hstack([init.basis, init.basis.conj()]), b


def kernel_error(n, values, V, b):
    """Return the largest error of the responses of 50 random outputs over the largest value."""
    C = np.random.default_rng(0).standard_normal((50, n))
    C /= np.linalg.norm(C, axis=1)[:, None]
    exact = C @ legs_kernel(n, TIMES).T
    with np.errstate(all="ignore"):
        found = ((C @ V) * b) @ np.exp(np.outer(values, TIMES))
        return np.max(np.abs(found - exact)) / np.max(np.abs(exact))


def frequencies(n):
    """Return points of the imaginary axis, dense around the last eigenvalue of the normal part."""
    last = diagonal_init("legs", n).A.imag.max()
    around = last + np.linspace(-3, 3, 601)
    return np.sort(np.concatenate([[0.0, 1.0], np.logspace(-2, 6, 3000), around]))


def transfer(values, V, b, omega):
    """Return the transfer function of a diagonal system at points of the imaginary axis."""
    return (b / (1j * omega[:, None] - values)) @ V.T


def transfer_errors(n, values, V, b):
    """Return the largest error of the transfer function to all states, and the error at ω = 1."""
    omega = frequencies(n)
    difference = transfer(values, V, b, omega) - legs_transfer_function(n, 1j * omega)
    errors = np.linalg.norm(difference, axis=1)
    return errors.max(), errors[np.searchsorted(omega, 1.0)]


def eig():
    """Print what NumPy's eig makes of LegS, and what the perturbed matrix does."""
    head("$n$", "`eig`: condition", "its backward error", "perturbed: condition", "its backward error")
    for n in (8, 16, 32, 64, 128):
        A = hippo("legs", n)[0]
        values, V = np.linalg.eig(A)
        error = np.linalg.norm(A - (V * values) @ np.linalg.inv(V), 2) / np.linalg.norm(A, 2)
        result = diagonalized(A, "auto")
        print(
            f"| {n} | {np.linalg.cond(V):.0e} | {error:.0e} | {result.condition:.0e} | "
            f"{result.backward_error:.1e} |"
        )


def eps():
    """Print condition and errors against the size of the perturbation, 64 states."""
    n = 64
    A, B = hippo("legs", n)
    head(
        "ε",
        "condition",
        "backward error",
        "error of the response",
        "of the transfer function, over $\\lVert E \\rVert$",
        "one random: condition",
        "its error of the response",
        "over $\\lVert E \\rVert$",
    )
    for size in (*(10.0**-exponent for exponent in range(1, 13)), "auto"):
        cells = []
        for options in ({}, {"n_trials": 1}):
            result = diagonalized(A, size, **options)
            found = system(result, B)
            share = transfer_errors(n, *found)[0] / np.linalg.norm(result.perturbation, 2)
            cells.append([result.condition, result.backward_error, kernel_error(n, *found), share])
        (best, backward, error, share), (condition, _, its, its_share) = cells
        label = f'`"{size}"`' if isinstance(size, str) else f"{size:.0e}"
        print(
            f"| {label} | {number(best)} | {backward:.1e} | {error:.1e} | {short(share)} | "
            f"{number(condition)} | {its:.1e} | {short(its_share)} |"
        )


def structure():
    """Print largest real parts and condition numbers of kinds of perturbations."""
    kinds = {
        "any, one random": {"structure": "none", "n_trials": 1},
        "any, optimized": {"structure": "none", "method": "optimize"},
        "skew, one random": {"n_trials": 1},
        "skew, best of five": {},
        "skew, optimized": {"method": "optimize"},
    }
    head("$n$, ε", *kinds)
    for n, size in ((16, 0.1), (64, 0.1), (128, 0.1), (64, 1e-2), (64, 1e-3), (64, 1e-4)):
        A = hippo("legs", n)[0]
        results = [diagonalized(A, size, **options) for options in kinds.values()]
        cells = [f"{result.spectral_abscissa:+.2f}, {number(result.condition)}" for result in results]
        print(f"| {n}, {size:g} | " + " | ".join(cells) + " |")


def weak():
    """Print errors of transfer functions: the normal part, and perturbed matrices."""
    head(
        "$n$",
        "S4D: largest",
        "over $2n/\\pi$",
        "at ω = 1",
        "times $n$",
        "ε = 1e-8: largest",
        "over $\\lVert E \\rVert$",
        '`"auto"`: largest',
    )
    for n in (16, 32, 64, 128, 256):
        A, B = hippo("legs", n)
        worst, at_one = transfer_errors(n, *s4d(n))
        largest = transfer_errors(n, *system(diagonalized(A, 1e-8), B))[0]
        automatic = transfer_errors(n, *system(diagonalized(A, "auto"), B))[0]
        print(
            f"| {n} | {worst:.1f} | {worst / (2 * n / np.pi):.3f} | {at_one:.1e} | {at_one * n:.2f} | "
            f"{largest:.1e} | {largest / (1e-8 * np.linalg.norm(A, 2)):.2f} | "
            f"{automatic:.1e} |"
        )


def mode():
    """Print the gain at the frequency of the last eigenvalue of the normal part."""
    head("$n$", "frequency", "LegS", "S4D", 'perturbed, `"auto"`', "perturbed, ε = 0.1")
    for n in (16, 64, 128):
        A, B = hippo("legs", n)
        omega = np.array([diagonal_init("legs", n).A.imag.max()])
        systems = [s4d(n), *(system(diagonalized(A, size), B) for size in ("auto", 0.1))]
        gains = [legs_transfer_function(n, 1j * omega), *(transfer(*found, omega) for found in systems)]
        cells = [f"{np.linalg.norm(gain):.3g}" for gain in gains]
        print(f"| {n} | {omega[0]:.1f} | " + " | ".join(cells) + " |")


def head(*columns):
    """Print the head of a table."""
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))


def number(value):
    """Return three digits, or two and an exponent."""
    return f"{value:.3g}" if value < 1e4 else f"{value:.1e}"


def short(share):
    """Return two digits."""
    return f"{share:.2g}" if share < 100 else f"{share:.0e}"


if __name__ == "__main__":
    tables = {"eig": eig, "eps": eps, "structure": structure, "weak": weak, "mode": mode}
    with spectralkit.threads(1):
        for name in sys.argv[1:] or tables:
            tables[name]()
            print()
