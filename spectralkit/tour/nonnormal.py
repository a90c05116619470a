"""Non-normal matrices: the memory of a sequence model in diagonal form, and a deck of cards."""

import warnings
from fractions import Fraction
from math import comb

import numpy as np

from spectralkit.nonnormal import (
    IllConditionedWarning,
    PseudospectrumDisplay,
    perturb_then_diagonalize,
    pseudospectrum,
)
from spectralkit.tour._draw import BLUE, GREEN, ORANGE, PURPLE, panels
from spectralkit.tour._stop import StopResult, timed


def memory_in_diagonal_form():
    """Diagonalize the matrix by which a sequence model remembers a row of a photograph."""
    import scipy.linalg
    from sklearn.datasets import load_sample_image

    row = load_sample_image("china.jpg")[250].mean(axis=1) / 255.0
    row -= row.mean()
    ages = np.linspace(5.0, 0.0, len(row) + 1)  # when each pixel began and ended, before now

    def ours(A, B, eps):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IllConditionedWarning)
            result = perturb_then_diagonalize(A, eps, rng=0)
        V, inverse = result.eigenvectors, result.inverse_eigenvectors
        return _by_eigenvectors(result.eigenvalues, V, inverse @ B, row, ages)

    def numpy_eig(A, B):
        values, V = np.linalg.eig(A)
        return _by_eigenvectors(values, V, np.linalg.solve(V, B.astype(V.dtype)), row, ages)

    def normal_part(A, B):
        frequencies, V = np.linalg.eigh(-0.5j * (A - A.T))
        return _by_eigenvectors(-0.5 + 1j * frequencies, V, 0.5 * (V.conj().T @ B), row, ages)

    def expm(A, B):
        width = ages[0] - ages[1]
        step = scipy.linalg.expm(width * A)
        enters, state = np.linalg.solve(A, step @ B - B), np.zeros(len(B))
        for pixel in row:
            state = step @ state + pixel * enters
        return state

    methods = {
        "numpy.linalg.eig": numpy_eig,
        "normal part, S4D": normal_part,
        "perturbed, ε = 0.1": lambda A, B: ours(A, B, 0.1),
        "perturbed, ε auto": lambda A, B: ours(A, B, "auto"),
    }
    sizes = np.array([4, 8, 12, 16, 24, 32, 48, 64, 96, 128])
    errors = {name: [] for name in methods}
    for n in sizes:
        A, B = _legs(n)
        exact = _memory(n, row, ages)
        for name, method in methods.items():
            with np.errstate(all="ignore"):
                error = np.linalg.norm(method(A, B) - exact) / np.linalg.norm(exact)
            errors[name].append(error if np.isfinite(error) else 1e300)
    n = 64
    A, B = _legs(n)
    exact = _memory(n, row, ages)
    found, seconds = timed(ours, A, B, "auto")
    dense, peer_seconds = timed(expm, A, B)

    part, plain = (errors[name][list(sizes).index(n)] for name in ("normal part, S4D", "numpy.linalg.eig"))

    figure, left, right = panels(5.4, 5.0)
    x = np.linspace(-1.0, 1.0, 1001)[1:]
    recalled = np.polynomial.legendre.legvander(x, n - 1) * np.sqrt(2.0 * np.arange(n) + 1.0) @ found
    left.step(-ages[:-1], row, where="post", color="0.75", linewidth=1.0, label=f"{len(row)} pixels")
    left.plot(np.log(0.5 * (x + 1.0)), recalled, color=BLUE, linewidth=1.4, label=f"from {n} states")
    left.set(xlabel="time, now at 0", ylabel="brightness", xlim=(-3.0, 0.0))
    left.legend(frameon=False)
    left.set_title("A row of a photograph, and what is remembered of it", fontsize=11)
    styles = zip((ORANGE, GREEN, PURPLE, BLUE), ("s--", "^-.", "v:", "o-"), strict=True)
    for (name, values), (colour, style) in zip(errors.items(), styles, strict=True):
        right.loglog(sizes, values, style, ms=4, color=colour, label=name)
    right.set(xlabel="states", ylabel="relative error of the states", ylim=(1e-15, 1e7))
    right.set_xticks([4, 8, 16, 32, 64, 128], ["4", "8", "16", "32", "64", "128"])
    right.minorticks_off()
    right.legend(frameon=False, fontsize=9)
    right.set_title("Diagonal forms of the same model", fontsize=11)
    return StopResult(
        method="perturb_then_diagonalize",
        problem=f"HiPPO-LegS, {n} states, {len(row)} pixels",
        error=np.linalg.norm(found - exact) / np.linalg.norm(exact),
        seconds=seconds,
        peer="scipy.linalg.expm",
        peer_seconds=peer_seconds,
        sentence=(
            "The matrix has no eigenvectors that double precision could hold; one at a relative distance "
            "of 1.5e-8 has, and its states are those of the model; the error is against the closed form, an "
            f"integral of Legendre polynomials (the normal part of the matrix: {part:.1e}; eig: {plain:.0e}; "
            f"the peer's dense recurrence: {np.linalg.norm(dense - exact) / np.linalg.norm(exact):.0e})."
        ),
        figure=figure,
    )


