"""
Energies of molecules from invariants
=====================================

Six small molecules, shaken and turned: the Coulomb energy of their nuclei from features of their shape. The
order of the atoms, the place and the rotation of a molecule do not matter to the energy, nor to the features.
"""

# %%
# The molecules
# -------------
# Each atom is placed by a bond length to an atom before, an angle with a second and a dihedral angle with a
# third one, in ångströms and degrees.

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.spatial.transform import Rotation
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spectralkit.equivariant import SphericalInvariants

METHYL = [("H", 0, 1.09, 1, 109.5, 2, turn) for turn in (60, 180, 300)]
molecules = {
    "water": [("O",), ("H", 0, 0.958), ("H", 0, 0.958, 1, 104.5)],
    "formaldehyde": [("C",), ("O", 0, 1.205), ("H", 0, 1.111, 1, 121.9), ("H", 0, 1.111, 1, 121.9, 2, 180)],
    "ammonia": [("N",), ("H", 0, 1.012), ("H", 0, 1.012, 1, 106.7), ("H", 0, 1.012, 1, 106.7, 2, 113.8)],
    "methane": [
        ("C",),
        ("H", 0, 1.087),
        ("H", 0, 1.087, 1, 109.47),
        ("H", 0, 1.087, 1, 109.47, 2, 120),
        ("H", 0, 1.087, 1, 109.47, 2, 240),
    ],
    "methanol": [("C",), ("O", 0, 1.425), ("H", 1, 0.945, 0, 108.5), *METHYL],
    "ethanol": [
        ("C",),
        ("C", 0, 1.512),
        ("O", 1, 1.431, 0, 107.8),
        *METHYL,
        ("H", 1, 1.10, 0, 109.5, 2, 120),
        ("H", 1, 1.10, 0, 109.5, 2, 240),
        ("H", 2, 0.971, 1, 105.4, 0, 180),
    ],
}
NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8}


def build(atoms):
    """Return atomic numbers and coordinates."""
    places = []
    for _, *bond in atoms:
        first, length, second, angle, third, dihedral = bond + [None] * (6 - len(bond))
        if first is None:
            places.append(np.zeros(3))
            continue
        origin = places[first]
        along = np.array([1.0, 0, 0]) if second is None else places[second] - origin
        along = along / np.linalg.norm(along)
        if second is None:
            places.append(origin + length * along)
            continue
        # Across the bond, on the side of the third atom.
        aside = np.array([0, 1.0, 0]) if third is None else places[third] - places[second]
        aside = aside - (aside @ along) * along
        aside /= np.linalg.norm(aside)
        turn = np.deg2rad(dihedral or 0)
        aside = np.cos(turn) * aside + np.sin(turn) * np.cross(along, aside)
        angle = np.deg2rad(angle)
        places.append(origin + length * (np.cos(angle) * along + np.sin(angle) * aside))
    return np.array([NUMBERS[symbol] for symbol, *_ in atoms]), np.array(places)


known = {name: build(atoms) for name, atoms in molecules.items()}
COLOURS = {1: "white", 6: "0.35", 7: "#3050F8", 8: "#D62718"}
SIZES = {1: 0.30, 6: 0.46, 7: 0.45, 8: 0.44}
VIEW = Rotation.from_euler("yx", [-50, 20], degrees=True)


def draw(ax, numbers, places):
    """Draw a molecule, near atoms over far ones."""
    shown = VIEW.apply(places - (places.max(axis=0) + places.min(axis=0)) / 2)
    lengths = squareform(pdist(places))
    for i, j in np.argwhere(np.triu(lengths, 1) > 0):
        heavy = min(numbers[i], numbers[j]) > 1
        if lengths[i, j] < (1.7 if heavy else 1.25) and max(numbers[i], numbers[j]) > 1:
            zorder = shown[[i, j], 2].mean()
            ax.plot(*shown[[i, j], :2].T, color="0.6", linewidth=6, zorder=zorder, solid_capstyle="round")
    for number, (x, y, z) in zip(numbers, shown, strict=True):
        size = SIZES[number]
        ax.add_patch(plt.Circle((x, y), size, facecolor=COLOURS[number], edgecolor="0.2", zorder=z))
        place = (x - 0.3 * size, y + 0.35 * size)
        ax.add_patch(plt.Circle(place, 0.22 * size, color="white", alpha=0.7, zorder=z + 1e-3))
    ax.set(xlim=(-2.1, 2.1), ylim=(-1.8, 1.8), aspect="equal")
    ax.set_axis_off()


figure, axes = plt.subplots(1, 6, figsize=(11, 2.1), layout="constrained")
for (name, (numbers, places)), ax in zip(known.items(), axes, strict=True):
    draw(ax, numbers, places)
    ax.set_title(name, fontsize=11)

