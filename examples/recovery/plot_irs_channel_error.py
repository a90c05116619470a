"""
The error of a channel by way of a reflecting surface
=====================================================

A user sends pilots to a base station by way of a reflecting surface. Of 5832 products of three angles nine
carry a path, and they are to be found from 288 measurements. This is the experiment of He and Joseph
(arXiv:2307.14719), with the published figures beside ours.
"""

# %%
# Contenders
# ----------
# "By evidence" is the default: EM, and then a search of the support. "EM alone" keeps every atom
# (``prune=0``). "Coupled" is EM with alternating minimisation and a coupling of 0.8 between neighbouring
# angles, which the published study recommends for blocks of angles. Greedy pursuit is told that there are 3,
# 1 and 3 angles, and the oracle is told which: its least squares is what could be hoped for. Bayesian methods
# are given the variance of the noise.

import warnings

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

import spectralkit
from spectralkit.datasets import make_irs_mimo
from spectralkit.recovery import kronecker_matvec, kronecker_omp, kronecker_sbl

levels, trials = (4, 8, 12, 16, 20), 16
options = {
    "by evidence": {},
    "EM alone": {"prune": 0},
    "coupled": {"method": "am", "coupling": (0.8, 0, 0.8)},
}


def oracle(channel):
    """Return the coefficients of least squares on the true support."""
    places = np.unravel_index(channel.support, [H.shape[1] for H in channel.dictionaries])
    inverses = [
        np.linalg.pinv(H[:, np.unique(place)]) for H, place in zip(channel.dictionaries, places, strict=True)
    ]
    coef = np.zeros_like(channel.coef)
    coef[channel.support] = kronecker_matvec(inverses, channel.Y)
    return coef


def errors(snr, seed):
    """Return the normalised squared error of the channel for each contender, in one trial."""
    channel = make_irs_mimo(snr=snr, rng=seed)
    known = {"noise_var": channel.noise_var}
    with warnings.catch_warnings(), spectralkit.threads(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a few stop after 150 iterations
        found = [kronecker_sbl(channel.Y, channel.dictionaries, **known, **o).coef for o in options.values()]
    found.append(kronecker_omp(channel.Y, channel.dictionaries, n_nonzero=(3, 1, 3)).coef)
    return [channel.nmse(coef) for coef in (*found, oracle(channel))]


# %%
# The trials
# ----------
# Three pilots drawn at random may see two angles of the user as exactly the same. Then no method can tell
# them apart, as is known before anything is measured, so the generator draws such pilots again.

jobs = [joblib.delayed(errors)(snr, seed) for snr in levels for seed in range(trials)]
nmse = np.array(joblib.Parallel(n_jobs=2)(jobs)).reshape(len(levels), trials, -1)
names = [*options, "greedy", "oracle"]

# %%
# What was published
# ------------------
# Medians and means over the 50 trials in the authors' result files. Pilots and patterns of the surface were
# drawn once for all of them; ours are drawn anew in each trial, so the two need not agree to more than their
# scatter.

published = {
    "SVD": ([0.431, 0.091, 0.0102, 0.0038, 0.0013], [0.609, 0.305, 0.194, 0.123, 0.105]),
    "coupled": ([0.125, 0.037, 0.0120, 0.0042, 0.0015], [0.312, 0.132, 0.049, 0.0089, 0.0029]),
    "AM": ([0.949, 0.156, 0.0229, 0.0051, 0.0012], [0.714, 0.321, 0.197, 0.139, 0.070]),
    "classical SBL": ([0.873, 0.587, 0.288, 0.035, 0.0082], [0.953, 0.724, 0.463, 0.228, 0.144]),
}

# %%
# Medians and means
# -----------------
# Solid lines are ours, dashed ones are published. Medians show how well a method does when it works, and
# means are governed by the trials in which it does not: one wrong angle may cost a thousand times the error
# of a good fit, so that a few failures in a hundred are most of a mean, and their number in so few trials is
# chance. That is so for the coupled method, for greedy pursuit, which neighbouring angles mislead, and for
# all published means. The support by evidence has the error of the oracle in median and in mean. EM alone,
# which keeps all atoms, has up to twice that error and does not fail in these trials. The coupled method is
# worse here than published at low signal-to-noise ratio; with the noise learned, and so from more starts, it
# is as published (a table in the guide), and still above EM alone.

colours = dict(zip(names, ("#0072B2", "#E69F00", "#CC79A7", "#009E73", "black"), strict=True))
theirs = {"SVD": "#E69F00", "coupled": "#CC79A7", "AM": "#D55E00", "classical SBL": "0.6"}
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharey=True)
for which, (ax, average) in enumerate(zip(axes, (np.median, np.mean), strict=True)):
    for name, values in zip(names, average(nmse, axis=1).T, strict=True):
        style = "x:" if name == "oracle" else "o-"
        ax.semilogy(levels, values, style, color=colours[name], ms=6, label=name)
    for name, colour in theirs.items():
        ax.semilogy(levels, published[name][which], "s--", color=colour, ms=4, lw=1, mfc="none")
        ax.lines[-1].set_label(f"{name}, published")
    ax.set(xlabel="signal-to-noise ratio, dB", xticks=levels, title=("Medians", "Means")[which])
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("normalised squared error of the channel")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)

for which, average in (("median", np.median), ("mean", np.mean)):
    print(f"{which:>10}" + "".join(f"{snr:>8} dB" for snr in levels))
    for name, values in zip(names, average(nmse, axis=1).T, strict=True):
        print(f"{name:>12}" + "".join(f"{value:11.2e}" for value in values))
plt.show()
