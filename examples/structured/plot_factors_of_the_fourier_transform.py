"""
The factors of the Fourier transform
====================================

The matrix of the Fourier transform has no zero in it, and yet is a product of matrices with two entries
in each row. That is the fast Fourier transform. The factors can be read off the matrix, and off any other
matrix that has such factors.
"""

# %%
# A dense matrix, and its factors
# -------------------------------
# ``butterfly_factorize`` is given the numbers of the matrix and nothing else. It tries eight orders of
# the columns, and finds that reversed bits leave a residual of rounding. Each factor below mixes pairs
# of entries, at first neighbours, at last those that are half the length apart. Colours are phases, and
# lightness is the modulus: white is zero.

import matplotlib.pyplot as plt
import numpy as np
import scipy.fft
import scipy.linalg
from matplotlib.colors import hsv_to_rgb

from spectralkit.structured import Butterfly, butterfly_factorize

n = 32
F = np.fft.fft(np.eye(n))
result = butterfly_factorize(F)
print(result.status)


def level_matrix(twiddle, k):
    """Return level k of a butterfly as a dense matrix."""
    levels, pairs = twiddle.shape[:2]
    only = np.tile(np.eye(2, dtype=complex), (levels, pairs, 1, 1))
    only[k] = twiddle[k]
    return Butterfly(only).to_dense()


def picture(ax, M, title):
    """Draw a complex matrix: the phase as colour, the modulus as strength."""
    strength = np.abs(M) / np.abs(M).max()
    hue = np.angle(M) / (2 * np.pi) % 1.0
    colours = hsv_to_rgb(np.dstack([hue, 0.75 * strength, 1.0 - 0.12 * strength]))
    ax.imshow(colours, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color("0.7")
    ax.set_title(title, fontsize=11)


twiddle = result.operator.twiddle
levels = len(twiddle)
figure, axes = plt.subplots(
    1, levels + 3, figsize=(13, 2.5), layout="constrained", width_ratios=[1, 0.25] + [1] * (levels + 1)
)
picture(axes[0], F, "Fourier matrix")
axes[1].text(0.5, 0.5, "=", fontsize=26, ha="center", va="center")
axes[1].set_axis_off()
for ax, k in zip(axes[2:], reversed(range(levels)), strict=False):
    picture(ax, level_matrix(twiddle, k), f"level {k}")
picture(axes[-1], np.eye(n, dtype=complex)[result.permutation], "reversed bits")

# %%
# Which matrices have such factors
# --------------------------------
# The residual says so. For matrices of 256 by 256 the distance of the best of eight orders; that of
# what is left of the singular value decomposition with as many numbers; and that of the exact operators,
# for transforms that have one.

n = 256
t = np.linspace(-1, 1, n + 2)[1:-1]
F = np.fft.fft(np.eye(n))
rng = np.random.default_rng(0)
kernel = rng.standard_normal(n)
matrices = {
    "Fourier": F,
    "Hadamard": scipy.linalg.hadamard(n),
    "random butterfly": Butterfly(rng.standard_normal((8, n // 2, 2, 2))).to_dense(),
    "Hilbert": scipy.linalg.hilbert(n),
    "Legendre": np.polynomial.legendre.legvander(t, n - 1).T,
    "Gauss kernel": np.exp(-50.0 * (t[:, None] - t) ** 2),
    "cosine": scipy.fft.dct(np.eye(n), axis=0),
    "sine": scipy.fft.dst(np.eye(n), axis=0),
    "Hartley": F.real - F.imag,
    "convolution": scipy.linalg.circulant(kernel),
    "random": rng.standard_normal((n, n)),
}
made = {
    "Fourier": Butterfly.dft(n),
    "Hadamard": Butterfly.hadamard(n),
    "cosine": Butterfly.dct(n),
    "sine": Butterfly.dst(n),
    "Hartley": Butterfly.hartley(n),
    "convolution": Butterfly.circulant(kernel),
}
rank = 8  # 2 n times 8 numbers, as the butterfly has
factored, thin, exact = {}, {}, {}
for name, W in matrices.items():
    size = np.linalg.norm(W)
    factored[name] = butterfly_factorize(W).residual
    thin[name] = np.linalg.norm(np.linalg.svd(W, compute_uv=False)[rank:]) / size
    line = f"{name:>16}: butterfly {factored[name]:.1e}, rank {rank} {thin[name]:.1e}"
    if name in made:
        exact[name] = max(np.linalg.norm(made[name].to_dense() - W) / size, 2e-17)
        line += f", constructor {exact[name]:.1e}"
    print(line)

figure, ax = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
row = {name: place for place, name in enumerate(matrices)}
for values, colour, marker, size, label in (
    (exact, "#009E73", "D", 9, "Butterfly.dft, .dct, ..."),
    (thin, "#E69F00", "s", 8, f"rank {rank}"),
    (factored, "#0072B2", "o", 6, "butterfly_factorize"),
):
    places = [row[name] for name in values]
    ax.semilogx(list(values.values()), places, marker, ms=size, color=colour, label=label)
ax.set_yticks(list(row.values()), list(row))
ax.invert_yaxis()
ax.set(xlabel="distance from the matrix, relative", xlim=(1e-17, 5))
ax.grid(alpha=0.25)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.78))
plt.show()

# %%
# Smooth kernels, such as Hilbert's matrix, are nearly of low rank, and that is the better form for them.
# Cosine and sine transforms, Hartley's and convolutions are fast and still no butterflies: their fast
# algorithms are real parts of complex ones, or products of two. ``Butterfly.dct`` and the like make
# those, in place of finding them.
