"""
Distances between classes of digits
===================================

The pictures of one digit are a cloud in 64 dimensions, and ten digits are ten clouds of different sizes.
Sliced Wasserstein distances between the clouds need no pairing of pictures and no density. They make a matrix
that any method with ``metric="precomputed"`` takes.
"""

# %%
# Clouds
# ------
# Each class is split in two, so that there is something to compare the distances between classes with: two
# halves of one class are samples of the same distribution.

import dask.distributed
import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from spectralkit.transport import SlicedWasserstein, sliced_wasserstein

digits = load_digits()
labels, clouds = [], []
for label in range(10):
    pictures = digits.data[digits.target == label] / 16
    labels += [label, label]
    clouds += [pictures[::2], pictures[1::2]]
print(f"{len(clouds)} clouds of {min(map(len, clouds))} to {max(map(len, clouds))} pictures")

# %%
# All distances, on whatever runs jobs
# ------------------------------------
# ``fit`` draws the directions that all distances share. ``pairwise`` hands blocks of pairs to joblib, so an
# active backend takes them: here the threads of a Dask cluster inside this process, elsewhere workers on
# other machines, by the same two lines. So few clouds would not need it.

distances = SlicedWasserstein(n_projections=256, random_state=0).fit(digits.data / 16)

cluster = dask.distributed.LocalCluster(
    n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
)
client = dask.distributed.Client(cluster)
with joblib.parallel_backend("dask"):
    D = distances.pairwise(clouds)
client.close()
cluster.close()

print("the same without Dask:", np.array_equal(D, distances.pairwise(clouds)))

# %%
# How sure they are
# -----------------
# One distance comes with a standard error; the matrix has the same precision.

one = sliced_wasserstein(clouds[0], clouds[2], n_projections=256, rng=0)
error = one.standard_error / (2 * one.distance)
print(
    f"halves of zeros and ones: {one.distance:.5f}, standard error {error:.5f}; in the matrix {D[0, 2]:.5f}"
)

# %%
# The matrix, and the map that it makes
# -------------------------------------
# Classical scaling places points in the plane so that their distances are like those of the clouds. It asks
# for squared distances of points in some Euclidean space, and that sliced distances of order 2 are. The two
# halves of a class fall next to each other.

centring = np.eye(len(D)) - 1 / len(D)
values, vectors = np.linalg.eigh(-0.5 * centring @ D**2 @ centring)
places = vectors[:, -2:] * np.sqrt(values[-2:])
print(f"the plane shows {values[-2:].sum() / np.abs(values).sum():.0%} of the variance")
print(f"smallest eigenvalue {values[0] / values[-1]:.0e} of the largest")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
image = left.imshow(D, cmap="viridis")
left.set(
    xticks=np.arange(0.5, 20, 2), yticks=np.arange(0.5, 20, 2), xticklabels=range(10), yticklabels=range(10)
)
left.set_title("Sliced distances between halves of classes", fontsize=11)
figure.colorbar(image, ax=left, shrink=0.85)
colours = plt.get_cmap("tab10")
for label in range(10):
    pair = places[2 * label : 2 * label + 2]
    right.plot(*pair.T, color=colours(label), linewidth=1.5)
    for place in pair:
        right.text(*place, str(label), color=colours(label), fontsize=16, ha="center", va="center")
right.set(xticks=[], yticks=[], aspect="equal")
right.margins(0.1)
right.set_title("The map", fontsize=11)

# %%
# A nearest neighbour on the matrix finds the other half of every class.

nearest = np.where(np.eye(len(D), dtype=bool), np.inf, D).argmin(axis=1)
labels = np.asarray(labels)
print(f"{np.sum(labels[nearest] == labels)} of {len(labels)} halves are nearest to their other half")
plt.show()
