"""
A layer with a sixteenth of the numbers
=======================================

The hidden layer of a small network on digits, 256 by 256, is replaced by a butterfly, and by a product of
two thin matrices with as many numbers. All are trained from scratch, in NumPy.
"""

# %%
# Three layers
# ------------
# Scikit-learn's digits, enlarged to 16 by 16 pixels: 256 inputs, 256 hidden units, ten classes. A
# butterfly of that size has 4096 numbers in place of 65 536. In training it takes two calls:
# ``butterfly_matmul`` on the way forward, ``butterfly_gradient`` on the way back. What a layer needs are
# its first weights, its product, and the derivatives in its weights from those in the product.

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import zoom
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from spectralkit.structured import butterfly_gradient, butterfly_matmul

n = 256
digits, labels = load_digits(return_X_y=True)
X = zoom(digits.reshape(-1, 8, 8), (1, 2, 2), order=1).reshape(-1, n)
X = (X - X.mean()) / X.std()


class Dense:
    """A matrix."""

    def start(self, rng):
        return [rng.standard_normal((n, n)) * np.sqrt(2 / n)]

    def forward(self, x, W):
        return x @ W.T

    def backward(self, x, d, W):
        return [d.T @ x]


class Thin:
    """A product of two thin matrices."""

    def __init__(self, rank):
        self.rank = rank

    def start(self, rng):
        V, U = rng.standard_normal((self.rank, n)), rng.standard_normal((n, self.rank))
        return [V / np.sqrt(n), U * np.sqrt(2 / self.rank)]

    def forward(self, x, V, U):
        return x @ V.T @ U.T

    def backward(self, x, d, V, U):
        return [U.T @ d.T @ x, d.T @ (x @ V.T)]


