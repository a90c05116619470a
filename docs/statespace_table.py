"""Print the guide's tables of state-space models.

``python docs/statespace_table.py [convergence|phases|routes]``: all tables if none is named.
"""

import math
import sys
import time
import warnings

import numpy as np

import spectralkit
from spectralkit.nonnormal import IllConditionedWarning
from spectralkit.statespace import (
    cauchy_kernel,
    causal_convolution,
    diagonal_init,
    diagonal_scan,
    hippo,
    legs_kernel,
    legs_transfer_function,
    vandermonde_kernel,
)

TIMES = np.concatenate([[0.0], np.logspace(-6, 1, 401)])
# π times 10^62.
PI = 314159265358979323846264338327950288419716939937510582097494459


def convergence():
    """Print errors of transfer functions and impulse responses of LegS."""
    head(
        "$n$",
        "S4D: largest",
        "at ω =",
        "at ω = 1",
        "response",
        "ε = 1e-4: largest",
        "over $\\varepsilon \\lVert A \\rVert$",
        "response",
        '`"auto"`: largest',
        "response",
    )
    for n in (16, 32, 64, 128, 256):
        s4d = diagonal_init("legs", n)
        last = s4d.A.imag.max()
        omega = np.sort(np.concatenate([[1.0], np.logspace(-2, 6, 3000), last + np.linspace(-3, 3, 601)]))
        exact = legs_transfer_function(n, 1j * omega).T
        cells = [f"{n}"]
        for init in (s4d, perturbed(n, 1e-4), perturbed(n, "auto")):
            found = cauchy_kernel(init.basis * (init.weight * init.B), omega, init.A)
            error = np.linalg.norm(found - exact, axis=0)
            worst = error.max()
            if init is s4d:
                cells += [f"{worst:.1f}", f"{omega[error.argmax()]:.0f}"]
                cells.append(f"{error[np.searchsorted(omega, 1.0)]:.1e}")
            elif len(cells) < 6:
                norm = 1e-4 * np.linalg.norm(hippo("legs", n)[0], 2)
                cells += [f"{worst:.1e}", f"{worst / norm:.2f}"]
            else:
                cells.append(f"{worst:.1e}")
            cells.append(f"{response_error(n, init):.1e}")
        print("| " + " | ".join(cells) + " |")


def perturbed(n, eps):
    """Return LegS perturbed, without the warning that eps is beyond rounding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IllConditionedWarning)
        return diagonal_init("ptd", n, eps=eps, rng=0)


def response_error(n, init):
    """Return the largest error of the responses of 50 random outputs, each over its largest value."""
    C = np.random.default_rng(n).standard_normal((50, n))
    exact = C @ legs_kernel(n, TIMES).T
    weights = (C @ init.basis) * (init.weight * init.B)
    found = 2 * (weights @ np.exp(np.outer(init.A, TIMES))).real
    return np.max(np.max(np.abs(found - exact), axis=1) / np.max(np.abs(exact), axis=1))


def phases():
    """Print errors of kernels of slowly decaying modes, over Σ|C|."""
    head("steps", "float64", "float32", "NumPy, complex128", "NumPy, complex64")
    rng = np.random.default_rng(0)
    log_z, C = -1e-7 + 1j * rng.uniform(0, 3.1, 32), np.exp(2j * np.pi * rng.random(32))
    single = log_z.astype(np.complex64), C.astype(np.complex64)
    wide = [part.astype(complex) for part in single]
    for length in (2**10, 2**14, 2**20):
        steps = np.unique(np.append(rng.integers(length, size=400), length - 1))
        exact, exact_single = exact_kernel(log_z, C, steps), exact_kernel(*wide, steps)
        direct = 2 * (np.exp(np.outer(steps, log_z)) @ C).real
        direct_single = 2 * (np.exp(np.outer(steps.astype(np.float32), single[0])) @ single[1]).real
        errors = (
            vandermonde_kernel(log_z, C, length)[steps] - exact,
            vandermonde_kernel(*single, length)[steps] - exact_single,
            direct - exact,
            direct_single - exact_single,
        )
        cells = (f"{np.max(np.abs(error)) / 32:.1e}" for error in errors)
        print(f"| {length} | " + " | ".join(cells) + " |")


def exact_kernel(log_z, C, steps):
    """Return the kernel at some steps, phases reduced in whole numbers."""
    total = np.zeros(len(steps))
    for mode, weight in zip(log_z.tolist(), C.tolist(), strict=True):
        above, below = mode.imag.as_integer_ratio()
        above, below = above * 10**62, 2 * PI * below
        turns = np.array([(above * step) % below / below for step in steps.tolist()])
        power = np.exp(mode.real * steps + 2j * math.pi * turns)
        total += 2 * (weight * power).real
    return total


def routes():
    """Print the CPU time of kernel and convolution over that of the scan."""
    counts = (1, 4, 16, 64)
    head("pairs of modes, steps", *(f"{count} input{'s' * (count > 1)} a kernel" for count in counts))
    rng = np.random.default_rng(0)
    for n, length in ((4, 4096), (8, 4096), (32, 1024), (32, 4096), (32, 16_384), (128, 4096)):
        dt = np.geomspace(1e-3, 1e-1, 16)[:, None]
        log_z = dt * (-0.5 + 1j * np.pi * np.arange(n))
        C = rng.standard_normal((16, n)) + 1j * rng.standard_normal((16, n))
        A_bar, B_bar = np.exp(log_z), np.ones_like(C)
        ratios = []
        for count in counts:
            u = rng.standard_normal((count, 16, length))
            scan = cpu_time(diagonal_scan, A_bar, B_bar, C, u)
            kernel = cpu_time(by_kernel, log_z, C, u)
            ratios.append(f"{kernel / scan:.1f}")
        print(f"| {n}, {length} | " + " | ".join(ratios) + " |")


def by_kernel(log_z, C, u):
    """Return the responses by one kernel for each channel."""
    return causal_convolution(u, vandermonde_kernel(log_z, C, u.shape[-1]))


def cpu_time(function, *arguments):
    """Return the least processor time of 25 calls, after one that compiles."""
    function(*arguments)
    least = math.inf
    for _ in range(25):
        start = time.process_time()
        function(*arguments)
        least = min(least, time.process_time() - start)
    return least


def head(*columns):
    """Print the head of a table."""
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))


if __name__ == "__main__":
    tables = {"convergence": convergence, "phases": phases, "routes": routes}
    with spectralkit.threads(1):
        for name in sys.argv[1:] or tables:
            tables[name]()
            print()
