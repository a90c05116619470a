"""Streaming: photographs as streams of patches, and the published hard instance."""

import numpy as np

from spectralkit.datasets import image_patches, make_heavy_row_stream
from spectralkit.streaming import StreamingPCA, StreamingTopEigenvector, frequent_directions, top_eigenvector
from spectralkit.tour._draw import BLUE, GREEN, ORANGE, VERMILION, panels, tiles
from spectralkit.tour._stop import StopResult, timed


def photograph_components():
    """Principal components of patches, drawn as pictures."""
    from sklearn.decomposition import IncrementalPCA

    k = 24
    X = image_patches(8, n_samples=400_000, rng=0)
    StreamingPCA(k).fit(X[:2_000])  # compiles
    ours, seconds = timed(StreamingPCA(k).fit, X)
    peer, peer_seconds = timed(IncrementalPCA(k).fit, X)
    variances, components = _exact(X - X.mean(axis=0, dtype=np.float64))
    figure, left, right = panels(5.6, 4.4, height=3.9)
    tiles(left, ours.components_, 6)
    left.set_title(f"The first {k} components, 8 by 8 pixels each", fontsize=11)
    number = np.arange(1, k + 1)
    right.plot(number, variances[:k] / (len(X) - 1), color="0.45", label="exact eigenvalues")
    right.plot(number, ours.explained_variance_, "o", ms=5, color=BLUE, label="one pass")
    right.set(yscale="log", xlabel="component", ylabel="variance (brightness²)")
    right.set_title("Their variances", fontsize=11)
    right.legend(frameon=False)
    return StopResult(
        method=f"StreamingPCA ({ours.method_})",
        problem=f"{k} components, {_size(X)} patches",
        error=_subspace_error(ours.components_, components[:k]),
        seconds=seconds,
        peer="IncrementalPCA",
        peer_seconds=peer_seconds,
        sentence=(
            "Patches of two photographs pass by once, and out come the waves and edges that explain them; "
            "the error is the squared sine of the largest angle to the exact components (IncrementalPCA: "
            f"{_subspace_error(peer.components_, components[:k]):.0e})."
        ),
        figure=figure,
    )