class Butterfly:
    """Eight levels of 2 by 2 blocks, at first random rotations and reflections."""

    def start(self, rng):
        twiddle = np.linalg.qr(rng.standard_normal((8, n // 2, 2, 2)))[0]
        twiddle[-1] *= np.sqrt(2)
        return [twiddle]

    def forward(self, x, twiddle):
        return butterfly_matmul(twiddle, x)

    def backward(self, x, d, twiddle):
        return [butterfly_gradient(twiddle, x, d)[0]]


# %%
# Training
# --------
# Adam, with the same steps for all: 30 passes in batches of 64. Seeds choose the first weights, the order
# of the batches, and the 540 digits that are kept for the test.


def train(layer, seed, epochs=30, rate=2e-3):
    """Return the accuracy after each pass, the first weights of the layer and the last ones."""
    train_X, test_X, y, test_y = train_test_split(
        X, labels, test_size=0.3, random_state=seed, stratify=labels
    )
    rng = np.random.default_rng(seed)
    theta = [*layer.start(rng), np.zeros(n), rng.standard_normal((10, n)) / np.sqrt(n), np.zeros(10)]
    mean, square = ([np.zeros_like(part) for part in theta] for _ in range(2))
    step, accuracy = 0, []
    for _ in range(epochs):
        for some in np.array_split(rng.permutation(len(train_X)), len(train_X) // 64):
            *weights, bias, out, offset = theta
            x = train_X[some]
            before = layer.forward(x, *weights) + bias
            hidden = np.maximum(before, 0)
            d = softmax(hidden @ out.T + offset, axis=1)
            d[np.arange(len(some)), y[some]] -= 1
            d /= len(some)
            below = d @ out * (before > 0)
            gradient = layer.backward(x, below, *weights)
            gradient += [below.sum(axis=0), d.T @ hidden, d.sum(axis=0)]
            step += 1
            for part, g, m, s in zip(theta, gradient, mean, square, strict=True):
                m += 0.1 * (g - m)
                s += 0.001 * (g**2 - s)
                part -= rate * m / (1 - 0.9**step) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)
        *weights, bias, out, offset = theta
        found = np.maximum(layer.forward(test_X, *weights) + bias, 0) @ out.T + offset
        accuracy.append(np.mean(found.argmax(axis=1) == test_y))
    return np.array(accuracy), weights


layers = {
    "dense": Dense(),
    "butterfly": Butterfly(),
    "rank 8": Thin(8),
    "rank 4": Thin(4),
    "rank 16": Thin(16),
    "rank 32": Thin(32),
}
curves, size, trained = {}, {}, {}
for name, layer in layers.items():
    runs = [train(layer, seed) for seed in range(3)]
    curves[name], trained[name] = np.array([run[0] for run in runs]), runs[0][1]
    size[name] = sum(part.size for part in trained[name])
    last = curves[name][:, -5:].mean()
    print(f"{name:>9}: {size[name]:5d} numbers, accuracy {last:.3f}, mean of 3 seeds and 5 passes")

# %%
# Accuracy while training goes on, mean and range of three seeds; and at its end, mean of the last five
# passes, against the number of weights of the layer:

colours = {"dense": "black", "butterfly": "#0072B2", "rank 8": "#E69F00"}
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
for name, colour in colours.items():
    passes = np.arange(1, curves[name].shape[1] + 1)
    left.fill_between(
        passes, curves[name].min(axis=0), curves[name].max(axis=0), color=colour, alpha=0.15, lw=0
    )
    left.plot(passes, curves[name].mean(axis=0), color=colour, label=f"{name}, {size[name]} numbers")
left.set(xlabel="passes over the training data", ylabel="accuracy on the test data", ylim=(0.86, 1.0))
left.legend(frameon=False, loc="lower right")
thin = sorted((name for name in layers if name.startswith("rank")), key=size.get)
after = {name: curves[name][:, -5:].mean(axis=1) for name in layers}
right.plot([size[name] for name in thin], [after[name].mean() for name in thin], "s-", color="#E69F00")
for name in layers:
    colour = colours.get(name, "#E69F00")
    marker = "o" if name in ("dense", "butterfly") else "s"
    right.plot(size[name], after[name].mean(), marker, ms=9, color=colour)
    right.plot([size[name]] * 3, after[name], "_", ms=9, color=colour)
    above = name in ("butterfly", "dense")
    right.annotate(
        name,
        (size[name], after[name].max() if above else after[name].min()),
        (0, 8 if above else -16),
        textcoords="offset points",
        ha="center",
        color=colour,
    )
right.set(xlabel="numbers in the layer", xscale="log", xlim=(1500, 90_000), ylim=(0.86, 1.0))
right.set_xticks(sorted(set(size.values())), [f"{count}" for count in sorted(set(size.values()))])
right.minorticks_off()
for ax in (left, right):
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)

# %%
# What the units look at
# ----------------------
# Rows of the three matrices as pictures, twelve units each. An entry of a butterfly is a product of
# eight numbers, one of each level, so that few entries are large; rows of rank 8 are mixtures of the
# same eight.

eye = np.eye(n)
figure, axes = plt.subplots(3, 13, figsize=(11, 2.8), layout="constrained", width_ratios=[1.5] + [1] * 12)
for name, (first, *rest) in zip(colours, axes, strict=True):
    W = layers[name].forward(eye, *trained[name]).T
    first.text(0, 0.5, name, va="center", fontsize=11, color=colours[name])
    first.set_axis_off()
    for ax, row in zip(rest, W[5 :: n // 12], strict=False):
        ax.imshow(row.reshape(16, 16), cmap="RdBu_r", vmin=-np.abs(row).max(), vmax=np.abs(row).max())
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
plt.show()

# %%
# On these digits the butterfly is as good as the dense layer, and rank 8 hardly worse; seeds differ by
# as much. What tells them apart is the way there, and what happens with fewer numbers. A butterfly lets
# every pixel reach every unit at any number of levels; half of the numbers make a bottleneck of rank 4.
