"""State-space models: what a state remembers of a photograph, and a long response without its kernel."""

import numpy as np

from spectralkit.statespace import (
    causal_convolution,
    diagonal_init,
    diagonal_scan,
    discretize,
    legs_kernel,
    vandermonde_kernel,
)
from spectralkit.tour._draw import BLUE, GREEN, ORANGE, SKY, panels
from spectralkit.tour._stop import StopResult, timed


def memory_of_a_photograph():
    """Read the rows of a photograph into states, and read from those what has passed."""
    from sklearn.datasets import load_sample_image

    # 427 pixels of each of 640 columns, from the sky down: one column is one sequence.
    picture = load_sample_image("china.jpg").mean(axis=2).T / 255
    level = picture.mean()
    n, span = 64, 3.0
    length = picture.shape[1]
    dt = span / length
    exact = _exact_states(picture - level, n, dt)
    shown, errors, seconds = {}, {}, {}
    for kind in ("ptd", "legs"):
        init = diagonal_init(kind, n, rng=0)
        A_bar, B_bar = discretize(init.A, init.B, dt)
        unread = np.zeros_like(init.A)
        diagonal_scan(A_bar, B_bar, unread, picture)  # compiles
        result, seconds[kind] = timed(diagonal_scan, A_bar, B_bar, unread, picture - level)
        states = 2.0 * (result.state @ (init.basis * init.weight).T).real
        errors[kind] = np.linalg.norm(states - exact) / np.linalg.norm(exact)
        shown[kind] = states
    ago = dt * (np.arange(length)[::-1] + 0.5)
    past = np.polynomial.legendre.legvander(2.0 * np.exp(-ago) - 1.0, n - 1)
    past = past * np.sqrt(2.0 * np.arange(n) + 1.0)
    recalled = {kind: level + states @ past.T for kind, states in shown.items()}
    figure, *axes = panels(4.4, 4.4, 4.4, height=3.6)
    titles = (
        f"{length} pixels of each column",
        f"what {n} states know: ptd",
        f"the same by S4D: {errors['legs']:.0%} off",
    )
    for ax, title, values in zip(axes, titles, (picture, *recalled.values()), strict=True):
        ax.imshow(values.T, cmap="gray", vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.set_title(title, fontsize=11)
    return [
        StopResult(
            method="diagonal_init('ptd')",
            problem=f"{len(picture)} sequences of {length} pixels, {n} states",
            error=errors["ptd"],
            seconds=seconds["ptd"],
            sentence=(
                "Columns of a photograph are read from the top, and only the state of HiPPO-LegS is "
                "kept: the last pixels, below, are known sharply, and what is long ago in outline; the "
                "error is that of the states, against quadrature of the closed form of the response "
                f"(S4D: {errors['legs']:.0e})."
            ),
            figure=figure,
        ),
        StopResult(
            method="diagonal_init('legs')",
            problem=f"{len(picture)} sequences of {length} pixels, {n} states",
            error=errors["legs"],
            seconds=seconds["legs"],
        ),
    ]


def a_response_of_many_steps():
    """Filter the pixels of a photograph, one after the other, and compare routes."""
    from sklearn.datasets import load_sample_image

    n, channels = 64, 3
    pixels = load_sample_image("flower.jpg").reshape(-1, channels).T / 255
    init, dt = diagonal_init("lin", n), 1e-3
    A_bar, B_bar = discretize(init.A, init.B, dt)
    rng = np.random.default_rng(0)
    C = (rng.standard_normal(n) @ init.basis) * init.weight
    weights = C * B_bar

    def by_kernel(u):
        return causal_convolution(u, vandermonde_kernel(dt * init.A, weights, u.shape[-1]))

    diagonal_scan(A_bar, B_bar, C, pixels)  # compiles
    by_kernel(pixels)
    response, seconds = timed(diagonal_scan, A_bar, B_bar, C, pixels)
    reference = by_kernel(pixels)
    error = np.max(np.abs(response.y - reference)) / np.max(np.abs(reference))

    figure, left, right = panels(5.0, 5.0)
    steps = np.unique(np.geomspace(1, 2**20, 300).astype(int))
    log_z = -1e-7 + 1j * rng.uniform(0.0, 3.0, n)
    exact, size = _exact_kernel(log_z, steps), 2.0 * n
    powers = {
        "vandermonde_kernel": (vandermonde_kernel(log_z, np.ones(n), steps[-1] + 1)[steps], BLUE),
        "exp(log_z l), complex128": (2.0 * np.exp(np.outer(steps, log_z)).sum(axis=1).real, ORANGE),
        "exp(log_z l), complex64": (
            2.0 * np.exp(np.outer(steps.astype(np.float32), log_z.astype(np.complex64))).sum(axis=1).real,
            GREEN,
        ),
    }
    for name, (values, colour) in powers.items():
        worst = np.maximum.accumulate(np.abs(values - exact)) / size
        left.loglog(steps, np.maximum(worst, 1e-18), color=colour, linewidth=1.8, label=name)
    left.set(xlabel="step l", ylabel="largest error so far, of Σ|C|", ylim=(1e-17, 100), xlim=(1, 2**20))
    left.legend(frameon=False, loc="upper left", fontsize=9)
    left.set_title("Kernels of slowly decaying modes", fontsize=11)

    lengths = 2 ** np.arange(10, 19)
    routes = {
        "diagonal_scan": (lambda u: diagonal_scan(A_bar, B_bar, C, u), lengths, "o-", BLUE),
        "kernel, convolution": (by_kernel, lengths, "s-", SKY),
        "scipy.signal.dlsim": (lambda u: _simulate(A_bar, B_bar, C, u), lengths[:6], "^--", ORANGE),
    }
    spent = {}
    for name, (route, sizes, style, colour) in routes.items():
        spent[name] = [min(timed(route, pixels[0, :size])[1] for _ in range(7)) for size in sizes]
        right.loglog(sizes, spent[name], style, color=colour, ms=5, label=name)
    right.set(xlabel="steps, one channel", ylabel="seconds")
    right.legend(frameon=False, fontsize=9)
    right.set_title(f"One response, {n} states", fontsize=11)
    top = len(spent["scipy.signal.dlsim"]) - 1
    return StopResult(
        method="diagonal_scan",
        problem=f"{channels} x {pixels.shape[1]} steps, {n} states",
        error=error,
        seconds=seconds,
        peer="scipy.signal.dlsim",
        peer_seconds=spent["scipy.signal.dlsim"][-1] / lengths[top] * pixels.size,
        sentence=(
            "A long response step by step; the error is the largest difference to kernel and "
            f"convolution, relative (time of dlsim: from {lengths[top]} steps of one channel); on the "
            "left, phases that are reduced exactly keep a kernel right at any length."
        ),
        figure=figure,
    )


def _exact_states(u, n, dt):
    """Return the states of LegS after inputs that are constant during each step, by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(48)
    ages = dt * (np.arange(u.shape[1])[::-1, None] + 0.5 * (nodes + 1.0))
    return u @ np.einsum("q,tqk->tk", 0.5 * dt * weights, legs_kernel(n, ages))


def _exact_kernel(log_z, steps):
    """Return ``2 Re Σ exp(log_z)^l``, phases reduced in whole numbers."""
    pi = 314159265358979323846264338327950288419716939937510582097494459  # times 10^62
    total = np.zeros(len(steps))
    for mode in log_z.tolist():
        above, below = mode.imag.as_integer_ratio()
        above, below = above * 10**62, 2 * pi * below
        turns = np.array([(above * step) % below / below for step in steps.tolist()])
        total += 2.0 * np.exp(mode.real * steps) * np.cos(2.0 * np.pi * turns)
    return total


def _simulate(A_bar, B_bar, C, u):
    """Return the response of one channel by SciPy, with two real states for each mode."""
    from scipy.linalg import block_diag
    from scipy.signal import dlsim

    A = block_diag(*([[a.real, -a.imag], [a.imag, a.real]] for a in A_bar))
    B = np.stack([B_bar.real, B_bar.imag], axis=1).reshape(-1, 1)
    row = 2.0 * np.stack([C.real, -C.imag], axis=1).reshape(1, -1)
    return dlsim((A, B, row @ A, row @ B, 1.0), u)[1][:, 0]
