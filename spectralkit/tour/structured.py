"""Fast linear operators: the cosine transform of a photograph, and factors that are found in a matrix."""

import numpy as np

from spectralkit.structured import Butterfly, ButterflyTransformer, butterfly_factorize
from spectralkit.tour._draw import BLUE, ORANGE, panels
from spectralkit.tour._stop import StopResult, timed


def a_photograph_in_few_cosines():
    """Transform rows and columns of a photograph, and keep a few coefficients."""
    import scipy.fft
    from sklearn.datasets import load_sample_image

    picture = load_sample_image("china.jpg").mean(axis=2)[100:356, 64:576] / 255
    rows, columns = (ButterflyTransformer("dct").fit(table) for table in (picture, picture.T))

    def ours():
        return columns.operator_.matmul(rows.operator_.matmul(picture), axis=0)

    coefficients, seconds = _fastest(ours)
    exact, peer_seconds = _fastest(lambda: scipy.fft.dctn(picture))
    share = 0.04
    # Orthonormal, so that sizes compare.
    weights = np.ones(picture.shape)
    weights[0] /= np.sqrt(2.0)
    weights[:, 0] /= np.sqrt(2.0)
    sizes = np.abs(coefficients * weights)
    kept = np.where(sizes >= np.quantile(sizes, 1.0 - share), coefficients, 0.0)
    back = rows.inverse_transform(columns.inverse_transform(kept.T).T)
    lost = np.linalg.norm(back - picture) / np.linalg.norm(picture - picture.mean())
    figure, *axes = panels(5.0, 5.0, 5.0, height=3.2)
    energies = np.log10(sizes + 1e-3)
    shown = (
        (f"{picture.shape[0]} x {picture.shape[1]} pixels", picture, "gray"),
        ("its cosine transform, logarithms", energies, "magma"),
        (f"{share:.0%} of the coefficients", back, "gray"),
    )
    for ax, (title, values, colours) in zip(axes, shown, strict=True):
        limits = {"vmin": 0.0, "vmax": 1.0} if colours == "gray" else {}
        ax.imshow(values, cmap=colours, interpolation="nearest", **limits)
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.set_title(title, fontsize=11)
    return StopResult(
        method="Butterfly.dct",
        problem=f"rows and columns of {picture.shape[0]} x {picture.shape[1]} pixels",
        error=np.linalg.norm(coefficients - exact) / np.linalg.norm(exact),
        seconds=seconds,
        peer="scipy.fft.dctn",
        peer_seconds=peer_seconds,
        sentence=(
            "A photograph is transformed by butterflies along rows and columns, and most coefficients "
            f"are dropped ({lost:.0%} of the contrast is lost); the error is that of the transform "
            "against SciPy's, which is made for this one transform, while a butterfly may be any other."
        ),
        figure=figure,
    )


def factors_found_in_a_matrix():
    """Give away the entries of a matrix, and multiply rows of a photograph by its factors."""
    import scipy.fft
    from sklearn.datasets import load_sample_image

    n = 512
    picture = load_sample_image("flower.jpg").mean(axis=2)[:, 64 : 64 + n] / 255
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], n)
    W = np.fft.fft(np.eye(n)) * signs
    butterfly_factorize(W[:2, :2])  # compiles
    result, seconds = timed(butterfly_factorize, W)
    exact = scipy.fft.fft(picture * signs)

    def fast():
        return result.operator.matmul(picture)

    def dense():
        return picture @ W.T

    _, dense_seconds = _fastest(dense)
    products, fast_seconds = _fastest(fast)
    error = np.linalg.norm(products - exact) / np.linalg.norm(exact)
    other = butterfly_factorize(Butterfly.dct(n).to_dense()).residual
    figure, left, middle, right = panels(4.2, 4.2, 3.6, height=3.7)
    left.imshow(W.real, cmap="RdBu_r", interpolation="nearest")
    left.set_title("Real parts of the matrix", fontsize=11)
    blocks = _pattern(result.operator.twiddle)
    middle.imshow(blocks, cmap="RdBu_r", aspect="auto", interpolation="nearest")
    middle.set_title(f"Real parts of its {n.bit_length() - 1} factors", fontsize=11)
    for ax in (left, middle):
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
        ax.spines[["left", "bottom"]].set_visible(False)
    counts = {"matrix": n * n, "factors": result.operator.n_parameters}
    right.bar(list(counts), list(counts.values()), color=(ORANGE, BLUE))
    right.set(ylabel="numbers")
    right.set_title(f"Products {dense_seconds / fast_seconds:.0f} times as fast", fontsize=11)
    return StopResult(
        method="butterfly_factorize",
        problem=f"complex matrix of order {n}, {len(picture)} rows of pixels",
        error=error,
        seconds=seconds,
        sentence=(
            "The entries of a Fourier matrix with random signs are all that is given: its factors are "
            "found in closed form, and the error is that of their products with rows of a photograph, "
            f"against SciPy's FFT (a matrix without such factors shows by its residual: {other:.2f} for "
            "the cosine transform)."
        ),
        figure=figure,
    )


def _pattern(twiddle):
    """Return real parts of the blocks, four rows to a level, scaled, and one to set it off."""
    rows = []
    for level in twiddle.real:
        blocks = level.reshape(-1, 4).T / np.abs(level).max()
        rows.append(np.vstack([blocks, np.full(blocks.shape[1], np.nan)]))
    return np.concatenate(rows)[:-1]


def _fastest(function):
    """Return what the function returns, and the shortest time of five calls after a first."""
    result = function()
    return result, min(timed(function)[1] for _ in range(5))
