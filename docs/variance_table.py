"""Print the table of the errors of sliced distances in the guide: ``python docs/variance_table.py``."""

import numpy as np
from sklearn.datasets import load_digits

from spectralkit.transport import sliced_wasserstein

L, REPEATS = 100, 200
CONTENDERS = {
    "plain, independent directions": ("monte_carlo", "iid"),
    "LCV, independent": ("lcv", "iid"),
    "UCV, independent": ("ucv", "iid"),
    "Gaussian, independent": ("gaussian", "iid"),
    "plain, orthogonal": ("monte_carlo", "orthogonal"),
    "Gaussian, orthogonal": ("gaussian", "orthogonal"),
    "plain, QMC": ("monte_carlo", "qmc"),
    "Gaussian, QMC": ("gaussian", "qmc"),
}


def pairs():
    """Return the three pairs of clouds."""
    digits = load_digits()
    rng = np.random.default_rng(0)
    cube = rng.uniform(-1.0, 1.0, (500, 3))
    normal = rng.standard_normal((500, 3)) * [1.0, 0.5, 0.25] + [0.5, 0.0, -0.25]
    return {
        "cube, normal": (cube, normal),
        "chair, lamp": (chair(500, rng), lamp(500, rng)),
        "digits 0, 1": tuple(digits.data[digits.target == label] / 16.0 for label in (0, 1)),
    }


def chair(n, rng):
    """Return points on a seat, a back and four legs."""
    part = rng.choice(3, n, p=[0.4, 0.35, 0.25])
    u, v, w = rng.uniform(-1.0, 1.0, (3, n))
    corner = np.where(rng.random((2, n)) < 0.5, -0.9, 0.9)
    seat = np.stack([u, v, 0.05 * w], axis=1)
    back = np.stack([u, 0.95 + 0.05 * v, 0.7 + 0.7 * w], axis=1)
    legs = np.stack([corner[0] + 0.08 * u, corner[1] + 0.08 * v, -0.6 + 0.6 * w], axis=1)
    return np.choose(part[:, None], [seat, back, legs])


def lamp(n, rng):
    """Return points on a round foot, a thin pole and a conical shade."""
    part = rng.choice(3, n, p=[0.25, 0.2, 0.55])
    u, height = rng.random((2, n))
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    foot = np.column_stack([0.6 * np.sqrt(u)[:, None] * circle, -1.2 + 0.05 * height])
    pole = np.column_stack([0.04 * circle, -1.2 + 1.9 * height])
    shade = np.column_stack([(0.8 - 0.4 * height)[:, None] * circle, 0.5 + 0.8 * height])
    return np.choose(part[:, None], [foot, pole, shade])


def errors(X, Y):
    """Return the relative root mean square error of each contender, and that of the reference."""
    # The reference has no control variate, so it takes no contender's side.
    kind, many = ("qmc", 1 << 15) if X.shape[1] <= 3 else ("orthogonal", 64 * 64)
    options = {"n_projections": many, "estimator": "monte_carlo", "directions": kind}
    powers = np.array([sliced_wasserstein(X, Y, rng=1_000 + seed, **options).power for seed in range(10)])
    found = {}
    for name, (estimator, directions) in CONTENDERS.items():
        if directions == "qmc" and X.shape[1] > 3:
            continue  # there it is another name for orthogonal blocks
        options = {"n_projections": L, "estimator": estimator, "directions": directions}
        drawn = [sliced_wasserstein(X, Y, rng=seed, **options).power for seed in range(REPEATS)]
        found[name] = np.sqrt(np.mean((np.array(drawn) / powers.mean() - 1.0) ** 2))
    return found, powers.std(ddof=1) / np.sqrt(len(powers)) / powers.mean()


def main():
    """Print the table."""
    columns = {name: errors(*clouds) for name, clouds in pairs().items()}
    print("| estimator, directions | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for name in CONTENDERS:
        cells = (f"{found[name]:.1e}" if name in found else "as orthogonal" for found, _ in columns.values())
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("| *the reference itself* | " + " | ".join(f"{error:.0e}" for _, error in columns.values()) + " |")


if __name__ == "__main__":
    main()
