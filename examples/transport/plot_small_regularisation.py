"""
What happens at small regularisation
====================================

The smaller the regularisation, the sharper the plan, and the harder it is to meet both marginals. Here
several solvers take the same problem from a regularisation of the size of the cost to one of a hundred
thousandth of it. What they return is judged by the plan alone.
"""

# %%
# One problem, four solvers
# -------------------------
# Costs are independent and uniform between 0 and 1, weights are equal. Solvers of POT are first-order
# methods and stop after a thousand iterations, which is the default of most of them; ours may take as many.
# All run on one thread.

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import ot

import spectralkit
from spectralkit.transport import exact_transport, sinkhorn

n = 200
C = np.random.default_rng(0).random((n, n))
a = b = np.full(n, 1 / n)
regs = np.geomspace(1, 1e-5, 11)

options = {"numItermax": 1_000, "stopThr": 1e-10}
solvers = {
    "ot.sinkhorn": lambda reg: ot.sinkhorn(a, b, C, reg, **options),
    'ot.sinkhorn, "sinkhorn_log"': lambda reg: ot.sinkhorn(a, b, C, reg, method="sinkhorn_log", **options),
    'ot.sinkhorn, "sinkhorn_stabilized"': lambda reg: ot.sinkhorn(
        a, b, C, reg, method="sinkhorn_stabilized", **options
    ),
    "spectralkit": lambda reg: sinkhorn(a, b, C, reg, tol=1e-10).plan,
}


def solve(solver, reg):
    """Return the plan and the seconds, without the warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        plan = solver(reg)
        return plan, time.perf_counter() - start


def error(plan):
    """L1 error of both marginals together."""
    return np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()


solve(solvers["spectralkit"], 1.0)  # compiles
with spectralkit.threads(1):
    runs = {name: [solve(solver, reg) for reg in regs] for name, solver in solvers.items()}

# %%
# The error of the marginals, the mass of the plan, the time
# ----------------------------------------------------------
# An error of 2 is that of an empty plan, and a curve that ends early has become NaN. POT says so by
# warnings, which are left out here, and returns the plan all the same.

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
colours = ["#E69F00", "#009E73", "#CC79A7", "#0072B2"]
for (name, results), colour, marker in zip(runs.items(), colours, "s^Do", strict=True):
    style = {"color": colour, "marker": marker, "markersize": 5, "label": name}
    axes[0].loglog(regs, [max(error(plan), 1e-16) for plan, _ in results], **style)
    axes[1].semilogx(regs, [plan.sum() for plan, _ in results], **style)
    axes[2].loglog(regs, [seconds for _, seconds in results], **style)
axes[0].axhline(1e-10, color="0.6", linestyle=":", zorder=0)
axes[0].set(ylabel="L1 error of both marginals", ylim=(1e-16, 10))
axes[1].set(ylabel="mass of the plan", ylim=(-0.05, 1.2))
axes[2].set(ylabel="seconds")
for ax in axes:
    ax.set_xlabel("reg, the range of the cost being 1")
    ax.invert_xaxis()
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)

print(f"{'reg':>8}" + "".join(f"{name.split(', ')[-1]:>24}" for name in runs))
for index, reg in enumerate(regs):
    print(f"{reg:8.1e}" + "".join(f"{error(results[index][0]):24.1e}" for results in runs.values()))

# %%
# What the regularisation buys and costs
# --------------------------------------
# The excess of the cost over that of the exact plan falls with ``reg``, and never exceeds ``reg * log(n)``
# for equal weights. The number of targets among which a source divides its mass, as the exponential of the
# entropy of its row, says how blurred the plan is: all of them at the left, hardly more than one at the
# right.

exact = exact_transport(a, b, C).cost
plans = [plan for plan, _ in runs["spectralkit"]]
excess = [np.sum(plan * C) - exact for plan in plans]
shares = [plan / plan.sum(axis=1, keepdims=True) for plan in plans]
spread = [np.exp(-np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1)).mean() for p in shares]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
axes[0].loglog(regs, excess, "o-", color=colours[3])
axes[0].loglog(regs, regs * np.log(n), ":", color="0.5", label="reg · log n")
axes[0].set(ylabel="excess of the cost")
axes[0].legend(frameon=False)
axes[1].semilogx(regs, spread, "o-", color=colours[3])
axes[1].set(ylabel="targets of a source", yscale="log", yticks=[1, 10, 100], yticklabels=["1", "10", "100"])
for ax in axes:
    ax.set_xlabel("reg, the range of the cost being 1")
    ax.invert_xaxis()
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
