"""Differential equations on several scales, and a missing piece of a photograph."""

import numpy as np

from spectralkit.gaussian_process import SpectralMixtureKernel, SpectralMixturePDE
from spectralkit.tour._draw import BLUE, ORANGE, panels
from spectralkit.tour._stop import StopResult, timed


def waves_on_three_scales():
    """Solve an equation of Allen and Cahn in the plane, and the same by finite differences."""
    n = 120
    x = np.linspace(0.0, 1.0, n)
    (p, p_xx), (fine, _) = _factor(x), _factor(np.linspace(0.0, 1.0, 300))
    u = np.outer(p, p)
    source = np.outer(p_xx, p) + np.outer(p, p_xx) + u * (u * u - 1.0)
    boundary = u.copy()
    boundary[1:-1, 1:-1] = np.nan
    solver, seconds = timed(SpectralMixturePDE("allen_cahn").fit, (x, x), source, boundary)
    differences, peer_seconds = timed(_finite_differences, x, source, boundary)
    points = np.linspace(0.0, 1.0, 300)
    exact = np.outer(fine, fine)
    found = solver.predict((points, points))
    peer_error = np.linalg.norm(differences - u) / np.linalg.norm(u)
    figure, *axes = panels(4.4, 4.4, 4.4, height=3.8)
    shown = (
        ("solution", found, "RdBu_r"),
        ("error of finite differences", differences - u, "PuOr_r"),
        ("error of SpectralMixturePDE", found - exact, "PuOr_r"),
    )
    for ax, (title, values, colours) in zip(axes, shown, strict=True):
        top = np.abs(values).max()
        picture = ax.imshow(
            values.T, cmap=colours, vmin=-top, vmax=top, origin="lower", extent=(0.0, 1.0, 0.0, 1.0)
        )
        figure.colorbar(picture, ax=ax, shrink=0.8)
        ax.grid(False)
        ax.set(xticks=[0, 1], yticks=[0, 1])
        ax.set_title(title, fontsize=11)
    return StopResult(
        method="SpectralMixturePDE",
        problem=f"Allen-Cahn, {n} x {n} points",
        error=np.linalg.norm(found - exact) / np.linalg.norm(exact),
        seconds=seconds,
        peer=f"finite differences, error {peer_error:.0e}",
        peer_seconds=peer_seconds,
        sentence=(
            "A solution with the frequencies 1, 20 and 100 along each side, from its source and its values "
            "on the boundary: frequencies are identified and coefficients solved for; errors are against "
            "the solution that the source was made from."
        ),
        figure=figure,
    )


def a_missing_piece_of_a_roof():
    """Fill in a stretch of a row of roof tiles, by two kernels of a Gaussian process."""
    from sklearn.datasets import load_sample_image
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    y = load_sample_image("china.jpg").mean(axis=2)[270, 180:292]
    x = np.arange(len(y), dtype=float)[:, None]
    out = (x[:, 0] >= 50) & (x[:, 0] < 66)
    y = (y - y[~out].mean()) / y[~out].std()
    lines = SpectralMixtureKernel.from_data(x[~out], y[~out], 2)
    mixture = GaussianProcessRegressor(lines + WhiteKernel(0.1))
    single = GaussianProcessRegressor(ConstantKernel() * RBF(3.0) + WhiteKernel(0.1))
    (_, seconds), (_, peer_seconds) = (timed(_fit, model, x[~out], y[~out]) for model in (mixture, single))
    places = np.linspace(25.0, 91.0, 1000)[:, None]
    figure, *axes = panels(6.5, 6.5, height=3.6)
    errors = []
    for ax, model, colour, name in zip(
        axes, (mixture, single), (BLUE, ORANGE), ("SpectralMixtureKernel", "RBF"), strict=True
    ):
        mean, std = model.predict(places, return_std=True)
        low, high = mean - 1.96 * std, mean + 1.96 * std
        ax.fill_between(places[:, 0], low, high, color=colour, alpha=0.25, linewidth=0)
        ax.plot(places, mean, color=colour, linewidth=1.4)
        ax.plot(x[~out], y[~out], "k.", ms=5)
        ax.plot(x[out], y[out], "o", ms=5, mfc="white", mec="black")
        errors.append(np.sqrt(np.mean((model.predict(x[out]) - y[out]) ** 2)) / y[out].std())
        ax.set(xlim=(25, 91), ylim=(-3.2, 3.2), xlabel="pixel")
        ax.set_title(f"{name}: error {errors[-1]:.2f} on what is left out", fontsize=11)
    return StopResult(
        method="SpectralMixtureKernel",
        problem=f"{int(out.sum())} of {len(y)} pixels of a row left out",
        error=errors[0],
        seconds=seconds,
        peer=f"scikit-learn's RBF, error {errors[1]:.1f}",
        peer_seconds=peer_seconds,
        sentence=(
            "Circles are left out of a row of roof tiles in a photograph, and filled in from the dots by "
            "Gaussian processes, with bands of 95 %: a kernel of a single length returns to the mean, while "
            "a mixture that starts from the lines of the data goes on; errors are in units of the deviation "
            "of the values left out."
        ),
        figure=figure,
    )


def _factor(t):
    """Return a function on three scales, and its second derivative."""
    u = np.sin(t) + 0.1 * np.sin(20.0 * t) + np.cos(100.0 * t)
    return u, -np.sin(t) - 40.0 * np.sin(20.0 * t) - 1e4 * np.cos(100.0 * t)


def _fit(model, x, y):
    """Fit without the warnings about parameters that end at their bounds."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y)


def _finite_differences(x, source, boundary):
    """Solve the equation of Allen and Cahn by second differences and Newton's method."""
    import scipy.sparse
    from scipy.sparse.linalg import spsolve

    n = len(x)
    D = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)) / (x[1] - x[0]) ** 2
    eye = scipy.sparse.eye_array(n)
    inside = np.isnan(boundary)
    rows = (scipy.sparse.kron(D, eye) + scipy.sparse.kron(eye, D)).tocsr()[inside.ravel()]
    right = source[inside] - rows[:, ~inside.ravel()] @ boundary[~inside]
    A = rows[:, inside.ravel()].tocsc()
    v = spsolve(A, right)
    for _ in range(20):
        slope = A + scipy.sparse.diags_array(3.0 * v * v - 1.0)
        step = spsolve(slope.tocsc(), A @ v + v * (v * v - 1.0) - right)
        v = v - step
        if np.linalg.norm(step) <= 1e-10 * np.linalg.norm(v):
            break
    u = boundary.copy()
    u[inside] = v
    return u
