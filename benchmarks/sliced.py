"""The bars of `spectralkit.transport.sliced_wasserstein` and of its gradient."""

import itertools
import math
import tracemalloc
from functools import cache, partial

import numpy as np
from scipy.ndimage import zoom
from scipy.special import gammaln
from sklearn.datasets import load_digits

import spectralkit
from benchmarks._harness import Bar, checking, run
from benchmarks.peers import transport as peers
from spectralkit.transport import (
    random_directions,
    sliced_wasserstein,
    sliced_wasserstein_gradient,
    wasserstein_1d,
)

CUBE, SHAPES = "cube, normal", "chair, lamp"
DIGITS, IMAGES = "digits 0, 1 (64-d)", "digits even, odd (784-d)"
PLAIN = ("monte_carlo", "iid")
DEFAULT = ("auto", "auto")


def bar_equality(repeats):
    """Equal to POT along the same directions: relative difference of the p-th powers."""
    rng = np.random.default_rng(0)
    for p in (1, 1.5, 2, 3):
        worst = 0.0
        for (n, m), d, weighted in itertools.product(((300, 300), (300, 217)), (2, 3, 50), (False, True)):
            X, Y = rng.standard_normal((n, d)), rng.random((m, d)) + 0.5
            weights = [_normalised(rng.random(size)) for size in (n, m)] if weighted else [None, None]
            theta = random_directions(40, d, rng=rng)
            ours = sliced_wasserstein(X, Y, *weights, p=p, estimator="monte_carlo", directions=theta).power
            worst = max(worst, abs(ours / peers.sliced(X, Y, theta, *weights, p=p) - 1))
        yield Bar(f"p = {p}: largest of twelve pairs, half of them weighted, half n != m", 1e-12, worst)


def bar_speed(repeats):
    """CPU time of POT in units of ours along the same 100 directions, plain Monte Carlo."""
    check = checking(repeats)
    for n, m, d, weighted, required in (
        (100_000, 100_000, 3, False, 30),
        (10_000, 10_000, 3, False, 20),
        (10_000, 10_000, 784, False, 1.8),
        (10_000, 7_000, 3, True, 4),
    ):
        slow = n == 100_000  # POT takes 24 s
        X, Y, a, b, theta = _race_clouds(n, m, d, weighted, 40 if slow and check else 100)
        ours = partial(_power, X, Y, a, b, estimator="monte_carlo", directions=theta)
        reference = ours()
        race = run(
            {"spectralkit": ours, "POT": partial(peers.sliced, X, Y, theta, a, b)},
            error=lambda power, reference=reference: abs(power / reference - 1),
            # POT adds up the masses one by one, with a rounding error that grows with n.
            accuracy={"spectralkit": 1e-12, "POT": 1e-11},
            repeats=2 if slow else repeats,
        )
        label = f"n = {n}, d = {d}" + (f", weighted, m = {m}" if weighted else "")
        yield Bar(
            f"{label}: POT / ours" + (" (stretch: 3)" if d == 784 else ""),
            required,
            race.ratio("POT", "spectralkit"),
            better="higher",
            speed=True,
            detail=f"{label}: {race}" + ("; two repeats" if slow else ""),
        )


def bar_variance(repeats):
    """Mean squared error at equal numbers of directions, in units of that of the default estimator."""
    for pair, plain, ucv in (
        (CUBE, 300, 30),
        (SHAPES, np.nan, np.nan),
        (DIGITS, 1500, np.nan),
        (IMAGES, 100, np.nan),
    ):
        check = checking(repeats)
        ours = _rmse(pair, *DEFAULT, check)
        detail = f"{pair}: relative RMSE {ours:.1e} by default, over {_seeds(pair, check)} seeds"
        for label, estimator, required in (("plain Monte Carlo", "monte_carlo", plain), ("UCV", "ucv", ucv)):
            if check and pair == IMAGES and estimator == "ucv":
                continue
            theirs = _rmse(pair, estimator, "iid", check)
            name = f"{pair}, L = {_size(pair)}: {label} / ours"
            detail += f", {theirs:.1e} by {label}"
            yield Bar(name, required, (theirs / ours) ** 2, better="higher", detail=detail)


