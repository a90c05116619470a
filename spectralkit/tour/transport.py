"""Transport: the colours of photographs, an error of sliced distances, and ink that flows."""

import warnings

import numpy as np

from spectralkit.tour._draw import BLUE, GREEN, ORANGE, panels
from spectralkit.tour._stop import StopResult, timed
from spectralkit.transport import (
    EntropicTransport,
    SlicedWassersteinFlow,
    exact_transport,
    sliced_wasserstein,
)


def colours_of_photographs():
    """Paint two photographs in each other's colours, by a plan whose marginals hold."""
    import ot
    from sklearn.datasets import load_sample_images

    pictures = [picture[::2, ::2] / 255 for picture in load_sample_images().images]
    (X, a), (Y, b) = (_palette(picture) for picture in pictures)
    reg = 2e-3
    transport = EntropicTransport(reg, normalize_cost="max").fit(X[::8], Y[::8])  # compiles
    _, seconds = timed(transport.fit, X, Y, a, b)
    C = np.sum((X[:, None] - Y[None]) ** 2, axis=-1)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        plan, peer_seconds = timed(ot.sinkhorn, a, b, C / C.max(), reg, method="sinkhorn_stabilized")
    mapped = [
        transport.transform(pictures[0].reshape(-1, 3)),
        transport.inverse_transform(pictures[1].reshape(-1, 3)),
    ]
    figure, *axes = panels(2.8, 2.8, 2.8, 2.8, height=2.2)
    shown = [
        pictures[0],
        mapped[0].reshape(pictures[0].shape),
        pictures[1],
        mapped[1].reshape(pictures[1].shape),
    ]
    titles = ["temple", "in the colours of the flower", "flower", "in the colours of the temple"]
    for ax, picture, title in zip(axes, shown, titles, strict=True):
        ax.imshow(np.clip(picture, 0.0, 1.0))
        ax.set_title(title, fontsize=10)
        ax.axis("off")
    return StopResult(
        method="EntropicTransport",
        problem=f"{len(X)} and {len(Y)} colours, reg {reg:g} of the largest cost",
        error=_marginal_error(transport.plan_, a, b),
        seconds=seconds,
        peer="ot.sinkhorn (stabilized)",
        peer_seconds=peer_seconds,
        sentence=(
            "One plan between two palettes paints each photograph in the colours of the other; the error is "
            "what the marginals of the plan miss, in L1 (POT after its thousand iterations: "
            f"{_marginal_error(plan, a, b):.0e})."
        ),
        figure=figure,
    )


def sliced_distance_of_photographs():
    """Compare sliced distances of few directions with one of twenty thousand."""
    import ot
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    X, Y = (
        rng.choice(picture.reshape(-1, 3) / 255, 1_000, replace=False)
        for picture in load_sample_images().images
    )
    many = {"n_projections": 20_000, "estimator": "monte_carlo", "directions": "qmc"}
    exact = sliced_wasserstein(X, Y, rng=0, **many).power
    contenders = {
        "POT": (
            lambda count, seed: ot.sliced_wasserstein_distance(X, Y, n_projections=count, seed=seed) ** 2
        ),
        "control variate of the paper": (
            lambda count, seed: _power(X, Y, count, seed, estimator="ucv", directions="iid")
        ),
        "sliced_wasserstein": (lambda count, seed: _power(X, Y, count, seed)),
    }
    counts, repeats = (16, 32, 64, 128, 256, 512), 10
    figure, left, right = panels(5.0, 5.0)
    errors, seconds = {}, {}
    for (name, function), colour, style in zip(
        contenders.items(), (ORANGE, GREEN, BLUE), ("s--", "^:", "o-"), strict=True
    ):
        runs = [[timed(function, count, seed) for seed in range(repeats)] for count in counts]
        found = np.array([[power for power, _ in row] for row in runs]) / exact - 1.0
        errors[name] = np.sqrt(np.mean(found**2, axis=1))
        seconds[name] = np.array([np.median([spent for _, spent in row]) for row in runs])
        left.loglog(counts, errors[name], style, ms=5, color=colour, label=name)
        right.loglog(seconds[name], errors[name], style, ms=5, color=colour)
    left.set_xticks(counts, map(str, counts))
    left.minorticks_off()
    left.set(xlabel="directions", ylabel="relative error of the squared distance")
    right.set(xlabel="seconds")
    left.legend(frameon=False)
    left.set_title("Colours of two photographs", fontsize=11)
    right.set_title("The same against time", fontsize=11)
    at = counts.index(128)
    return StopResult(
        method="sliced_wasserstein",
        problem=f"{len(X)} and {len(Y)} colours, {counts[at]} directions",
        error=errors["sliced_wasserstein"][at],
        seconds=seconds["sliced_wasserstein"][at],
        peer="ot.sliced_wasserstein_distance",
        peer_seconds=seconds["POT"][at],
        sentence=(
            "What the means and covariances explain of a projected distance is known beforehand and need not "
            "be estimated; the error is the relative one against 20 000 directions, root mean square "
            f"of ten runs (POT: {errors['POT'][at]:.0e})."
        ),
        figure=figure,
    )