# %%
# Shaken molecules
# ----------------
# Every coordinate of every atom is displaced by 0.08 Å, the molecule is turned and moved, and its atoms are
# listed in random order. The energy is the sum of products of charges over distances, in atomic charges over
# ångströms.

rng = np.random.default_rng(0)
names = list(known)
kinds = np.arange(1200) % len(names)
clouds = []
for kind in kinds:
    numbers, places = known[names[kind]]
    places = places + 0.08 * rng.standard_normal(places.shape)
    places = Rotation.random(rng=rng).apply(places) + rng.standard_normal(3)
    order = rng.permutation(len(numbers))
    clouds.append(np.column_stack([places, numbers])[order])


def coulomb_matrix(cloud):
    """Return charges over distances, with an energy of the free atoms on the diagonal."""
    charges = cloud[:, 3]
    distances = squareform(pdist(cloud[:, :3])) + np.eye(len(cloud))
    matrix = np.outer(charges, charges) / distances
    np.fill_diagonal(matrix, 0.5 * charges**2.4)
    return matrix


energy = np.array([np.sum(np.triu(coulomb_matrix(cloud), 1)) for cloud in clouds])
means = np.array([energy[kinds == kind].mean() for kind in range(len(names))])
spread = np.sqrt(np.mean((energy - means[kinds]) ** 2))
for name, mean in zip(names, means, strict=True):
    print(f"{name:>13}: mean energy {mean:6.1f}")
print(f"spread within a kind of molecule {spread:.2f}")

# %%
# Descriptors
# -----------
# The column of atomic numbers is named as that of the types: each element has a density of its own. The
# baseline are the sorted eigenvalues of the Coulomb matrix, a classic that knows charges and distances
# already, by a linear model and by kernel ridge regression. Errors are in units of the spread within a kind
# of molecule: a model that recognises the molecule and nothing else gets 1.


def eigenvalues(clouds):
    """Return the sorted eigenvalues of Coulomb matrices, as many as the largest molecule has atoms."""
    found = [np.sort(np.linalg.eigvalsh(coulomb_matrix(cloud)))[::-1] for cloud in clouds]
    return np.array([np.pad(values, (0, 9 - len(values))) for values in found])


def ridge():
    """Return a linear model."""
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-8, 4, 25)))


def kernel_ridge():
    """Return a nonlinear model."""
    options = {"kernelridge__alpha": [1e-6, 1e-3], "kernelridge__gamma": [0.01, 0.1, 1.0]}
    return GridSearchCV(make_pipeline(StandardScaler(), KernelRidge(kernel="laplacian")), options, cv=3)


two, three = (
    SphericalInvariants(lmax=3, n_radial=3, order=order, type_column=3).fit(clouds) for order in (2, 3)
)
contenders = {
    "eigenvalues, ridge": (eigenvalues(clouds), ridge, "#E69F00", "s"),
    "eigenvalues, kernel ridge": (eigenvalues(clouds), kernel_ridge, "#CC79A7", "D"),
    "two points at a time, ridge": (two.transform(clouds), ridge, "#56B4E9", "^"),
    "three points at a time, ridge": (three.transform(clouds), ridge, "#0072B2", "o"),
}
sizes, test = [60, 120, 240, 480, 900], slice(900, None)
predicted = {}
figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.2), layout="constrained")
for name, (features, model, colour, marker) in contenders.items():
    errors = []
    for size in sizes:
        fitted = model().fit(features[:size], energy[:size])
        predicted[name] = fitted.predict(features[test])
        errors.append(np.sqrt(np.mean((predicted[name] - energy[test]) ** 2)) / spread)
    left.loglog(sizes, errors, color=colour, marker=marker, label=name)
    print(f"{name:>29}, {features.shape[1]} features: " + ", ".join(f"{error:.3f}" for error in errors))
left.axhline(1, color="0.6", linestyle=":", linewidth=1)
left.set_xticks(sizes, map(str, sizes))
left.minorticks_off()
left.set(xlabel="molecules in the training set", ylabel="error over the spread within a kind")
left.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
left.legend(frameon=False, fontsize=9)
deviation = energy[test] - means[kinds[test]]
for name in ("eigenvalues, kernel ridge", "three points at a time, ridge"):
    _, _, colour, marker = contenders[name]
    found = predicted[name] - means[kinds[test]]
    right.plot(deviation, found, marker, ms=4, alpha=0.6, color=colour, markeredgewidth=0, label=name)
right.axline((0, 0), slope=1, color="black", linewidth=0.8)
right.set(xlabel="energy less the mean of its kind", ylabel="predicted", aspect="equal")
right.legend(frameon=False, fontsize=9, loc="upper left")
for ax in (left, right):
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
