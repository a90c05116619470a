import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import mpmath
import numba
import numpy as np
import pytest

import spectralkit
from spectralkit._core import jit
from tests.core import jit_kernels


def apply(kernel, values):
    x = np.asarray(values, dtype=np.float64)
    out = np.empty_like(x)
    with np.errstate(all="ignore"):  # where nothing is compiled NumPy warns
        kernel(x, out)
    return out


def ulps(found, exact, x):
    """Return the largest error of ``found`` in units of its last place, against 50 digits."""
    with mpmath.workdps(50):
        errors = (
            abs(mpmath.mpf(float(a)) - exact(mpmath.mpf(float(b)))) / mpmath.mpf(float(np.spacing(abs(a))))
            for a, b in zip(found, x, strict=True)
        )
        return float(max(errors))


def test_exp_accuracy():
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            rng.uniform(-708, 709.78, 2000),
            rng.uniform(-1, 1, 1000),
            10.0 ** rng.uniform(-20, 0, 200),
            # Next to the points where the exponent changes.
            np.nextafter((np.arange(-1020, 1024, 10) + 0.5) * math.log(2), 0),
            [-708.0, 709.782712893384, 0.0, 5e-324],
        ]
    )
    assert ulps(apply(jit_kernels.fill_exp, x), mpmath.exp, x) <= 1.1


def test_log_accuracy():
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [
            np.exp(rng.uniform(-745, 709.78, 2000)),
            rng.uniform(0.5, 2, 1000),
            1 + 10.0 ** rng.uniform(-15, -1, 300),
            1 - 10.0 ** rng.uniform(-15, -1, 300),
            math.sqrt(0.5) * 2.0 ** np.arange(-1070, 1023, 10),
            [5e-324, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308],
        ]
    )
    x = x[x != 1]
    assert ulps(apply(jit_kernels.fill_log, x), mpmath.log, x) <= 1.1


def test_exp_limits():
    inf, nan = math.inf, math.nan
    x = [0.0, -0.0, inf, -inf, nan, 709.7827128933841, 710.0, 1e308, -708.0000000000001, -745.0, -1e308]
    expected = [1.0, 1.0, inf, 0.0, nan, inf, inf, inf, 0.0, 0.0, 0.0]
    np.testing.assert_array_equal(apply(jit_kernels.fill_exp, x), expected)


def test_log_limits():
    inf, nan = math.inf, math.nan
    x = [1.0, 0.0, -0.0, inf, nan, -1.0, -inf, -5e-324]
    expected = [0.0, -inf, -inf, inf, nan, nan, nan, nan]
    np.testing.assert_array_equal(apply(jit_kernels.fill_log, x), expected)


def test_other_argument_types():
    for value in (np.float32(0.3), 2):
        assert jit.vexp(value) == pytest.approx(math.exp(value), rel=1e-15)
        assert jit.vlog(value) == pytest.approx(math.log(value), rel=1e-15)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_loops_are_vectorised():
    """Far faster than the scalar loop: no call for each element. The figure itself depends on the machine."""
    x = np.random.default_rng(0).uniform(-20, 20, 1 << 14)
    positive, out = np.abs(x), np.empty_like(x)

    def best(kernel, values):
        times = []
        for _ in range(30):
            start = time.perf_counter()
            kernel(values, out)
            times.append(time.perf_counter() - start)
        return min(times)

    scalar = best(jit_kernels.fill_scalar_exp, x)
    assert best(jit_kernels.fill_exp, x) < 0.6 * scalar
    assert best(jit_kernels.fill_log, positive) < 0.6 * scalar


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
@pytest.mark.parametrize("kernel", [jit_kernels.fill_exp, jit_kernels.fill_log])
def test_loops_call_nothing(kernel):
    """No element is left to a function of C, whose name the machine code would contain; vectors are used."""

    def compiled(kernel):
        fresh = numba.njit(nogil=True, error_model="numpy")(kernel.py_func)  # cached code cannot be inspected
        fresh(np.ones(8), np.ones(8))
        return "".join(fresh.inspect_asm().values()), "".join(fresh.inspect_llvm().values())

    called = re.compile(r"\b_?(exp|log)\b")
    assert called.search(compiled(jit_kernels.fill_scalar_exp)[0])
    assembly, intermediate = compiled(kernel)
    assert not called.search(assembly)
    assert re.search(r"fmul .*<\d+ x double>", intermediate)


def test_reassociating_caller():
    """A caller that may reorder its sums must not reorder the arithmetic inside."""
    x = np.random.default_rng(0).uniform(-700, 700, 1000)
    with mpmath.workdps(50):
        exact = mpmath.fsum(mpmath.exp(mpmath.mpf(float(value))) for value in x)
        assert abs(mpmath.mpf(jit_kernels.sum_exp(x)) / exact - 1) < 1e-14


def test_sums_see_nan_and_infinity():
    x = np.ones(1000)
    x[500] = np.nan
    assert math.isnan(jit_kernels.total(x))
    x[500] = np.inf
    assert jit_kernels.total(x) == np.inf
    x[501] = -np.inf
    with np.errstate(invalid="ignore"):
        assert math.isnan(jit_kernels.total(x))


def test_other_errors_pass(monkeypatch):
    def broken(**options):
        def decorate(function):
            raise RuntimeError("something else")

        return decorate

    monkeypatch.setattr(numba, "njit", broken)
    with pytest.raises(RuntimeError, match="something else"):
        jit.njit()(lambda x: x)


def in_fresh_process(environment, folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


CALL = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from spectralkit._core import jit
    from spectralkit._core.jit import njit, vexp
    @njit()
    def twice(x):
        return 2 * vexp(x)
    assert twice(0.0) == 2.0
print(jit.__file__)
for warning in caught:
    print(warning.category.__name__, warning.message)
"""


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_read_only_installation(tmp_path):
    """Where nothing can be written everything works, with exactly one warning."""
    package = tmp_path / "site" / "spectralkit"
    shutil.copytree(
        pathlib.Path(spectralkit.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    script = package.parent / "script.py"
    script.write_text(CALL)
    # The administrator may write whatever permissions say, so files stand in the way of folders: of the
    # folder of caches next to each module, and of the user's.
    for folder in [package.parent, package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_text("")
    (home := tmp_path / "home").write_text("")
    environment = {
        key: value for key, value in os.environ.items() if key not in ("NUMBA_CACHE_DIR", "PYTHONPATH")
    }
    environment |= dict.fromkeys(("HOME", "XDG_CACHE_HOME", "USERPROFILE", "LOCALAPPDATA"), str(home))
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    file, *warned = in_fresh_process(environment, tmp_path, str(script))
    assert pathlib.Path(file).is_relative_to(package)
    assert len(warned) == 1, warned
    assert warned[0].startswith("UserWarning ")
    assert "NUMBA_CACHE_DIR" in warned[0]


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_kernels_are_cached(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    code = (
        "import numpy as np; from tests.core.jit_kernels import fill_exp as f;"
        "f(np.ones(2), np.ones(2)); print(sum(f.stats.cache_hits.values()))"
    )
    root = pathlib.Path(__file__).parents[2]
    assert [in_fresh_process(environment, root, "-c", code) for _ in range(2)] == [["0"], ["1"]]
