"""Functions on the sphere: products of features that turn along, and shapes however they lie."""

import importlib.util

import numpy as np

from spectralkit.datasets import make_rotated_shapes
from spectralkit.equivariant import (
    GauntTensorProduct,
    SphericalInvariants,
    gaunt_tensor_product,
    rotate,
    spherical_harmonics,
)
from spectralkit.tour._draw import BLUE, GREEN, ORANGE, PURPLE, SKY, panels
from spectralkit.tour._stop import StopResult, timed


def products_that_turn_along():
    """Multiply functions on the sphere, and compare the routes."""
    rng, rows, lmax = np.random.default_rng(0), 1024, 6
    degrees = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
    styles = {"sparse": (BLUE, "o-"), "grid": (SKY, "s-"), "fft": (ORANGE, "^--"), "e3nn": (PURPLE, "D:")}
    spent = {name: {} for name in styles}
    for degree in degrees:
        x1, x2 = rng.standard_normal((2, rows, (degree + 1) ** 2)).astype(np.float32)
        for method in ("sparse", "grid", "fft"):
            if (method, degree) not in {("sparse", 12), ("sparse", 16), ("fft", 12), ("fft", 16)}:
                product = GauntTensorProduct(degree, degree, method=method, dtype=np.float32)
                spent[method][degree] = _least(product, x1, x2)
        if degree <= lmax and (peer := _e3nn_product(degree)) is not None:
            import torch

            spent["e3nn"][degree] = _least(peer, torch.from_numpy(x1), torch.from_numpy(x2))
    figure, left, right = panels(5.2, 4.6)
    for name, (colour, style) in styles.items():
        if spent[name]:
            left.loglog(
                *zip(*spent[name].items(), strict=True), style, ms=5, color=colour, label=_label(name)
            )
    left.set_xticks(degrees, map(str, degrees))
    left.minorticks_off()
    left.set(xlabel="degree of the factors", ylabel=f"seconds for {rows} products")
    left.legend(frameon=False)
    left.set_title("All degrees of the product, float32", fontsize=11)
    centres = np.array([[-0.2, -0.9, 0.6], [0.7, -0.7, -0.2], [-0.5, -0.6, -0.6], [0.3, -0.9, -0.1]])
    bumps = spherical_harmonics(lmax, centres) * np.exp(-_degree_of(lmax) * (_degree_of(lmax) + 1) / 30)
    first, second = bumps[0] + bumps[1] - bumps[2], bumps[3] - 0.7 * bumps[0]
    product = gaunt_tensor_product(first, second)
    for place, coefficients in enumerate((first, second, product)):
        _globe(right, coefficients, 2.3 * (place % 2), -2.3 * (place // 2))
    right.text(1.15, 0, "×", ha="center", va="center", fontsize=16)
    right.text(1.35, -2.3, "is their product,\ndegrees up to 12", va="center")
    right.set(xlim=(-1.1, 3.4), ylim=(-3.4, 1.1), aspect="equal")
    right.set_axis_off()
    right.set_title(f"Two functions of degree {lmax}", fontsize=11)
    # The reference: values of the factors at random points, multiplied there.
    x1, x2 = rng.standard_normal((2, rows, (lmax + 1) ** 2)).astype(np.float32)
    points = rng.standard_normal((500, 3))
    Y = spherical_harmonics(2 * lmax, points).T
    exact = (x1 @ Y[: x1.shape[1]]) * (x2 @ Y[: x2.shape[1]])
    error = np.abs(gaunt_tensor_product(x1, x2) @ Y - exact).max() / np.abs(exact).max()
    R = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    x1, x2 = x1.astype(float), x2.astype(float)
    turned = rotate(gaunt_tensor_product(x1, x2), R)
    off = np.abs(gaunt_tensor_product(rotate(x1, R), rotate(x2, R)) - turned).max() / np.abs(turned).max()
    ours = min(spent["sparse"][lmax], spent["grid"][lmax])
    e3nn = spent["e3nn"].get(lmax)
    return StopResult(
        method="gaunt_tensor_product",
        problem=f"{rows} products, degree {lmax}, float32",
        error=error,
        seconds=ours,
        peer="e3nn TensorProduct" if e3nn else 'method="fft"',
        peer_seconds=e3nn or spent["fft"][lmax],
        sentence=(
            "Products of functions on the sphere from their coefficients; the error is that of values at "
            f"random points, and in double precision rotating before or after differs by {off:.0e}. The sum "
            "over Gaunt coefficients is fastest up to about degree 6, the grid above; the Fourier route is "
            "here for comparison."
        ),
        figure=figure,
    )


def shapes_however_they_lie():
    """Learn shapes from upright clouds of points, and recognise them turned."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    clouds, names = make_rotated_shapes(320, n_points=100, rotate=False, rng=0)
    turned, truth = make_rotated_shapes(320, n_points=100, rng=1)
    invariants = SphericalInvariants(n_radial=8, order=2, average=True).fit(clouds)
    features, seconds = timed(invariants.transform, turned)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    predicted = model.fit(invariants.transform(clouds), names).predict(features)
    forest = RandomForestClassifier(60, random_state=0).fit(_sorted_coordinates(clouds), names)
    raw = forest.score(_sorted_coordinates(turned), truth)
    shapes = np.unique(truth)
    figure, left, right = panels(6.0, 4.0, height=3.8)
    examples, labels = make_rotated_shapes(16, n_points=500, rng=3)
    for place, shape in enumerate(shapes):
        x, y = 2.9 * (place % 4), -3.2 * (place // 4)
        cloud = examples[list(labels).index(shape)]
        cloud = cloud[np.argsort(-cloud[:, 1])]
        left.scatter(x + cloud[:, 0], y + cloud[:, 2], c=-cloud[:, 1], cmap="Blues", vmin=-2.2, vmax=1.2, s=3)
        left.text(x, y + 1.5, shape, ha="center", fontsize=9)
    left.set(aspect="equal")
    left.set_axis_off()
    shares = [[np.mean(predicted[truth == shape] == shape) for shape in shapes]]
    shares.append([np.mean(forest.predict(_sorted_coordinates(turned))[truth == s] == s) for s in shapes])
    places = np.arange(len(shapes))
    for offset, values, colour, name in (
        (0.2, shares[0], BLUE, "invariants, linear"),
        (-0.2, shares[1], GREEN, "coordinates, forest"),
    ):
        right.barh(places + offset, values, 0.4, color=colour, label=name)
    right.set_yticks(places, shapes)
    right.invert_yaxis()
    right.set(xlabel="recognised, of 40 turned clouds each", xlim=(0, 1.02))
    right.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2)
    return StopResult(
        method="SphericalInvariants",
        problem=f"320 clouds of 100 points, {features.shape[1]} features",
        error=1.0 - np.mean(predicted == truth),
        seconds=seconds,
        peer="coordinates and a forest",
        sentence=(
            "Eight shapes, learned from clouds that stand upright and recognised in any position, by a "
            "linear classifier on features that no rotation changes; the error is the share of clouds that "
            f"are mistaken (a forest on the coordinates: {1.0 - raw:.2f})."
        ),
        figure=figure,
    )


def _least(function, *arguments):
    """Return the shortest time of a few calls."""
    _, once = timed(function, *arguments)  # compiles, or makes tables
    _, once = timed(function, *arguments)
    return min(timed(function, *arguments)[1] for _ in range(max(3, min(50, int(0.03 / once)))))


def _e3nn_product(lmax):
    """Return the same paths by e3nn, or None where it is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "e3nn")):
        return None
    import torch
    from e3nn import o3

    torch.set_num_threads(1)
    irreps, out = o3.Irreps.spherical_harmonics(lmax), o3.Irreps.spherical_harmonics(2 * lmax)
    paths = [
        (i, j, k, "uuu", False)
        for i in range(lmax + 1)
        for j in range(lmax + 1)
        for k in range(abs(i - j), i + j + 1, 2)
    ]
    return o3.TensorProduct(irreps, irreps, out, paths)