def error_against_rows():
    """Follow the error as rows pass by."""
    from sklearn.decomposition import IncrementalPCA

    X = _contrasts(200_000)
    eigenvalues, vectors = _exact(X)
    marks = np.unique(np.geomspace(1_024, len(X), 14).astype(int) // 1_024 * 1_024)
    StreamingTopEigenvector(method="oja", random_state=0).fit(X[:1_024])  # compiles
    contenders = {
        "oja, subspace of 2": (StreamingTopEigenvector(method="oja", random_state=0), BLUE, "o-"),
        "IncrementalPCA, 8 components": (IncrementalPCA(8), ORANGE, "s--"),
    }
    figure, ax = panels(7.6)
    spent, last = [], []
    for name, (estimator, colour, style) in contenders.items():
        errors, seconds = [], 0.0
        for start, stop in zip([0, *marks[:-1]], marks, strict=True):
            for block in range(start, stop, 1_024):
                seconds += timed(estimator.partial_fit, X[block : block + 1_024])[1]
            errors.append(_subspace_error(estimator.components_[:1], vectors[:1]))
        ax.loglog(marks, errors, style, ms=5, color=colour, label=name)
        spent.append(seconds)
        last.append(errors[-1])
    gap = eigenvalues[0] / eigenvalues[1]
    ax.set(xlabel="rows seen", ylabel="error  1 − ⟨v, v₁⟩²")
    ax.set_title(f"16 by 16 patches without their mean: a gap of only {gap:.2f}", fontsize=11)
    ax.legend(frameon=False)
    return StopResult(
        method="StreamingTopEigenvector (oja)",
        problem=f"gap {gap:.2f}, {_size(X)} patches",
        error=last[0],
        seconds=spent[0],
        peer="IncrementalPCA",
        peer_seconds=spent[1],
        sentence=(
            "Each method takes the same blocks of 1024 patches in random order; the error, measured against "
            f"the eigenvector of all rows, ends at {last[0]:.0e} (IncrementalPCA: {last[1]:.0e})."
        ),
        figure=figure,
    )


def certified_sketch():
    """Compare the bound that Frequent Directions certifies with the error under it."""
    X = _contrasts(20_000)
    frequent_directions(X[:1_000], 8)  # compiles
    gram, (eigenvalues, _) = _gram(X), _exact(X)
    total = eigenvalues.sum()
    tails = np.append(total - np.cumsum(eigenvalues), 0.0)
    tails = np.insert(tails, 0, total)  # tails[j] = the energy outside the best j directions
    sizes = (8, 16, 32, 64)
    bounds, errors, promised = [], [], []
    for size in sizes:
        result, seconds = timed(frequent_directions, X, size)
        sketch = result.sketch.astype(np.float64)
        bounds.append(result.error_bound / total)
        errors.append(np.linalg.norm(gram - sketch.T @ sketch, 2) / total)
        promised.append(min(tails[j] / (size + 1 - j) for j in range(size)) / total)
    figure, ax = panels(7.6)
    ax.loglog(sizes, promised, ":", color="0.4", label="the theorem, before seeing data")
    ax.loglog(sizes, bounds, "s", ms=10, mfc="none", mew=1.6, color=VERMILION, label="certified bound")
    ax.loglog(sizes, errors, "o-", ms=5, color=BLUE, label="error ‖AᵀA − BᵀB‖₂")
    ax.set_xticks(sizes, map(str, sizes))
    ax.minorticks_off()
    ax.set(xlabel="rows of the sketch B", ylabel="share of ‖A‖² (Frobenius)")
    ax.set_title(f"A sketch of {_size(X)} patches of small gap", fontsize=11)
    ax.legend(frameon=False)
    return StopResult(
        method="frequent_directions",
        problem=f"sketch of {sizes[-1]} rows, {_size(X)} patches",
        error=errors[-1],
        seconds=seconds,
        sentence=(
            "The sketch knows its own error, in any order of rows and after any merge: the bound that it "
            "certifies is attained here, and lies below what the theorem promises beforehand."
        ),
        figure=figure,
    )


def heavy_rows():
    """Show why heavy rows are stored: the instance on which every fixed learning rate fails."""
    X, v = make_heavy_row_stream(20_000, 512, gap=3, rotate=True, dtype=np.float32, rng=0)
    stored = [0, 1, 2, 3, 4, 8]
    top_eigenvector(X[:2_048], method="oja", rng=0)  # compiles
    runs = [timed(top_eigenvector, X, method="oja", n_heavy=count, rng=0) for count in stored]
    errors = [_subspace_error(run.vector[np.newaxis], v[np.newaxis]) for run, _ in runs]
    squares = np.einsum("ij,ij->i", X, X, dtype=np.float64)
    heavy = squares > squares.mean() * 2
    figure, left, right = panels(4.6, 4.4, height=3.9)
    left.plot(
        np.flatnonzero(~heavy)[::20], squares[~heavy][::20], ".", ms=2, color="0.55", label="other rows"
    )
    left.plot(np.flatnonzero(heavy), squares[heavy], "D", color=VERMILION, label=f"{heavy.sum()} heavy rows")
    left.set(yscale="log", ylim=(0.5, None), xlabel="place in the stream", ylabel="squared norm of the row")
    left.locator_params(axis="x", nbins=4)
    left.set_title("A few heavy rows carry the answer", fontsize=11)
    left.legend(frameon=False, loc="center right")
    right.semilogy(stored, np.maximum(errors, 1e-16), "o-", color=BLUE)
    right.set(xlabel="heavy rows that may be stored", ylabel="error  1 − ⟨v, v₁⟩²", ylim=(1e-17, 10))
    right.set_title("Without a place for them the answer is wrong", fontsize=11)
    problem = f"hard instance, {_size(X)}"
    return [
        StopResult(
            method=f"top_eigenvector (oja, n_heavy={stored[-1]})",
            problem=problem,
            error=errors[-1],
            seconds=runs[-1][1],
            sentence=(
                "Three rows of twenty thousand, all along one line, decide the top eigenvector, and every "
                "fixed learning rate forgets them; room for a single heavy row brings the error to rounding."
            ),
            figure=figure,
        ),
        StopResult(
            method="top_eigenvector (oja, n_heavy=0)", problem=problem, error=errors[0], seconds=runs[0][1]
        ),
    ]


def order_of_rows():
    """Every method on the same rows, shuffled and sorted."""
    X = _contrasts(40_000)
    vector = _exact(X)[1][:1]
    contrast = np.einsum("ij,ij->i", X, X)
    orders = {
        "random order": (X, BLUE, "o"),
        "strongest contrast first": (X[np.argsort(-contrast)], ORANGE, "s"),
        "strongest contrast last": (X[np.argsort(contrast)], GREEN, "D"),
    }
    methods = ("gram", "incremental_svd", "oja", "frequent_directions", "oja_grid", "block_power")
    figure, ax = panels(7.6)
    results = []
    for name, (rows, colour, marker) in orders.items():
        errors = []
        for method in methods:
            options = {"method": method, "referee": False, "random_state": 0}
            if rows is X:
                _quietly(StreamingTopEigenvector(**options).fit, X[:2_048])  # compiles
            found, seconds = _quietly(timed, StreamingTopEigenvector(**options).fit, rows)
            errors.append(_subspace_error(found.components_, vector))
            if rows is X:
                problem = f"random order, {_size(X)} patches"
                called = f"StreamingTopEigenvector ({method})"
                results.append(StopResult(called, problem, errors[-1], seconds))
        ax.semilogx(
            np.maximum(errors, 1e-16), range(len(methods)), marker, ms=8, color=colour, label=name, alpha=0.85
        )
    ax.set_yticks(range(len(methods)), methods)
    ax.invert_yaxis()
    ax.set(xlabel="error  1 − ⟨v, v₁⟩²", xlim=(1e-17, 3))
    ax.set_title("The same patches in three orders", fontsize=11)
    ax.legend(frameon=False, loc="lower left")
    sentence = (
        "The exact matrix does not mind the order, and sketches hardly do on eigenvalues that decay like "
        "these; the methods with the smallest states are the fastest, and mind it most."
    )
    first = results[0]
    results[0] = StopResult(first.method, first.problem, first.error, first.seconds, sentence, figure)
    return results


def _contrasts(count):
    """Return 16 by 16 patches in random order, each without its mean: natural data with a small gap."""
    X = image_patches(16, n_samples=count, rng=0)
    return X - X.mean(axis=1, keepdims=True)


def _gram(X):
    """Return XᵀX in double precision, a block at a time."""
    total = np.zeros((X.shape[1], X.shape[1]))
    for start in range(0, len(X), 8_192):
        block = X[start : start + 8_192].astype(np.float64)
        total += block.T @ block
    return total


def _exact(X):
    """Return eigenvalues and eigenvectors (rows) of XᵀX, largest first: the reference."""
    eigenvalues, vectors = np.linalg.eigh(_gram(X))
    return eigenvalues[::-1], vectors.T[::-1]


def _subspace_error(found, exact):
    """Return the squared sine of the largest angle between two subspaces, given as orthonormal rows.

    It is taken from what is left over, because one minus a squared cosine cannot be smaller than rounding.
    """
    found = np.linalg.qr(np.asarray(found, dtype=np.float64).T)[0].T
    return float(np.linalg.norm(found - found @ exact.T @ exact, 2) ** 2)


def _quietly(function, *arguments):
    """Call without warnings: sorted rows are sorted on purpose here."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


def _size(X):
    return f"{X.shape[0]:,} x {X.shape[1]}".replace(",", " ")
