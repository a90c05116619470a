"""
What eigenvalues do not say
===========================

Pseudospectra of three matrices: a Toeplitz matrix, the memory of a sequence model, and a deck of cards.
"""

# %%
# Eigenvalues of matrices nearby
# ------------------------------
# Inside the line of ε are the eigenvalues of all matrices at a distance below ε. Of a normal matrix the
# lines are circles of radius ε around the eigenvalues. Of the two below they are not: Grcar's Toeplitz
# matrix, and the matrix of HiPPO-LegS, by which state-space models remember their input. The eigenvalues
# of the second are the integers from -1 to -32. The crosses are what ``numpy.linalg.eigvals`` finds after
# a rotation, which makes it a dense matrix: rounding errors are perturbations too.

from fractions import Fraction
from math import comb

import matplotlib.pyplot as plt
import numpy as np

from spectralkit.nonnormal import PseudospectrumDisplay, eigenvalue_condition
from spectralkit.statespace import hippo

n = 60
grcar = sum(np.diag(np.ones(n - k), k) for k in range(4)) - np.diag(np.ones(n - 1), -1)
legs = hippo("legs", 32)[0]
Q = np.linalg.qr(np.random.default_rng(0).standard_normal((32, 32)))[0]

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
PseudospectrumDisplay.from_matrix(grcar, bounds=(-1.5, 3.5, -3.6, 3.6)).plot(
    left, levels=10.0 ** np.arange(-10, 0)
)
left.set_title("Grcar, 60 rows", fontsize=11)
display = PseudospectrumDisplay.from_matrix(legs, bounds=(-62, 12, -40, 40), n_points=150)
display.plot(right, levels=10.0 ** np.arange(-12, 3, 2))
computed = np.linalg.eigvals(Q @ legs @ Q.T)
right.plot(computed.real, computed.imag, "x", color="#D55E00", markersize=5, label="as computed, rotated")
right.set_title("HiPPO-LegS, 32 rows", fontsize=11)
right.legend(framealpha=1, edgecolor="white", loc="upper left", fontsize=9)
print(f"eigenvalue conditions up to {eigenvalue_condition(grcar).max():.1e} (Grcar)")
print(f"and {eigenvalue_condition(legs).max():.1e} (HiPPO-LegS)")

# %%
# A deck of cards
# ---------------
# What matters of a shuffled deck of 52 cards is the number of its rising sequences, from 1, in order, to
# 52: a Markov chain with as many states. The eigenvalues of its transition matrix are 1, 1/2, 1/4 and so
# on, and one expects that each shuffle halves the distance from randomness. But that stays near 1 for
# five shuffles, and only then falls. Below on the left is the transition matrix less its limit, whose
# powers are the distance: 1/2 is its largest eigenvalue, and where ε is 0.1 its pseudospectrum nearly
# reaches the unit circle, on which nothing falls at all.

cards = 52


def shuffles(cards):
    """Return the transition matrix and the limit in exact arithmetic: Bayer and Diaconis, 1992."""
    eulerian = [1]
    for m in range(2, cards + 1):
        padded = [0, *eulerian, 0]
        eulerian = [(k + 1) * padded[k + 1] + (m - k) * padded[k] for k in range(m)]
    # From i to j rising sequences: ways to cut, in units of 2^cards, times how many orders have j.
    P = [
        [
            Fraction(comb(cards + 1, 2 * i - j) * eulerian[j - 1], 2**cards * eulerian[i - 1])
            if 0 <= 2 * i - j <= cards + 1
            else Fraction(0)
            for i in range(1, cards + 1)
        ]
        for j in range(1, cards + 1)
    ]
    limit = [Fraction(e, sum(eulerian)) for e in eulerian]
    return np.array(P, dtype=float).T, np.array(limit, dtype=float)


P, limit = shuffles(cards)
deck, distance = np.eye(cards)[0], []
for _ in range(16):
    distance.append(0.5 * np.abs(deck - limit).sum())
    deck = deck @ P

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
display = PseudospectrumDisplay.from_matrix(P - limit, bounds=(-1.15, 1.15, -1.15, 1.15))
display.plot(left, levels=10.0 ** np.arange(-7, 0))
left.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.5", linestyle=":"))
left.set_title("riffle shuffle of 52 cards", fontsize=11)
right.plot(distance, "o-", color="#0072B2", label="a deck in order")
right.plot(0.5 ** np.arange(16), "--", color="0.5", label="the largest eigenvalue alone")
right.set(xlabel="shuffles", ylabel="distance from randomness", xlim=(0, 15), ylim=(0, 1.05))
right.legend(frameon=False)
right.grid(alpha=0.25)
right.spines[["top", "right"]].set_visible(False)
print("total variation after 4 to 10 shuffles: " + ", ".join(f"{value:.3f}" for value in distance[4:11]))
plt.show()