def flow_of_ink():
    """Let the ink of one digit flow to that of another."""
    from sklearn.datasets import load_digits

    digits, rng = load_digits(), np.random.default_rng(0)
    pairs = [(3, 8), (2, 7), (4, 0)]
    figure, *axes = panels(*[1.5] * 7, height=1.5 * len(pairs))
    for ax in axes:
        ax.remove()
    grid = figure.subplots(len(pairs), 7)
    SlicedWassersteinFlow(n_iter=1).fit(rng.random((10, 2)), rng.random((10, 2)))  # compiles
    left, spent = [], []
    for row, (first, second) in zip(grid, pairs, strict=True):
        X, Y = (
            _ink(digits.images[digits.target == label].mean(axis=0), 1_200, rng) for label in (first, second)
        )
        flow = SlicedWassersteinFlow(n_iter=60, learning_rate=0.2, n_snapshots=7, random_state=0)
        spent.append(timed(flow.fit, X, Y)[1])
        left.append(_squared_distance(flow.embedding_, Y) / _squared_distance(X, Y))
        for ax, cloud in zip(row, flow.snapshots_, strict=True):
            ax.scatter(*cloud.T, s=2.5, c=X[:, 1], cmap="plasma", vmax=9.0, linewidths=0)
            ax.set(xticks=[], yticks=[], xlim=(-0.5, 7.5), ylim=(8, -1), aspect="equal")
            ax.spines[:].set_color("0.85")
    for ax, step in zip(grid[-1], range(0, 61, 10), strict=True):
        ax.set_xlabel("start" if step == 0 else f"step {step}", fontsize=9)
    return StopResult(
        method="SlicedWassersteinFlow",
        problem=f"{len(X)} points in the plane, {flow.n_iter} steps",
        error=max(left),
        seconds=max(spent),
        sentence=(
            "Points of ink, coloured by where they started, follow the gradient of a sliced distance from "
            "one digit to another; the error is the share of the exact squared transport distance that is "
            "left at the end, the largest of three."
        ),
        figure=figure,
    )


def _palette(picture):
    """Return the colours of a photograph, from 0 to 1, and weights that sum to one."""
    pixels = picture.reshape(-1, 3)
    _, cells, counts = np.unique((pixels * 15.9).astype(int), axis=0, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(cells.ravel(), weights=channel) for channel in pixels.T], axis=1)
    # Square roots: with the numbers themselves a wide sky has to find a place in a dark picture.
    weights = np.sqrt(counts)
    return sums / counts[:, None], weights / weights.sum()


def _marginal_error(plan, a, b):
    return float(np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum())


def _power(X, Y, count, seed, **options):
    return sliced_wasserstein(X, Y, n_projections=count, rng=seed, **options).power


def _ink(image, n, rng):
    """Return points that lie as densely as the darker ink of a picture, drawn finer than its pixels."""
    from scipy.ndimage import zoom

    fine = np.clip(zoom(image, 8, order=3) - 0.45 * image.max(), 0.0, None)
    down, across = np.divmod(rng.choice(fine.size, n, p=fine.ravel() / fine.sum()), fine.shape[1])
    return (np.stack([across, down], axis=1) + rng.uniform(-0.5, 0.5, (n, 2))) / 9.0


def _squared_distance(X, Y):
    """Return the exact squared transport distance of two clouds."""
    return exact_transport(None, None, np.sum((X[:, None] - Y[None]) ** 2, axis=-1)).cost
