"""Print the guide's table of the simplex against Newton: ``python docs/crossover_table.py``."""

import time

import numpy as np
from scipy.spatial.distance import cdist

import spectralkit
from spectralkit.transport import exact_transport, sinkhorn

REPEATS = 3
REGS = (1e-2, 1e-3, 1e-4)


def costs():
    """Yield a label and a cost of range about 1 for each row."""
    for n in (250, 500, 1_000, 2_000, 3_000):
        yield f"independent entries, {n}", np.random.default_rng(0).random((n, n))
    for n in (250, 500, 1_000, 2_000):
        rng = np.random.default_rng(0)
        C = cdist(rng.random((n, 2)), rng.standard_normal((n, 2)) * 0.2 + 0.8, "sqeuclidean")
        yield f"square and normal in the plane, {n}", C / C.max()


def main():
    """Print the table: CPU time of the simplex over ours, on one thread, and the excess of the cost."""
    labels = " | ".join(f"`sinkhorn`, {reg:g}" for reg in REGS)
    print(f"| problem, $n = m$ | {labels} |\n| --- |" + " --- |" * len(REGS))
    with spectralkit.threads(1):
        sinkhorn(None, None, np.random.default_rng(0).random((50, 50)), 1e-2)  # compiles
        for label, C in costs():
            exact, simplex = least(lambda C=C: exact_transport(None, None, C))
            cells = []
            for reg in REGS:
                result, seconds = least(lambda C=C, reg=reg: solved(C, reg))
                cells.append(f"{simplex / seconds:.1f}x, +{result.cost / exact.cost - 1:.2g}")
            print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def solved(C, reg):
    """Solve with the plan, and insist on the marginals."""
    result = sinkhorn(None, None, C, reg, tol=1e-9)
    assert result.plan.shape == C.shape
    assert result.converged
    return result


def least(function):
    """Return the result and the least CPU time of a few calls."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
    return result, min(seconds)


if __name__ == "__main__":
    main()
