"""
Principal components of photographs, in one pass
================================================

Every 8 by 8 patch of a photograph is a row of 64 numbers, and two photographs have half a million of them.
We stream patches through three methods, look at the components as pictures, follow the error as rows pass by,
and compare the memory with that of an exact decomposition.
"""

# %%
# The stream
# ----------
# :func:`spectralkit.datasets.image_patches` cuts patches from the two photographs that come with
# scikit-learn. Drawn at random they are a stream in random order, which is what the fast methods ask for.

import tracemalloc

import matplotlib.pyplot as plt
import numpy as np

from spectralkit.datasets import image_patches
from spectralkit.streaming import StreamingPCA

patches = image_patches(8, n_samples=200_000, rng=0)
print(patches.shape, patches.dtype)

# %%
# The components, as pictures
# ---------------------------
# With 64 columns the exact matrix of second moments is small, and ``method="auto"`` takes it: one pass, any
# order of rows, the exact answer. The first component is brightness; then come edges, then waves.

pca = StreamingPCA(n_components=16).fit(patches)
print(pca.method_)

figure, axes = plt.subplots(2, 8, figsize=(8, 2.6), layout="constrained")
for ax, component, share in zip(axes.flat, pca.components_, pca.explained_variance_ratio_, strict=True):
    limit = np.abs(component).max()
    ax.imshow(component.reshape(8, 8), cmap="gray", vmin=-limit, vmax=limit)
    ax.set_title(f"{share:.1%}", fontsize=9)
    ax.set(xticks=[], yticks=[])
figure.suptitle("The first 16 components and their shares of the variance", fontsize=11)

# %%
# The error against rows seen
# ---------------------------
# ``partial_fit`` takes the stream as it comes, so the error can be followed. It is the squared sine of the
# angle between each component and the exact one. The second and the third eigenvalue are close, and so these
# two take longer to come apart, and may change places on the way.

exact = np.linalg.eigh(np.cov(patches.T, dtype=np.float64))[1].T[::-1]


def errors(components):
    """Squared sine of the angle to the exact component."""
    return 1 - np.sum(np.asarray(components, dtype=np.float64) * exact[: len(components)], axis=1) ** 2


marks = np.geomspace(2_000, len(patches), 12).astype(int)
methods = {"oja": "o-", "incremental_svd": "s--", "frequent_directions": "^:"}
figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), sharey=True, layout="constrained")
for method, style in methods.items():
    stream = StreamingPCA(n_components=3, method=method, sketch_size=32, random_state=0)
    history = []
    for start, stop in zip([0, *marks[:-1]], marks, strict=True):
        stream.partial_fit(patches[start:stop])
        history.append(errors(stream.components_))
    for ax, column in zip(axes, np.transpose(history), strict=True):
        ax.loglog(marks, np.maximum(column, 1e-14), style, markersize=4, label=method)
for number, ax in enumerate(axes, start=1):
    ax.set(title=f"component {number}", xlabel="rows seen")
    ax.grid(alpha=0.25)
axes[0].set_ylabel("error")
axes[0].legend(frameon=False, fontsize=9)

# %%
# Memory
# ------
# What a method keeps does not grow with the rows. An exact decomposition copies all of them, more than once.
# NumPy reports its allocations to ``tracemalloc``, so the peaks can be compared.


def peak_megabytes(function):
    """Largest amount of memory allocated while the function runs."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def exact_pca(rows):
    """Principal components by a singular value decomposition of all rows."""
    centred = rows - rows.mean(axis=0)
    return np.linalg.svd(centred, full_matrices=False)[2]


counts = [12_500, 25_000, 50_000, 100_000]
one_pass = StreamingPCA(n_components=3, method="oja", random_state=0)
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for label, function, style in (
    ("exact PCA", exact_pca, "s--"),
    ("StreamingPCA", one_pass.fit, "o-"),
):
    peaks = [peak_megabytes(lambda function=function, n=n: function(patches[:n])) for n in counts]
    ax.loglog(counts, peaks, style, label=label)
ax.set_xticks(counts, [f"{n:,}" for n in counts])
ax.minorticks_off()
ax.set(xlabel="rows", ylabel="peak memory beyond the rows (MB)")
ax.grid(alpha=0.25)
ax.legend(frameon=False)
plt.show()