def bar_variance_table(repeats):
    """Relative RMSE of SW_2^2 by pair, estimator and directions."""
    check = checking(repeats)
    for pair in (CUBE, DIGITS) if check else (CUBE, SHAPES, DIGITS, IMAGES):
        kinds = ("iid", "orthogonal", "qmc") if pair in (CUBE, SHAPES) else ("iid", "orthogonal")
        for kind, estimator in itertools.product(kinds, ("monte_carlo", "lcv", "ucv", "gaussian")):
            if kind == "iid" or estimator in ("monte_carlo", "gaussian"):
                name = f"{pair}, L = {_size(pair)}: {estimator}, {kind}"
                yield Bar(name, np.nan, _rmse(pair, estimator, kind, check))


def bar_exactness(repeats):
    """Identities that hold for every set of directions with the Gaussian control variate: relative error."""
    rng = np.random.default_rng(0)
    worst = dict.fromkeys(("translation", "scaling about any centre", "Diracs"), 0.0)
    for d, size, kind, weighted in itertools.product(
        (2, 3, 5, 16, 64), (1, 10, 100), ("iid", "auto"), (False, True)
    ):
        X = rng.standard_normal((200, d)) * np.linspace(0.2, 2, d) + rng.random(d)
        w = _normalised(rng.random(200)) if weighted else None
        shift, factor = rng.standard_normal(d), 0.4
        mean = np.average(X, axis=0, weights=w)
        second = np.average(np.sum((X - mean) ** 2, axis=1), weights=w)
        stretched = (1 - factor) ** 2 * (mean @ mean + second)
        for name, (x, y, weights), truth in (
            ("translation", (X, X + shift, w), shift @ shift),
            ("scaling about any centre", (X, factor * X, w), stretched),
            ("Diracs", (X[:1], X[:1] + shift, None), shift @ shift),
        ):
            options = {"n_projections": size, "estimator": "gaussian", "directions": kind, "rng": rng}
            power = _power(x, y, weights, weights, **options)
            worst[name] = max(worst[name], abs(power / (truth / d) - 1))
    for name, error in worst.items():
        yield Bar(f"{name}: largest over d = 2 to 64, L = 1 to 100, iid or default directions", 1e-12, error)
    for p, d in itertools.product((1, 3), (3, 64)):
        shift = rng.standard_normal(d)
        moment = gammaln((p + 1) / 2) + gammaln(d / 2) - gammaln(0.5) - gammaln((p + d) / 2)
        truth = np.linalg.norm(shift) ** p * math.exp(moment)
        power = _power(np.zeros((1, d)), shift[None], None, None, p=p, estimator="gaussian", rng=rng)
        yield Bar(
            f"Diracs, p = {p}, d = {d}: no identity, the mean is sampled", np.nan, abs(power / truth - 1)
        )


def bar_memory(repeats):
    """Peak of all that is allocated, both clouds included: n = m = 100 000, d = 3, L = 1000."""
    for threads, estimator in ((1, "auto"), (None, "auto"), (1, "monte_carlo")):
        if checking(repeats) and (threads, estimator) != (1, "auto"):
            continue
        _power(*np.random.default_rng(0).random((2, 100, 3)), n_projections=10, rng=0)
        tracemalloc.start()
        try:
            rng = np.random.default_rng(0)
            X, Y = rng.random((100_000, 3)), rng.standard_normal((100_000, 3)) + 0.5
            with spectralkit.threads(threads or _cores()):
                _power(X, Y, n_projections=1000, estimator=estimator, rng=rng)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        name = f"{estimator}, {threads or _cores()} thread{'s' if threads is None else ''}"
        yield Bar(f"peak, {name}", 200, peak / 1e6, unit="MB")


