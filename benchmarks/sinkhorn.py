"""The bars of `spectralkit.transport.sinkhorn`."""

import importlib.util
import itertools
import time
import tracemalloc
import warnings
from functools import cache, partial

import numpy as np
from scipy.ndimage import zoom
from scipy.spatial.distance import cdist
from scipy.special import xlogy
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import spectralkit
from benchmarks._harness import Bar, checking, run
from benchmarks.peers import transport as peers
from spectralkit.transport import sinkhorn

REG = 1 / 1200  # of the paper's Table 1; all costs have the range 1
PROBLEMS = ("random 500", "digits L2", "digits L1")


def bar_accuracy(repeats):
    """Both marginals and the duality gap, recomputed from the plan, reg from 1/1200 to 1, tol = 1e-10."""
    for name in PROBLEMS:
        a, b, C = _problem(name)
        worst, gaps = {}, {}
        for reg in (REG, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0):
            result = _solve(name, reg)
            P = result.plan
            primal = np.sum(P * C) + reg * (np.sum(xlogy(P, P)) - np.sum(P))
            dual = a @ result.f + b @ result.g - reg * np.sum(P)
            worst[reg], gaps[reg] = _error(P, a, b), abs(primal - dual) / np.ptp(C)
        for figure, required, values in (("L1 error", 1e-10, worst), ("duality gap", 1e-12, gaps)):
            at = max(values, key=values.get)
            yield Bar(
                f"{name}: largest {figure}",
                required,
                values[at],
                detail=f"{name}: {figure} largest at reg = {at:.2g}",
            )


def bar_cost(repeats):
    """Transport cost at reg = 1/1200 against what independent solvers agree on."""
    references = {
        "random 500": 0.003450412867,
        "digits L2": 0.00774877418,
        "digits L1": 0.0622600885,
        "random 1000": 0.001950955444,
        "random 2000": 0.001298853288,
    }
    for name, reference in references.items():
        yield Bar(f"{name}: relative difference", 1e-8, abs(_solve(name, REG).cost / reference - 1))


def bar_iterations(repeats):
    """Work on random 500 at reg = 1/1200 to 1e-10, the most of five seeds."""
    results = [_solve(f"random 500, seed {seed}", REG) for seed in range(5)]
    errors = f"L1 error at most {max(result.marginal_error for result in results):.1e}"
    yield Bar("Newton iterations", 12, max(result.n_newton for result in results), detail=errors)
    yield Bar("evaluations of the kernel", 25, max(result.n_evaluations for result in results))


def bar_regot_speed(repeats):
    """CPU time to the plan at reg = 1/1200 with both marginals to 1e-10, against regot's ssns."""
    if checking(repeats) and importlib.util.find_spec("regot") is None:
        return
    for name, required in (("random 500", 5), ("digits L2", 5), ("digits L1", 15), ("random 1000", 12)):
        slow = name == "digits L1"  # regot takes many seconds
        if slow and checking(repeats):
            continue
        a, b, C = _problem(name)
        yield _speed(
            f"{name}: regot.sinkhorn_ssns / ours",
            required,
            name,
            partial(peers.ssns, a, b, np.asfortranarray(C), REG),
            accuracy=5e-10,  # regot at tol = 1e-10: it measures in another norm
            repeats=1 if slow else repeats,
        )


def bar_pot_speed(repeats):
    """CPU time to the plan at reg = 1/1200 against POT."""
    stabilized = partial(peers.pot_stabilized, *_problem("random 500"), REG)
    for label, required, tol in (("equal accuracy, 1.6e-6", 100, 1.6e-6), ("ours to 1e-10", np.nan, 1e-10)):
        label = f"random 500: ot.bregman.sinkhorn_stabilized / ours, {label}"
        yield _speed(label, required, "random 500", stabilized, 1.7e-6, repeats, tol=tol)
    name = "random 2000"
    yield _speed(f"{name}: ot.emd / ours", 1.3, name, partial(peers.emd, *_problem(name)), 1e-10, repeats)


def bar_exponent(repeats):
    """CPU time against n on random assignment problems, n = 500, 1000, 2000, reg = 1/1200, to 1e-10."""
    sizes = (500, 1000, 2000)
    race = run(
        {f"n = {n}": partial(_solve, f"random {n}", REG) for n in sizes},
        error=lambda result: result.marginal_error,
        accuracy=1e-10,
        repeats=repeats,
    )
    slope = np.polyfit(np.log(sizes), np.log(list(race.seconds.values())), 1)[0]
    yield Bar("exponent (stretch: 2.4)", 2.8, slope, timed=True, detail=str(race))


def bar_memory(repeats):
    """Peak of what is allocated beside the input, in units of n m doubles, reg = 1/1200."""
    rng = np.random.default_rng(0)
    square, wide, (X, Y) = _problem("random 2000")[2], rng.random((1500, 2500)), rng.random((2, 2000, 3))
    for label, required, C, options in (
        ("2000 x 2000", 3, square, {}),
        ("1500 x 2500", 3, wide, {}),
        ("2000 x 2000, low_memory", 2, square, {"low_memory": True}),
        ("1500 x 2500, low_memory", 2, wide, {"low_memory": True}),
        ("2000 and 2000 points, low_memory", 2, None, {"X": X, "Y": Y, "low_memory": True}),
        ("2000 and 2000 points, cost kept", np.nan, None, {"X": X, "Y": Y}),
    ):
        solve = partial(sinkhorn, None, None, C, REG, tol=1e-10, **options)
        solve()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        result = solve()
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        size = result.f.size * result.g.size * 8
        detail = f"{label}: L1 error {result.marginal_error:.1e}"
        yield Bar(label, required, peak / size, detail=detail)


