"""Recovery: a photograph from half as many numbers as pixels, and the paths of a channel from few pilots."""

import functools

import numpy as np

from spectralkit.datasets import make_irs_mimo, make_kronecker_sparse
from spectralkit.recovery import KroneckerSBL, kronecker_matvec, kronecker_omp, kronecker_sbl
from spectralkit.tour._draw import panels
from spectralkit.tour._stop import StopResult, timed


def photograph_from_half_the_numbers():
    """Recover photographs from separable random measurements, with learned variances of their frequencies."""
    from scipy.fft import dct
    from sklearn.datasets import load_sample_images

    n, m = 64, 45
    rng = np.random.default_rng(0)
    basis = dct(np.eye(n), axis=0, norm="ortho").T
    dictionaries = [rng.standard_normal((m, n)) @ basis / np.sqrt(m) for _ in range(2)]
    inverses = [np.linalg.pinv(H) for H in dictionaries]
    figure, *axes = panels(*[1.8] * 6, height=2.2)
    left, least, seconds = [], [], []
    for photograph, place, trio in zip(
        load_sample_images().images, ((60, 200), (60, 170)), (axes[:3], axes[3:]), strict=True
    ):
        crop = photograph[place[0] :, place[1] :][: 4 * n, : 4 * n].mean(axis=2) / 255
        picture = crop.reshape(n, 4, n, 4).mean(axis=(1, 3))
        Y = kronecker_matvec(dictionaries, (basis.T @ picture @ basis).ravel())
        Y = Y + 0.01 * rng.standard_normal(Y.shape)
        result, spent = timed(kronecker_sbl, Y, dictionaries, method="am", prune=0, tol=1e-3)
        seconds.append(spent)
        shown = {"original": picture}
        for name, coef in (
            ("least norm", kronecker_matvec(inverses, Y)),
            ("kronecker_sbl", result.coef),
        ):
            shown[name] = basis @ coef.reshape(n, n) @ basis.T
        left.append(_relative(shown["kronecker_sbl"], picture))
        least.append(_relative(shown["least norm"], picture))
        for ax, (name, image) in zip(trio, shown.items(), strict=True):
            ax.imshow(image, cmap="gray", vmin=0, vmax=1)
            ax.set_title(name, fontsize=10)
            ax.axis("off")
    return StopResult(
        method="kronecker_sbl",
        problem=f"{n} x {n} pixels, {m} x {m} mixtures of rows and columns",
        error=max(left),
        seconds=max(seconds),
        sentence=(
            "A variance for each frequency up and down and for each one across, and the noise, are "
            f"learned from {m * m / n**2:.0%} as many numbers as pixels; the error is that of the picture, "
            f"relative, the larger of two (least norm: {max(least):.1g})."
        ),
        figure=figure,
    )


def paths_of_a_channel():
    """Find the angles of a channel through a reflecting surface; race a dense solver on less."""
    from matplotlib.colors import PowerNorm
    from matplotlib.patches import Rectangle

    channel = make_irs_mimo(snr=12.0, rng=3)
    result, seconds = timed(kronecker_sbl, channel.Y, channel.dictionaries)
    greedy = kronecker_omp(channel.Y, channel.dictionaries, n_nonzero=(3, 1, 3))
    shape = tuple(H.shape[1] for H in channel.dictionaries)
    places = np.unravel_index(channel.support, shape)
    inverses = [
        np.linalg.pinv(H[:, np.unique(place)]) for H, place in zip(channel.dictionaries, places, strict=True)
    ]
    oracle = np.zeros_like(channel.coef)
    oracle[channel.support] = kronecker_matvec(inverses, channel.Y)
    figure, *axes = panels(2.7, 2.7, 2.7, 2.7, height=3.0)
    shown = {
        "true": channel.coef,
        "kronecker_sbl": result.coef,
        "kronecker_omp": greedy.coef,
        "least norm": kronecker_matvec([np.linalg.pinv(H) for H in channel.dictionaries], channel.Y),
    }
    surface, user, base = places
    for ax, (name, coef) in zip(axes, shown.items(), strict=True):
        picture = np.abs(coef.reshape(shape)[:, user[0]]) / np.abs(channel.coef).max()
        ax.imshow(picture, cmap="magma", norm=PowerNorm(0.5, 0, 1), origin="lower")
        corner = (base.min() - 0.5, surface.min() - 0.5)
        ax.add_patch(Rectangle(corner, np.ptp(base) + 1, np.ptp(surface) + 1, fill=False, color="#56B4E9"))
        ax.grid(False)
        ax.set(xticks=[0, 8, 17], yticks=[0, 8, 17], xlabel="angle at the base station")
        ax.set_title(name, fontsize=11)
    axes[0].set_ylabel("angle at the surface")
    best = channel.nmse(oracle)
    small, dense_error = _against_ard()
    return [
        StopResult(
            method="kronecker_sbl",
            problem=f"{channel.coef.size} products of angles, {channel.Y.size} pilots, 12 dB",
            error=channel.nmse(result.coef) / best,
            seconds=seconds,
            sentence=(
                "Paths of a radio channel by angle, the true ones framed; the error is the squared one of "
                "the channel in units of that of least squares on the true angles (kronecker_omp, told how "
                f"many angles: {channel.nmse(greedy.coef) / best:.2g}). The smaller problem, "
                f"for a race, has the relative error of its coefficients (ARDRegression: {dense_error:.1g})."
            ),
            figure=figure,
        ),
        small,
    ]


def _against_ard():
    """Return the row of a small problem, and the error of scikit-learn's solver of the same kind of model."""
    from sklearn.linear_model import ARDRegression

    problem = make_kronecker_sparse(((6, 8), (7, 8), (7, 8)), 2, rng=0)
    model, seconds = timed(KroneckerSBL().fit, problem.dictionaries, problem.Y)
    dense = functools.reduce(np.kron, problem.dictionaries)
    peer, peer_seconds = timed(ARDRegression(fit_intercept=False).fit, dense, problem.Y)
    row = StopResult(
        method="KroneckerSBL",
        problem=f"{dense.shape[1]} coefficients, {dense.shape[0]} measurements, 20 dB",
        error=problem.nmse(model.coef_) ** 0.5,
        seconds=seconds,
        peer="ARDRegression",
        peer_seconds=peer_seconds,
    )
    return row, problem.nmse(peer.coef_) ** 0.5


def _relative(estimate, truth):
    return float(np.linalg.norm(estimate - truth) / np.linalg.norm(truth))
