"""Print the guide's tables of differential equations.

``python docs/gaussian_process_table.py [published|others|sampling]``: all tables if none is named.
"""

import math
import pathlib
import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))  # for the benchmarks package

import spectralkit
from benchmarks._equations import OTHERS, PUBLISHED, relative
from benchmarks.peers.gaussian_process import finite_differences
from spectralkit.gaussian_process import AliasingWarning, SpectralMixturePDE

# Solution, and errors and seconds of the authors for the Student-t and the Gaussian spectrum. They are in the
# result files in the history of github.com/xuangu-fang/Gaussian-Process-Slover-for-High-Freq-PDE: the least
# error of 20 checkpoints on the test points, and seconds on a graphics card. Of several runs the one with the
# smallest error is here (2-D sin_sin, Gaussian: 300² points); for mix_sin and sin_cos, Student-t, its time is
# not known, and that of another run stands for it.
LOGGED = {
    "mix_sin": (r"$\sin x + 0.1 \sin 20x + 0.05 \sin 100x$", ("5.5e-4", 6338), ("3.5e-4", 4667)),
    "single_sin": (r"$\sin 100x$", ("6.5e-7", 1665), ("4.0e-7", 1329)),
    "sin_cos": (r"$\sin 6x \cos 100x$", ("1.1e-6", 1663), ("1.5e-6", 1329)),
    "x_time_sinx": (r"$x \sin 200x$", ("9.0e-7", 7451), ("1.6e-6", 6043)),
    "x2_add_sinx": (r"$\sin 500x - 2(x - 0.5)^2$", ("4.2e-4", 5705), ("1.8e-3", 4033)),
    "allen_cahn single_sin": (r"$\sin 100x$, Allen–Cahn", ("4.9e-6", 2333), ("7.7e-7", 1998)),
    "allen_cahn sin_cos": (r"$\sin 6x \cos 100x$, Allen–Cahn", ("4.8e-6", 2319), ("4.2e-6", 1996)),
    "2-D sin_sin": (r"$\sin 100x \sin 100y$", ("6.9e-5", 8209), ("4.7e-6", 2109)),
    "2-D sin_add_cos": (r"$\sin 6x \cos 20x + \sin 6y \cos 20y$", ("2.2e-4", 19952), ("1.1e-3", 6132)),
    "2-D allen_cahn": (
        r"$g(x) g(y)$, Allen–Cahn, $g = \sin t + 0.1 \sin 20t + \cos 100t$",
        ("5.7e-3", 18244),
        ("2.6e-3", 15926),
    ),
    "advection": (r"$\sin(x - 200y)$, advection", ("1.4e-4", 11152), ("1.4e-3", 9654)),
}
FORMULAS = {
    "bump": r"$e^{-200(x - 0.37)^2}$",
    "chirp": r"$\sin(40x + 60x^2)$",
    "exp + cos": r"$e^{2x} + 0.05 \cos 90x$",
    "Runge × sine": r"$\sin 50x / (1 + 25(x - 0.5)^2)$",
    "kink": r"$\lvert x - 0.3 \rvert^{3.5}$",
    "2-D, not separable": r"$e^{-20((x - 0.4)^2 + (y - 0.6)^2)} + \sin(30x + 12y)$",
}


def published():
    """Print errors for the cases of the paper, beside those that its authors logged."""
    head(
        "solution",
        "points",
        "logged, Student-t",
        "logged, Gaussian",
        "`SpectralMixturePDE`",
        "finite differences",
    )
    for name, (formula, *logged) in LOGGED.items():
        case = PUBLISHED[name]
        theirs = [f"{error}, {seconds} s" for error, seconds in logged]
        differences = relative(*finite_differences(case))
        row(formula, size(case), *theirs, f"{solve(case)[0]:.1e}", f"{differences:.1e}")


def others():
    """Print the same for solutions that are not in any dictionary of lines."""
    head("solution", "points", "error", "residual", "finite differences")
    for name, formula in FORMULAS.items():
        case = OTHERS[name]
        error, solver = solve(case)
        differences = relative(*finite_differences(case))
        residual = f"{solver.residual_norm_:.1e}"
        row(formula, size(case), f"{error:.1e}", residual, f"{differences:.1e}")


def sampling():
    """Print what is found of sin 100x on fewer and fewer points."""
    head("points", "half the sampling frequency", "found", "error", "residual", "warning")
    case = PUBLISHED["single_sin"]
    for n in (400, 300, 250, 220, 200, 150):
        grid, source, boundary = case.data(n)
        points, u = case.test()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            solver = SpectralMixturePDE().fit(grid, source, boundary)
        names = sorted({warning.category.__name__ for warning in caught})
        row(
            n,
            f"{math.pi / (grid[0][1] - grid[0][0]):.0f}",
            ", ".join(f"{omega:.4g}" for omega in solver.frequencies_[0]),
            f"{-solver.score(points, u):.1e}",
            f"{solver.residual_norm_:.1e}",
            "".join(f"`{name}`" for name in names if name == AliasingWarning.__name__) or "none",
        )


def solve(case):
    """Return the error on 300 points along each side, and the solver."""
    points, u = case.test()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of the kink
        solver = SpectralMixturePDE(case.operator, beta=case.beta).fit(*case.data())
    return -solver.score(points, u), solver


def size(case):
    """Return the points along each side."""
    return str(case.points) if case.n_dims == 1 else f"{case.points}²"


def head(*columns):
    """Print the head of a table."""
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))


def row(*cells):
    """Print a row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    tables = {"published": published, "others": others, "sampling": sampling}
    with spectralkit.threads(1), np.errstate(all="ignore"):
        for name in sys.argv[1:] or tables:
            tables[name]()
            print()