def bar_small_reg(repeats):
    """Beyond the paper's reg: L1 error of both marginals, tol = 1e-9."""
    for name, reg, required in (
        ("random 500", 1e-5, 1e-8),
        ("digits L2", 1e-5, 1e-8),
        ("digits L1", 1e-4, 1e-8),
        ("digits L1", 1e-5, np.nan),
        ("random 500", 1e-6, np.nan),
        ("digits L2", 1e-6, np.nan),
        ("digits L1", 1e-6, np.nan),
    ):
        a, b, _ = _problem(name)
        start = time.process_time()
        with spectralkit.threads(1):
            result = _solve(name, reg, tol=1e-9)
        seconds = time.process_time() - start
        work = f"{result.n_newton} Newton iterations, {result.n_evaluations} evaluations, {seconds:.2f} s"
        label = f"{name}, reg = {reg:.0e}"
        yield Bar(label, required, _error(result.plan, a, b), detail=f"{label}: {work}")


def bar_peers_small_reg(repeats):
    """What peers return, some with a warning, where the problem is hard or has no solution."""
    solvers = {"ot.sinkhorn": peers.pot_sinkhorn}
    if not checking(repeats):
        solvers["regot.sinkhorn_ssns, 200 iterations"] = partial(peers.ssns, max_iter=200)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, reg, (label, solve) in itertools.product(PROBLEMS, (1e-4, 1e-5), solvers.items()):
            a, b, C = _problem(name)
            plan = solve(a, b, np.asfortranarray(C), reg)
            label = f"{name}, reg = {reg:.0e}: {label}"
            detail = f"{label}: mass of the plan {plan.sum():.6g}"
            yield Bar(f"{label}, L1 error", np.nan, _error(plan, a, b), detail=detail)
        a, b, C = _problem("random 500")
        for reg in (0.1, 0.01, REG):
            mass = peers.pot_sinkhorn(a, 3 * b, C, reg).sum()
            yield Bar(f"masses 1 and 3, reg = {reg:.2g}: mass of ot.sinkhorn's plan", np.nan, mass)
        a = np.where(np.arange(a.size) < 10, 0.0, 1 / (a.size - 10))
        missing = np.isnan(peers.pot_stabilized(a, b, C, REG)).sum()
        yield Bar("10 of 500 weights zero, reg = 1/1200: NaN of sinkhorn_stabilized", np.nan, missing)


def bar_table(repeats):
    """The paper's Table 1 in kind: CPU time at reg = 1/1200 to an L1 error of 1e-9, or as far as it goes."""
    if checking(repeats):
        return
    for name, n_sinkhorn, nonzeros in (("random 500", 20, 2), ("digits L2", 20, 2), ("digits L1", 700, 15)):
        a, b, C = _problem(name)
        M = np.asfortranarray(C)
        _solve(name, REG)  # warms up
        published = {"method": "sns", "n_sinkhorn": n_sinkhorn, "density": nonzeros / a.size}
        for label, solve in (
            ("newton", partial(_solved, name, method="newton")),
            ("sns", partial(_solved, name, **published)),
            ("sinkhorn", partial(_solved, name, method="sinkhorn", max_iter=100_000)),
            ("regot.sinkhorn_sparse_newton", partial(peers.sparse_newton, a, b, M, REG, tol=1e-9)),
        ):
            with spectralkit.threads(1):
                start = time.process_time()
                plan, iterations = solve()
                seconds = time.process_time() - start
            detail = f"{name}, {label}: {iterations} iterations, L1 error {_error(plan, a, b):.1e}"
            yield Bar(f"{name}, {label}", np.nan, seconds, unit="s", detail=detail)


@cache
def _problem(name):
    """Return weights and cost: random assignment, or two images of digits on 28 x 28 pixels."""
    kind, _, rest = name.partition(" ")
    if kind == "random":
        size, _, seed = rest.partition(", seed ")
        weights = np.full(int(size), 1 / int(size))
        return weights, weights, np.random.default_rng(int(seed or 0)).random((int(size), int(size)))
    images = [np.maximum(zoom(image / 16, 28 / 8, order=1), 0) + 0.01 for image in load_digits().images[:2]]
    pixels = np.stack(np.mgrid[:28, :28], axis=-1).reshape(-1, 2) / 28
    C = cdist(pixels, pixels, {"L2": "sqeuclidean", "L1": "cityblock"}[rest])
    return *(image.ravel() / image.sum() for image in images), C / C.max()


def _solve(name, reg, *, tol=1e-10, **options):
    """Solve a problem; whether it converged is judged by the bars, from the plan."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return sinkhorn(*_problem(name), reg, tol=tol, **options)


def _solved(name, **options):
    result = _solve(name, REG, tol=1e-9, **options)
    return result.plan, result.n_iter


def _speed(label, required, name, peer, accuracy, repeats, tol=1e-10):
    """Return the bar on a peer's CPU time in units of ours; both return plans."""
    a, b, _ = _problem(name)
    race = run(
        {"spectralkit": lambda: _solve(name, REG, tol=tol).plan, "peer": peer},
        error=lambda plan: _error(plan, a, b),
        accuracy={"spectralkit": tol, "peer": accuracy},
        repeats=repeats,
    )
    ratio = race.ratio("peer", "spectralkit")
    detail = f"{label.partition(':')[0]}: {race}" + ("; one repeat" if repeats == 1 else "")
    return Bar(label, required, ratio, better="higher", speed=True, detail=detail)


def _error(plan, a, b):
    """Return the L1 error of both marginals together."""
    return np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()
