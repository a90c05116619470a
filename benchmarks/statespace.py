"""The bars of `spectralkit.statespace`."""

import subprocess
import sys
from functools import cache

import numpy as np

import spectralkit
from benchmarks._harness import Bar, run
from benchmarks.peers import statespace as peers
from spectralkit.statespace import (
    cauchy_kernel,
    cauchy_kernel_adjoint,
    causal_convolution,
    causal_convolution_adjoint,
    diagonal_init,
    diagonal_scan,
    diagonal_scan_adjoint,
    legs_kernel,
    vandermonde_kernel,
    vandermonde_kernel_adjoint,
)

# Channels, modes (each for a conjugate pair) and time steps.
CHANNELS, MODES, LENGTH = 256, 32, 16_384
# Channels that slow peers take, whose times are multiplied, and channels that have a reference.
SHARE, CHECKED = 16, slice(0, CHANNELS, 64)
# 2π as what 24 bits hold and the rest.
_TURN = np.longdouble(np.float32(2 * np.pi)), np.longdouble("-1.7484556000744971323344099423e-7")


def bar_kernel_speed(repeats):
    """Kernels of 256 channels, 32 pairs of modes, 16 384 steps: CPU times in units of ours."""
    log_z, C = _modes()
    some = slice(0, CHANNELS, CHANNELS // SHARE)
    contenders = {
        "spectralkit": lambda: vandermonde_kernel(log_z, C, LENGTH)[CHECKED],
        "NumPy": lambda: peers.numpy_vandermonde(log_z[some], C[some], LENGTH)[:: SHARE // 4],
    }
    accuracy = {"spectralkit": 2e-15, "NumPy": 1e-11, "PyTorch": 1e-3, "PyTorch, complex128": 1e-11}
    required = {"NumPy": 30}
    if _torch_bars("PyTorch / ours"):
        for name, dtype in (("PyTorch", "complex64"), ("PyTorch, complex128", "complex128")):
            contenders[name] = lambda dtype=dtype: peers.torch_vandermonde(
                log_z[some], C[some], LENGTH, dtype
            )[:: SHARE // 4]
        required |= {"PyTorch": 60, "PyTorch, complex128": np.nan}
    race = run(contenders, error=lambda k: _error(k, False), accuracy=accuracy, repeats=repeats)
    detail = (
        f"peers take {SHARE} of the channels, and times are multiplied: less memory than all at once, "
        f"and as fast; {race}; errors over Σ|C|, of {len(C[CHECKED])} channels in extended precision"
    )
    for peer, ratio in required.items():
        measured = CHANNELS // SHARE * race.ratio(peer, "spectralkit")
        dtype = "" if "complex" in peer else ", complex64" if peer == "PyTorch" else ", complex128"
        name = f"{peer}{dtype} / ours"
        yield Bar(name, ratio, measured, better="higher", speed=ratio > 0, detail=detail)


def bar_kernel_accuracy(repeats):
    """Errors of the same kernels over Σ|C|, and of slowly decaying ones of any frequency."""
    for stress, label, required in (
        (False, "modes S4D-Lin", 2e-15),
        (True, "Re log z = -1e-6, phases to 3.1", 4e-15),
    ):
        log_z, C = (part[CHECKED] for part in _modes(stress))
        error = _error(vandermonde_kernel(log_z, C, LENGTH), stress)
        yield Bar(f"{label}: float64", required, error)
        single = log_z.astype(np.complex64), C.astype(np.complex64)
        error = _error(vandermonde_kernel(*single, LENGTH), stress, single=True)
        yield Bar(f"{label}: float32", 5e-7, error)
        yield Bar(f"{label}: NumPy, complex128", np.nan, _error(_numpy(log_z, C), stress))
        if _torch_bars(f"{label}: PyTorch"):
            double = peers.torch_vandermonde(log_z, C, LENGTH, "complex128")
            simple = peers.torch_vandermonde(*single, LENGTH, "complex64")
            yield Bar(f"{label}: PyTorch, complex128", np.nan, _error(double, stress))
            yield Bar(f"{label}: PyTorch, complex64", np.nan, _error(simple, stress, single=True))


def bar_kernel_memory(repeats):
    """Peak of the process beyond the output, at one thread."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    many, long = (float(figure) / 1e6 for figure in done.stdout.split())
    detail = f"the output has {8 * CHANNELS * LENGTH / 1e6:.0f} MB"
    yield Bar(f"{CHANNELS} channels, {LENGTH} steps", 4, many, unit="MB", detail=detail)
    yield Bar("one channel, 5 000 000 steps", 4, long, unit="MB", detail="the output has 40 MB")


def bar_scan_speed(repeats):
    """One input in each of 256 channels: the scan, kernel and FFT, and SciPy's simulator."""
    log_z, C = _modes()
    A_bar, B_bar = np.exp(log_z), np.ones_like(log_z)
    u = np.random.default_rng(1).standard_normal((CHANNELS, LENGTH))
    exact = diagonal_scan(A_bar, B_bar, C, u).y
    scale = np.max(np.abs(exact), axis=1)

    def kernel():
        return vandermonde_kernel(log_z, C, LENGTH)

    def error(y):
        return np.max(np.abs(y - exact[: len(y)]) / scale[: len(y), None])

    race = run(
        {
            "scan": lambda: diagonal_scan(A_bar, B_bar, C, u).y,
            "kernel and SciPy FFT": lambda: peers.fft_convolution(u, kernel()),
            "kernel and ours": lambda: causal_convolution(u, kernel()),
        },
        error=error,
        accuracy=1e-12,
        repeats=repeats,
    )
    detail = f"{CHANNELS} channels, {LENGTH} steps: {race}; errors are differences to the scan"
    ratio = race.ratio("scan", "kernel and SciPy FFT")
    yield Bar("scan / kernel and SciPy FFT", 0.5, ratio, speed=True, detail=detail)
    ratio = race.ratio("scan", "kernel and ours")
    yield Bar("scan / kernel and causal_convolution", np.nan, ratio)
    simulated = run(
        {
            "scan": lambda: diagonal_scan(A_bar, B_bar, C, u).y,
            "dlsim": lambda: peers.scipy_simulation(A_bar[0], B_bar[0], C[0], u[0])[None],
        },
        error=error,
        accuracy=1e-10,
        repeats=min(repeats, 3),
    )
    detail = f"dlsim takes one channel, times {CHANNELS}: {simulated}"
    ratio = CHANNELS * simulated.ratio("dlsim", "scan")
    yield Bar("scipy.signal.dlsim / scan", 100, ratio, better="higher", speed=True, detail=detail)


def bar_scan_length(repeats):
    """Exponent of the CPU time of the scan in the length: 64 channels."""
    # From 8 MB per array on: NumPy asks for huge pages from 4 MB on, and page faults count.
    log_z, C = (part[:64] for part in _modes())
    A_bar, B_bar = np.exp(log_z), np.ones_like(log_z)
    lengths = np.array([16_384, 65_536, 262_144])
    u = np.random.default_rng(1).standard_normal((64, lengths[-1]))
    cut = {L: np.ascontiguousarray(u[:, :L]) for L in lengths}
    whole = diagonal_scan(A_bar, B_bar, C, u).y
    race = run(
        {
            str(L): lambda L=L: [
                diagonal_scan(A_bar, B_bar, C, cut[L]).y for _ in range(lengths[-1] // L)
            ]  # as many steps at each length
            for L in lengths
        },
        error=lambda found: np.max(np.abs(found[0] - whole[:, : found[0].shape[1]])),
        accuracy=0.0,
        repeats=2 * repeats,
    )
    seconds = [race.seconds[str(L)] * L / lengths[-1] for L in lengths]
    slope = np.polyfit(np.log(lengths), np.log(seconds), 1)[0]
    each = ", ".join(f"{s / 64 / L * 1e9:.1f}" for s, L in zip(seconds, lengths, strict=True))
    detail = f"exponent {slope:.3f}; {each} ns a step at {', '.join(map(str, lengths))} steps"
    yield Bar("|exponent - 1|", 0.05, abs(slope - 1), timed=True, detail=detail)


def bar_streaming(repeats):
    """A signal in chunks, state handed on: bytes of outputs and last state that differ from one call."""
    rng = np.random.default_rng(0)
    log_z, C = (part[:8] for part in _modes())
    A_bar, B_bar, D = np.exp(log_z), rng.standard_normal((8, MODES)) + 0j, rng.standard_normal(8)
    for dtype in (np.float64, np.float32):
        kind = np.complex64 if dtype == np.float32 else np.complex128
        model = [part.astype(kind) for part in (A_bar, B_bar, C)]
        u = rng.standard_normal((8, 10_007)).astype(dtype)
        options = {"D": D.astype(dtype), "allow_unstable": True}  # moduli round to above 1 in float32
        y, state = diagonal_scan(*model, u, **options)
        differ, chunks = 0, 0
        for size in (1, 7, 64, 1000, 4097):
            parts, x = [], None
            for start in range(0, u.shape[1], size):
                part, x = diagonal_scan(*model, u[:, start : start + size], x0=x, **options)
                parts.append(part)
            chunks += len(parts)
            for ours, theirs in ((np.concatenate(parts, axis=1), y), (x, state)):
                differ += np.sum(_bytes(ours) != _bytes(theirs))
        detail = f"{u.shape[1]} steps in {chunks} chunks of 1, 7, 64, 1000 and 4097"
        yield Bar(f"{np.dtype(dtype).name}: bytes", 0, differ, detail=detail)


def bar_cauchy(repeats):
    """Transfer functions of 64 channels, 32 pairs of poles, at 8193 frequencies."""
    rng = np.random.default_rng(0)
    v = rng.standard_normal((64, MODES)) + 1j * rng.standard_normal((64, MODES))
    w = -0.5 * rng.random((64, MODES)) + 1j * np.pi * np.arange(MODES)
    z, some = np.linspace(-200, 200, 8193), slice(0, 64, 8)
    wide = (x.astype(kind) for x, kind in ((v, np.clongdouble), (w, np.clongdouble)))
    v_wide, w_wide = (x[some] for x in wide)
    exact = peers.numpy_cauchy(v_wide, z.astype(np.longdouble), w_wide)
    distances = (np.abs(1j * z - x[some, :, None]) for x in (w, w.conj()))
    terms = sum(np.sum(np.abs(v[some, :, None]) / distance, axis=1) for distance in distances)
    race = run(
        {
            "spectralkit": lambda: cauchy_kernel(v, z, w)[some],
            "NumPy": lambda: peers.numpy_cauchy(v[some], z, w[some]),
        },
        error=lambda found: np.max(np.abs(found - exact) / terms),
        accuracy={"spectralkit": 4e-15, "NumPy": 1e-13},
        repeats=repeats,
    )
    detail = f"NumPy takes 8 channels, times 8: {race}; errors over the sum of the moduli of all terms"
    ratio = 8 * race.ratio("NumPy", "spectralkit")
    yield Bar("NumPy / ours", 10, ratio, better="higher", speed=True, detail=detail)
    yield Bar("error", 4e-15, race.error["spectralkit"])


def bar_legs(repeats):
    """Impulse responses of LegS by diagonal systems, 50 random outputs: error over the largest value."""
    t = np.concatenate([[0.0], np.logspace(-6, 1, 401)])
    for n in (16, 32, 33, 64, 128):
        C = np.random.default_rng(n).standard_normal((50, n))
        C /= np.linalg.norm(C, axis=1)[:, None]
        exact = C @ legs_kernel(n, t).T
        for kind, required, better in (("ptd", 1e-6, "lower"), ("legs", 0.5, "higher")):
            if kind == "legs" and n % 2:
                continue
            init = diagonal_init(kind, n, rng=0)
            weights = (C @ init.basis) * (init.weight * init.B)
            found = 2 * (weights @ np.exp(np.outer(init.A, t))).real
            errors = np.max(np.abs(found - exact), axis=1) / np.max(np.abs(exact), axis=1)
            name = {"ptd": f'n = {n}: "ptd"', "legs": f"n = {n}: S4D"}[kind]
            detail = f"{name}: largest error {errors.max():.2g}, median {np.median(errors):.2g}"
            yield Bar(name, required, errors.max(), better=better, detail=detail)


def bar_routes(repeats):
    """The same response by kernel and convolution, and step by step, over the largest value."""
    init, n, length = diagonal_init("ptd", 64, rng=0), 64, 4096
    rng = np.random.default_rng(0)
    u = rng.standard_normal((8, length))
    for dt in (1e-3, 1e-2, 0.1):
        A_bar, B_bar = spectralkit.statespace.discretize(init.A, init.B, dt)
        C = (rng.standard_normal((8, n)) @ init.basis) * init.weight
        y = diagonal_scan(A_bar, B_bar, C, u).y
        k = vandermonde_kernel(init.A * dt, C * B_bar, length)
        error = np.max(np.abs(causal_convolution(u, k) - y)) / np.max(np.abs(y))
        size = np.max(np.sum(np.abs(C * B_bar), axis=1)) / np.max(np.abs(k))
        detail = f"dt = {dt}: Σ|C B| is {size:.2g} times the largest value of the kernel"
        yield Bar(f'"ptd", dt = {dt}: error over that', 1e-14, error / size, detail=detail)
        yield Bar(f'"ptd", dt = {dt}: error', np.nan, error)
    log_z, C = (part[:8] for part in _modes())
    y = diagonal_scan(np.exp(log_z), np.ones_like(C), C, u).y
    found = causal_convolution(u, vandermonde_kernel(log_z, C, length))
    yield Bar("S4D-Lin: error", 1e-12, np.max(np.abs(found - y)) / np.max(np.abs(y)))


def bar_adjoints(repeats):
    """<K x, y> against <x, K* y>, over the product of norms: the largest of five."""
    rng = np.random.default_rng(0)
    log_z, C = (part[:4] for part in _modes())
    A_bar, z, w = np.exp(log_z), np.linspace(-50, 50, 1001), log_z * 100 - 0.5
    names = ("vandermonde_kernel", "cauchy_kernel", "diagonal_scan", "causal_convolution")
    found = dict.fromkeys(names, 0.0)
    for _ in range(5):
        B, x0 = (rng.standard_normal((2, 4, MODES)) + 1j * rng.standard_normal((2, 4, MODES)))[:]
        v = rng.standard_normal((4, MODES)) + 1j * rng.standard_normal((4, MODES))
        u, y, k = rng.standard_normal((3, 4, 1001))
        Y, D = y + 1j * rng.standard_normal(y.shape), rng.standard_normal(4)
        kernel, grad = vandermonde_kernel(log_z, v, 1001), vandermonde_kernel_adjoint(log_z, v, y)[1]
        _note(found, "vandermonde_kernel", [(kernel, y)], [(v, grad)])
        kernel, grad = cauchy_kernel(v, z, w), cauchy_kernel_adjoint(v, z, w, Y)[0]
        _note(found, "cauchy_kernel", [(kernel, Y)], [(v, grad)])
        response, state = diagonal_scan(A_bar, B, C, u, D=D, x0=x0)
        grads = diagonal_scan_adjoint(A_bar, B, C, u, y, D=D, x0=x0, state_bar=v)
        _note(found, "diagonal_scan", [(response, y), (state, v)], [(u, grads.u), (x0, grads.x0)])
        response, grad = causal_convolution(u, k), causal_convolution_adjoint(y, k, u)[0]
        _note(found, "causal_convolution", [(response, y)], [(u, grad)])
    for name, error in found.items():
        yield Bar(name, 1e-13, error)


# What the kernel kept for this process, after a first small call has compiled and loaded.
MEMORY = f"""
import pathlib
import numpy as np
import spectralkit
from spectralkit.statespace import vandermonde_kernel

def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

log_z = np.full(({CHANNELS}, {MODES}), -1e-3 + 1j)
with spectralkit.threads(1):
    vandermonde_kernel(log_z, log_z, 256)
    for channels, length in (({CHANNELS}, {LENGTH}), (1, 5_000_000)):
        out = None  # the one before goes first
        out = np.ones((channels, length))
        before = peak()
        vandermonde_kernel(log_z[:channels], log_z[:channels], length, out=out)
        print(peak() - before)
"""


def _torch_bars(name):
    """Whether PyTorch is there; says so where it is not."""
    if peers.has_torch():
        return True
    print(f'  left out: {name}; PyTorch is not installed (extra "peers")', flush=True)
    return False


def _note(found, name, outputs, inputs):
    """Keep the larger of two violations of the identity of adjoints."""
    left, right = (sum(np.vdot(x, y).real for x, y in pairs) for pairs in (outputs, inputs))
    size = sum(np.linalg.norm(x) * np.linalg.norm(y) for x, y in (*outputs, *inputs))
    found[name] = max(found[name], abs(left - right) / size)


def _bytes(array):
    return np.ascontiguousarray(array).view(np.uint8)


@cache
def _modes(stress=False):
    """Return logarithms of modes and weights: S4D-Lin, or slow decay and any frequency."""
    rng = np.random.default_rng(0)
    if stress:
        log_z = -1e-6 + 1j * rng.uniform(0, 3.1, (CHANNELS, MODES))
    else:
        dt = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), (CHANNELS, 1)))
        log_z = dt * (-0.5 + 1j * np.pi * np.arange(MODES))
    return log_z, rng.standard_normal((CHANNELS, MODES)) + 1j * rng.standard_normal((CHANNELS, MODES))


def _numpy(log_z, C):
    return peers.numpy_vandermonde(log_z, C, LENGTH)


def _error(found, stress, *, single=False):
    """Return the largest error of the channels that have a reference, over Σ|C|."""
    exact, size = _reference(stress, single)
    return float(np.max(np.abs(found - exact) / size[:, None]))


@cache
def _reference(stress, single):
    """Return kernels in extended precision, phases reduced exactly, and Σ|C| of each channel."""
    log_z, C = (part[CHECKED] for part in _modes(stress))
    if single:
        log_z, C = (part.astype(np.complex64).astype(complex) for part in (log_z, C))
    steps = np.arange(LENGTH, dtype=np.longdouble)
    total = np.zeros((len(C), LENGTH), dtype=np.longdouble)
    for j in range(MODES):
        theta = log_z.imag[:, j, None]
        coarse = theta.astype(np.float32).astype(float)
        # Products of 24 bits and whole numbers are exact, and so is the difference of such.
        phase = steps * coarse
        turns = np.rint(phase / _TURN[0])
        phase = (phase - turns * _TURN[0]) - turns * _TURN[1] + steps * (theta - coarse)
        size = 2 * np.exp(steps * log_z.real[:, j, None])
        total += size * (C.real[:, j, None] * np.cos(phase) - C.imag[:, j, None] * np.sin(phase))
    return total, np.sum(np.abs(C), axis=1)
