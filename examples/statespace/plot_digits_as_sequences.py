"""
What a state remembers of a picture
===================================

A picture is read pixel by pixel, and only the state of a linear system is kept. This shows what is left
of it at the end, how well a classifier does on that, and that a short sequence of fixed length needs
none of this.
"""

# %%
# Pictures as sequences
# ---------------------
# Scikit-learn's digits, 8 by 8 pixels, read row by row: sequences of 64 values. ``StateSpaceFeatures``
# returns the states of HiPPO-LegS after the last one. They are n linear functions of the sequence, so n
# combinations of 64 pixels are known. The pictures below are those of least norm that leave the same
# state: recent pixels, the lower rows, are kept sharply, and older ones in outline.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from spectralkit.statespace import StateSpaceClassifier, StateSpaceFeatures

BLUE, ORANGE = "#0072B2", "#E69F00"
X, labels = load_digits(return_X_y=True)
X = X / 16
scale = {"dt_min": 0.05, "dt_max": 0.05, "n_scales": 1}


def features(n):
    """Return the transformer to n states at one scale, of which 64 steps are 3.2 units of memory."""
    return StateSpaceFeatures(n, **scale)


sizes = (8, 16, 32, 48)
figure, axes = plt.subplots(
    len(sizes) + 1, 11, figsize=(10, 4.9), layout="constrained", width_ratios=[1.25] + [1] * 10
)
for (first, *rest), n in zip(axes, (None, *sizes), strict=True):
    pictures = X[:10]
    if n is not None:
        states = features(n).fit(X)
        responses = states.transform(np.eye(64))
        pictures = states.transform(pictures) @ np.linalg.pinv(responses, rcond=1e-7)
        lost = np.sum((pictures - X[:10]) ** 2) / np.sum(X[:10] ** 2)
        print(f"{n} states: {lost:.2f} of the energy lost")
    first.text(0.0, 0.5, "pictures" if n is None else f"{n} states", va="center", fontsize=11)
    first.set_axis_off()
    for ax, picture in zip(rest, pictures, strict=True):
        ax.imshow(picture.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")

# %%
# How many states a classifier needs
# ----------------------------------
# Accuracy of fivefold cross-validation, of support vector machines and of ridge classification, by the
# number of features: states, of which nothing is learnt; principal components, which are learnt from
# all pictures of the fold; and the pixels themselves.

folds = StratifiedKFold(5, shuffle=True, random_state=0)


def accuracy(model):
    """Return the mean accuracy over the folds."""
    return cross_val_score(model, X, labels, cv=folds).mean()


counts = (4, 8, 16, 32, 64)
machine = SVC(C=10)
found = {
    "states, SVC": [accuracy(make_pipeline(features(n), machine)) for n in counts],
    "components, SVC": [accuracy(make_pipeline(PCA(n), machine)) for n in counts],
    "states, ridge": [accuracy(StateSpaceClassifier(n, alpha=1e-2, **scale)) for n in counts],
    "components, ridge": [accuracy(make_pipeline(PCA(n), RidgeClassifier())) for n in counts],
}
pixels = {"SVC": accuracy(machine), "ridge": accuracy(RidgeClassifier())}
for name, values in found.items():
    pairs = zip(counts, values, strict=True)
    print(f"{name:>17}: " + ", ".join(f"{n}: {value:.3f}" for n, value in pairs))
print(f"pixels: SVC {pixels['SVC']:.3f}, ridge {pixels['ridge']:.3f}")

# %%
# The same pictures as eight steps of eight channels, a row at each step, and four scales of 16 states:

rows = StateSpaceFeatures(16, dt_min=0.05, dt_max=0.5)
by_rows = cross_val_score(make_pipeline(rows, machine), X.reshape(-1, 8, 8), labels, cv=folds).mean()
print(f"rows as steps, SVC: {by_rows:.3f}")

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
for ax, kind in zip(axes, ("SVC", "ridge"), strict=True):
    ax.axhline(pixels[kind], color="black", linestyle=":", linewidth=1.2, label="all 64 pixels")
    for name, style, colour in (("components", "s--", ORANGE), ("states", "o-", BLUE)):
        ax.plot(counts, found[f"{name}, {kind}"], style, color=colour, ms=5, label=name)
    ax.set(xlabel="features", xlim=(2, 66), ylim=(0.5, 1.0))
    ax.set_xticks(counts)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title({"SVC": "support vector machine", "ridge": "ridge classification"}[kind], fontsize=11)
axes[0].set_ylabel("accuracy")
axes[0].legend(frameon=False, loc="lower right")
plt.show()

# %%
# On short sequences of one length nothing is gained over the pixels: states are linear functions of
# them, and a classifier behind them sees no more than it would without. Components of the same number
# are better, since they have seen pictures. What is gained is elsewhere: the number of states does not
# depend on the length, nothing has to be learnt for them, and they are kept up to date while a sequence
# goes on.