def bar_overhead(repeats):
    """CPU time that the Gaussian control variate adds to that of plain Monte Carlo, same kind, L = 100."""
    for n, d in ((2000, 3), (2000, 64), (10_000, 64)):
        X, Y, *_ = _race_clouds(n, n, d, False, 1)
        calls, reference = max(1, 20_000 // n), _power(X, Y, n_projections=10_000 // d, rng=0)

        def several(estimator, X=X, Y=Y, calls=calls):
            # One call takes about a millisecond. The same seed draws the same directions for both.
            return [_power(X, Y, estimator=estimator, rng=seed) for seed in range(calls)][-1]

        race = run(
            {name: partial(several, name) for name in ("monte_carlo", "gaussian", "auto")},
            error=lambda power, reference=reference: abs(power / reference - 1),
            accuracy={"monte_carlo": 0.5, "gaussian": 0.05, "auto": 0.05},
            repeats=3 * repeats,
        )
        for name, required in (("gaussian", 0.15), ("auto", np.nan)):
            label = f"n = {n}, d = {d}"
            overhead = race.ratio(name, "monte_carlo") - 1
            detail = f"{label}: {calls} calls a repeat, {race}"
            yield Bar(f"{label}: {name}", required, overhead, speed=name == "gaussian", detail=detail)


def bar_coverage(repeats):
    """Share of 500 seeds whose power plus or minus twice its standard error covers the reference, p = 2."""
    check = checking(repeats)
    kinds = [DEFAULT, PLAIN]
    if not check:
        kinds += [("monte_carlo", "auto"), ("gaussian", "iid"), ("gaussian", "orthogonal"), ("ucv", "iid")]
    shares = {}
    for size, pair, (estimator, kind) in itertools.product(
        (100,) if check else (100, 20), (CUBE, DIGITS) if check else (CUBE, SHAPES, DIGITS), kinds
    ):
        options = {"estimator": estimator, "directions": kind, "n_projections": size}
        truth, covered = _reference(pair, check), 0
        for seed in range(500):
            result = sliced_wasserstein(*_pair(pair), **options, rng=seed)
            covered += abs(result.power - truth) <= 2 * result.standard_error
        shares[size, estimator, f"{pair}, L = {size}, {estimator}, {kind}"] = covered / 500
    unbiased = {key: share for key, share in shares.items() if key[:2] != (20, "ucv")}
    for label, found in (
        ("L = 100", {key: share for key, share in shares.items() if key[0] == 100}),
        ("L = 20", {key: share for key, share in shares.items() if key[0] == 20 and key in unbiased}),
        ("L = 20, UCV, whose fitted slope is biased", {k: v for k, v in shares.items() if k not in unbiased}),
    ):
        if not found:
            continue
        few = "L = 20" in label
        low, high = min(found, key=found.get), max(found, key=found.get)
        detail = "; ".join(f"{name} {share:.3f}" for (_, _, name), share in found.items())
        yield Bar(
            f"{label}: smallest share", np.nan if few else 0.90, found[low], better="higher", detail=detail
        )
        yield Bar(f"{label}: largest share", np.nan if few else 0.99, found[high])


def bar_time_to_accuracy(repeats):
    """CPU time to a relative RMSE of 0.1 % of SW_2^2, POT / ours, n = m = 10 000, d = 3."""
    check = checking(repeats)
    seeds = 30 if check else 200
    for name, required in ((CUBE, 1000),) if check else ((CUBE, 1000), (SHAPES, np.nan)):
        X, Y = _make(name, 10_000)
        truth = _average(X, Y, 4 if check else 16, n_projections=4000, directions="qmc")
        # Along independent directions the mean squared error is the variance along one over their number.
        theta = random_directions(seeds * 10, 3, rng=1)
        along = np.concatenate([wasserstein_1d(t @ X.T, t @ Y.T) for t in np.array_split(theta, seeds)])
        theirs = math.ceil(along.var(ddof=1) / (1e-3 * truth) ** 2)
        for size in (16, 24, 32, 48, 64, 100, 150, 250, 400, 700, 1000, 2000):
            powers = [_power(X, Y, n_projections=size, rng=seed) for seed in range(seeds)]
            rmse = _relative_rmse(powers, truth)
            if rmse <= 1e-3:
                break
        sample = theta[:100]
        race = run(
            {
                "ours": lambda X=X, Y=Y, size=size: _power(X, Y, n_projections=size, rng=0),
                "POT": lambda X=X, Y=Y, sample=sample: peers.sliced(X, Y, sample),
            },
            error=lambda power, truth=truth: abs(power / truth - 1),
            accuracy={"ours": 1e-2, "POT": 0.5},
            repeats=1 if name == SHAPES else repeats,
        )
        detail = (
            f"{name}: ours has an RMSE of {rmse:.1e} at L = {size}, over {seeds} seeds; Monte Carlo, "
            f"{_relative_rmse(along, truth):.2f} along one direction, needs L = {theirs}; one call of ours "
            f"{race.seconds['ours']:.3g} s, of POT with 100 directions {race.seconds['POT']:.3g} s, taken "
            f"{theirs / 100:.3g} times: its time is linear in L"
        )
        ratio = race.ratio("POT", "ours") * theirs / 100
        yield Bar(f"{name}: POT / ours", required, ratio, better="higher", speed=True, detail=detail)


def bar_float32(repeats):
    """Clouds in float32, along the same 100 directions: n = 10 000, d = 3."""
    X, Y, *_, theta = _race_clouds(10_000, 10_000, 3, False, 100)
    x, y = X.astype(np.float32), Y.astype(np.float32)
    ours = {"estimator": "monte_carlo", "directions": theta}
    reference = _power(X, Y, **ours)
    race = run(
        {
            "ours": lambda: _power(X, Y, **ours),
            "ours, float32": lambda: _power(x, y, **ours),
            "POT, float32": lambda: peers.sliced(x, y, theta.astype(np.float32)),
        },
        error=lambda power: abs(power / reference - 1),
        accuracy=1e-3,
        repeats=repeats,
    )
    yield Bar("CPU time, float64 / float32", np.nan, race.ratio("ours", "ours, float32"), detail=str(race))
    yield Bar(
        "CPU time, POT in float32 / ours in float32", np.nan, race.ratio("POT, float32", "ours, float32")
    )
    yield Bar("relative difference to float64, ours", np.nan, race.error["ours, float32"])
    yield Bar("relative difference to float64, POT", np.nan, race.error["POT, float32"])


def bar_gradient(repeats):
    """CPU time of power and gradient in units of that of the power, default estimator, L = 100."""
    for n, m, d, weighted in (
        (2000, 2000, 3, False),
        (2000, 2000, 64, False),
        (10_000, 10_000, 3, False),
        (10_000, 7_000, 3, True),
    ):
        X, Y, a, b, _ = _race_clouds(n, m, d, weighted, 1)
        reference = _power(X, Y, a, b, n_projections=1000, rng=0)
        race = run(
            {
                "power": lambda X=X, Y=Y, a=a, b=b: _power(X, Y, a, b, rng=0),
                "with gradient": lambda X=X, Y=Y, a=a, b=b: sliced_wasserstein_gradient(X, Y, a, b, rng=0)[0],
            },
            error=lambda power, reference=reference: abs(power / reference - 1),
            accuracy=5e-2,
            repeats=repeats,
        )
        label = f"n = {n}, d = {d}" + (f", weighted, m = {m}" if weighted else "")
        ratio = race.ratio("with gradient", "power")
        yield Bar(f"{label}: with gradient / without", np.nan, ratio, detail=f"{label}: {race}")


@cache
def _pair(name):
    """Return both clouds of a pair."""
    if name in (CUBE, SHAPES):
        return _make(name, 500)
    data = load_digits()
    if name == DIGITS:
        return tuple(data.data[data.target == digit] / 16 for digit in (0, 1))
    large = np.stack([zoom(image / 16, 28 / 8, order=1).ravel() for image in data.images])
    return tuple(large[data.target % 2 == parity][:800] for parity in (0, 1))


def _make(name, n):
    """Return two clouds of n points in three dimensions."""
    rng = np.random.default_rng(0)
    if name == CUBE:
        return rng.random((n, 3)), rng.standard_normal((n, 3)) * [0.2, 0.5, 1.0] + [0.6, 0.4, 0.8]
    boxes = [((0, 0, 0.45), (0.5, 0.5, 0.06)), ((0, 0, 0.48), (0.05, 0.5, 0.5))]  # seat and back, then legs
    boxes += [((x, y, 0), (0.05, 0.05, 0.45)) for x, y in itertools.product((0, 0.45), repeat=2)]
    part = rng.choice(6, n, p=[0.35, 0.35, 0.075, 0.075, 0.075, 0.075])
    corner, size = (np.array([box[i] for box in boxes])[part] for i in range(2))
    chair = corner + size * rng.random((n, 3)) - [0.25, 0.25, 0.49]
    part, angle, height = rng.choice(3, n, p=[0.2, 0.2, 0.6]), 2 * np.pi * rng.random(n), rng.random(n)
    # A disc, a pole and a conical shade.
    radius = np.choose(part, [0.2 * np.sqrt(rng.random(n)), 0.015, 0.3 - 0.2 * height])
    z = np.choose(part, [0.03 * height, 0.7 * height, 0.7 + 0.3 * height])
    return chair, np.stack([radius * np.cos(angle), radius * np.sin(angle), z - 0.5], axis=1)


@cache
def _reference(pair, check):
    """Return SW_2^2 of a pair from a large run, independent of those it is compared with."""
    # Evenly spaced directions, or many complete frames, are exact enough alone, and share no control variate
    # with the estimates.
    kind, size, count = {
        CUBE: ("qmc", 20_000, 4),
        SHAPES: ("qmc", 20_000, 4),
        DIGITS: ("orthogonal", 64 * 64, 30),
        IMAGES: ("orthogonal", 8 * 784, 4),
    }[pair]
    options = {"estimator": "monte_carlo", "directions": kind, "n_projections": size}
    return _average(*_pair(pair), count if check else 16 * count, **options)


def _average(X, Y, count, **options):
    return float(np.mean([_power(X, Y, **options, rng=1_000_000 + seed) for seed in range(count)]))


@cache
def _rmse(pair, estimator, kind, check):
    """Return the relative root mean squared error of SW_2^2 over independent seeds."""
    options = {"estimator": estimator, "directions": kind, "n_projections": _size(pair)}
    powers = [_power(*_pair(pair), **options, rng=seed) for seed in range(_seeds(pair, check))]
    return _relative_rmse(powers, _reference(pair, check))


def _seeds(pair, check):
    return (8 if check else 64) if pair == IMAGES else (100 if check else 1000)


def _size(pair):
    return 100 if pair in (CUBE, SHAPES) else 128


def _relative_rmse(powers, truth):
    return math.sqrt(np.mean((np.asarray(powers) / truth - 1) ** 2))


def _power(*arguments, **options):
    return sliced_wasserstein(*arguments, **options).power


def _race_clouds(n, m, d, weighted, size):
    """Return clouds, weights or None twice, and independent directions."""
    rng = np.random.default_rng(0)
    X, Y = rng.random((n, d)), rng.standard_normal((m, d)) * np.linspace(0.5, 1.5, d) + 0.5
    a, b = (_normalised(rng.random(k)) if weighted else None for k in (n, m))
    return X, Y, a, b, random_directions(size, d, rng=rng)


def _normalised(weights):
    return weights / weights.sum()


def _cores():
    import numba

    return numba.config.NUMBA_NUM_THREADS
