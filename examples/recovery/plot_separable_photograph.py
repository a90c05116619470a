"""
A photograph from half as many numbers
======================================

A camera that mixes the rows of a picture, and then its columns, takes fewer numbers than the picture has
pixels. In the cosine basis the measurements are a Kronecker product of two small matrices. How well the
picture comes back depends on what is believed about it, and the evidence tells which belief is the better
one.
"""

# %%
# Measurements
# ------------
# Two photographs of scikit-learn in grey, cropped and averaged to 96 by 96 pixels. Each side is measured by
# 68 random combinations, with noise of a hundredth of the range of grey.

import matplotlib.pyplot as plt
import numpy as np
from scipy.fft import dct
from sklearn.datasets import load_sample_image

import spectralkit
from spectralkit.recovery import kronecker_sbl

n = 96
basis = dct(np.eye(n), axis=0, norm="ortho").T  # cosines in columns


def grey(name, top, left):
    """Return a crop of a photograph, 0 to 1."""
    crop = load_sample_image(name)[top : top + 3 * n, left : left + 3 * n].mean(axis=2) / 255
    return crop.reshape(n, 3, n, 3).mean(axis=(1, 3))


def measure(picture, m):
    """Return m * m measurements and the two dictionaries."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((m, n)) / np.sqrt(m) for _ in range(2))
    Y = left @ picture @ right.T
    return Y + 0.01 * rng.standard_normal(Y.shape), [left @ basis, right @ basis]


def psnr(estimate, picture):
    """Return the peak signal-to-noise ratio in dB."""
    return -10 * np.log10(np.mean((estimate - picture) ** 2))


# %%
# Beliefs
# -------
# *Least norm* believes nothing. *L1* believes in few large coefficients anywhere; its weight is the best of
# six, chosen by looking at the true picture, which no user can. The other two are ``kronecker_sbl``, which
# learns the noise and a variance for each frequency up and down and for each frequency across.
#
# As it comes, ``kronecker_sbl`` keeps few frequencies of each side and drops all others: the belief is a
# support that is a product. For photographs that is wrong. Their coefficients fall off smoothly, and fine
# detail is noise to such a model. With ``prune=0`` and ``method="am"`` no frequency is dropped, and what is
# left of the belief is that variances are products: strong where both frequencies are low. That is a fair
# description of photographs. ``"svd"`` does not do here: it fits the products by least squares, where the one
# constant coefficient outweighs all others, while to ``"am"`` only ratios matter.


def least_norm(Y, dictionaries):
    """Return the coefficients of least norm that explain the measurements."""
    left, right = (np.linalg.pinv(H) for H in dictionaries)
    return left @ Y @ right.T


def l1(Y, dictionaries, weight, n_iter=300):
    """Return minimal squares plus weighted moduli, by accelerated proximal gradients."""
    left, right = dictionaries
    step = 1 / (np.linalg.norm(left, 2) * np.linalg.norm(right, 2)) ** 2
    X = Z = np.zeros((n, n))
    t = 1.0
    for _ in range(n_iter):
        descended = Z - step * (left.T @ (left @ Z @ right.T - Y) @ right)
        new = np.sign(descended) * np.maximum(np.abs(descended) - step * weight, 0)
        t, before = (1 + np.sqrt(1 + 4 * t * t)) / 2, t
        X, Z = new, new + (before - 1) / t * (new - X)
    return X


def estimates(picture, m):
    """Return the recovered pictures by name, and the two results of ``kronecker_sbl``."""
    Y, dictionaries = measure(picture, m)
    with spectralkit.threads(1):  # small matrices are no work for more
        product = kronecker_sbl(Y, dictionaries)
        smooth = kronecker_sbl(Y, dictionaries, method="am", prune=0, max_iter=300)
        sparse = [l1(Y, dictionaries, weight) for weight in np.geomspace(5e-3, 0.1, 6)]
    found = {
        "least norm": least_norm(Y, dictionaries),
        "L1": max(sparse, key=lambda coef: psnr(basis @ coef @ basis.T, picture)),
        "product support": product.coef.reshape(n, n),
        "product variances": smooth.coef.reshape(n, n),
    }
    return {name: basis @ coef @ basis.T for name, coef in found.items()}, (product, smooth)


# %%
# Half of the numbers
# -------------------

pictures = {"temple": grey("china.jpg", 60, 180), "flower": grey("flower.jpg", 60, 150)}
learned, recovered = {}, {}
figure, axes = plt.subplots(2, 5, figsize=(11, 4.9), layout="constrained")
for row, (name, picture) in zip(axes, pictures.items(), strict=True):
    recovered[name], learned[name] = estimates(picture, 68)
    for ax, (label, shown) in zip(row, {name: picture, **recovered[name]}.items(), strict=True):
        ax.imshow(shown, cmap="gray", vmin=0, vmax=1)
        ax.set_title(label if label == name else f"{label}\n{psnr(shown, picture):.1f} dB", fontsize=11)
        ax.axis("off")
    for label, result in zip(("product support", "product variances"), learned[name], strict=True):
        kept = " by ".join(str(np.count_nonzero(gamma)) for gamma in result.gammas)
        print(
            f"{name}, {label}: {kept} frequencies, standard deviation of the noise "
            f"{np.sqrt(result.noise_var):.4f}, negative log evidence {result.neg_log_evidence:.0f}"
        )

# %%
# Nothing of this needs the true picture: the evidence, which measurements alone give, is higher for
# product variances by thousands, and the noise that was learned says the same. It is 0.01 in truth; the
# product of supports takes for noise what it cannot express.
#
# More and fewer numbers, and what was learned
# --------------------------------------------
# The learned variances fall with frequency as the squares of the true coefficients do, if less steeply: a
# product is not quite what the squares are. Measurements alone gave them.

shares, curves = (0.25, 0.5, 0.75), {}
for share in shares:
    found = (
        recovered["temple"] if share == 0.5 else estimates(pictures["temple"], round(n * np.sqrt(share)))[0]
    )
    for label, shown in found.items():
        curves.setdefault(label, []).append(psnr(shown, pictures["temple"]))

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
colours = ["0.5", "#009E73", "#E69F00", "#0072B2"]
for (label, values), colour in zip(curves.items(), colours, strict=True):
    left.plot(shares, values, "o-", ms=5, color=colour, label=label)
left.set(xticks=shares, xlabel="measurements in numbers of pixels", ylabel="PSNR of the temple, dB")
left.legend(frameon=False, fontsize=9)
truth = (basis.T @ pictures["temple"] @ basis) ** 2
rows, columns = learned["temple"][1].gammas
prior = np.outer(rows, columns)
right.semilogy(truth.mean(axis=1), ".", color="0.6", label="true squares, mean of a row")
right.semilogy(prior.mean(axis=1), color="#0072B2", label="learned variances, mean of a row")
right.set(xlabel="frequency up and down")
right.legend(frameon=False, fontsize=9)
for ax in (left, right):
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
for label, values in curves.items():
    print(f"{label:>18}" + "".join(f"{value:7.1f}" for value in values))
plt.show()