def seven_shuffles():
    """Draw pseudospectra of a riffle shuffle, whose eigenvalues say that each shuffle helps."""
    import scipy.linalg

    cards = 52
    P, limit = _riffle(cards)
    D = P - limit
    x, y = np.linspace(-1.15, 1.15, 61), np.linspace(0.0, 1.15, 31)
    z = x + 1j * y[:, None]
    pseudospectrum(D, z[0, :2])  # compiles
    sigma, seconds = timed(pseudospectrum, D, z)

    def one_svd_each():
        return np.array([scipy.linalg.svdvals(point * np.eye(cards) - D)[-1] for point in z.ravel()])

    reference, peer_seconds = timed(one_svd_each)
    reference = reference.reshape(z.shape)
    resolved = reference > 1e-12 * np.linalg.norm(D, 2)
    deck, distance = np.eye(cards)[0], []
    for _ in range(16):
        distance.append(0.5 * np.abs(deck - limit).sum())
        deck = deck @ P

    figure, left, right = panels(5.4, 4.8)
    whole = np.vstack([sigma[:0:-1], sigma])
    heights = np.append(-y[:0:-1], y)
    values = 0.5 ** np.arange(1, cards) + 0j
    PseudospectrumDisplay(x, heights, whole, values).plot(left, levels=10.0 ** np.arange(-6, 0))
    turn = np.exp(2j * np.pi * np.linspace(0.0, 1.0, 200))
    left.plot(turn.real, turn.imag, ":", color="0.5", linewidth=1.0)
    left.set_title("Riffle shuffle less its limit", fontsize=11)
    right.plot(distance, "o-", ms=4, color=BLUE, label="a deck in order")
    right.plot(0.5 ** np.arange(16), "--", color="0.5", label="the largest eigenvalue alone")
    right.set(xlabel="shuffles", ylabel="distance from randomness", xlim=(0, 15), ylim=(0, 1.05))
    right.legend(frameon=False)
    right.set_title("Seven shuffles", fontsize=11)
    return StopResult(
        method="pseudospectrum",
        problem=f"{cards} cards, {z.size} points",
        error=np.max(np.abs(sigma / reference - 1.0)[resolved]),
        seconds=seconds,
        peer="scipy.linalg.svdvals",
        peer_seconds=peer_seconds,
        sentence=(
            "The eigenvalues say that a shuffle halves the distance from randomness, but for four shuffles "
            f"nothing happens ({distance[5]:.2f} after five, {distance[7]:.2f} after seven): some matrices "
            "at a distance of 0.1 nearly have an eigenvalue on the unit circle, dotted; the error is against "
            "a singular value decomposition at each point."
        ),
        figure=figure,
    )


def _legs(n):
    """Return the HiPPO-LegS matrix and its input."""
    B = np.sqrt(2.0 * np.arange(n) + 1.0)
    return -np.tril(np.outer(B, B), -1) - np.diag(np.arange(1.0, n + 1.0)), B


def _by_eigenvectors(values, V, b, row, ages):
    """Return the states after an input that is constant on each pixel."""
    ends = np.exp(np.outer(ages, values))
    # The integral of exp(λ s) over each pixel.
    return (V @ (row @ (ends[:-1] - ends[1:]) / values * b)).real


def _memory(n, row, ages):
    """Return the same states in closed form: integrals of Legendre polynomials of ``2 exp(-s) - 1``."""
    P = np.polynomial.legendre.legvander(2.0 * np.exp(-ages) - 1.0, n)
    k = np.arange(1, n)
    integrals = np.empty((len(ages), n))
    integrals[:, 0] = np.exp(-ages)
    integrals[:, 1:] = (P[:, 2:] - P[:, :-2]) / (2.0 * np.sqrt(2.0 * k + 1.0))
    return row @ (integrals[1:] - integrals[:-1])


def _riffle(cards):
    """Return the transition matrix of the number of rising sequences, and its limit."""
    eulerian = [1]
    for m in range(2, cards + 1):
        padded = [0, *eulerian, 0]
        eulerian = [(k + 1) * padded[k + 1] + (m - k) * padded[k] for k in range(m)]
    P = np.zeros((cards, cards))
    for i in range(1, cards + 1):
        for j in range(max(1, 2 * i - cards - 1), min(cards, 2 * i) + 1):
            ways = comb(cards + 1, 2 * i - j) * eulerian[j - 1]
            P[j - 1, i - 1] = Fraction(ways, 2**cards * eulerian[i - 1])
    return P.T, np.array([float(Fraction(count, sum(eulerian))) for count in eulerian])