def _label(name):
    return name if name == "e3nn" else f'method="{name}"'


def _degree_of(lmax):
    return np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)


def _sorted_coordinates(clouds):
    """Return the coordinates of each cloud, lowest points first."""
    return np.array([cloud[np.argsort(cloud[:, 2])].ravel() for cloud in clouds])


def _globe(ax, coefficients, x, y):
    """Draw a function on the half of the sphere that faces us, centred at (x, y)."""
    from matplotlib import colormaps

    u, v = np.meshgrid(np.linspace(-1, 1, 241), np.linspace(1, -1, 241))
    depth = np.sqrt(np.maximum(1.0 - u**2 - v**2, 0.0))
    inside = u**2 + v**2 < 1.0
    directions = np.stack([u, -depth, v], axis=-1)[inside]
    values = np.zeros(u.shape)
    values[inside] = spherical_harmonics(round(len(coefficients) ** 0.5) - 1, directions) @ coefficients
    colours = colormaps["RdBu_r"](0.5 + 0.5 * values / np.abs(values).max())
    colours[..., :3] *= (0.55 + 0.45 * depth)[..., None]
    colours[..., 3] = np.clip((1.0 - np.hypot(u, v)) * 120.0, 0.0, 1.0)
    ax.imshow(colours, extent=(x - 1, x + 1, y - 1, y + 1), interpolation="bilinear")
