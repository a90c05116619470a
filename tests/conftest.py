"""Settings that have to hold before numba, BLAS or matplotlib are imported, and Hypothesis profiles."""

import hashlib
import os
import pathlib
import tempfile

import spectralkit

PACKAGE = pathlib.Path(spectralkit.__file__).parent


def _kernel_hash():
    """Hash every source file that compiles something.

    numba's cache notices an edited file, but not an edited helper that lies in another file than its caller.
    """
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"njit" in source:
            digest.update(source)
    return digest.hexdigest()[:16]


_user = os.getuid() if hasattr(os, "getuid") else 0
os.environ["NUMBA_CACHE_DIR"] = str(
    pathlib.Path(tempfile.gettempdir()) / f"spectralkit-kernels-{_user}-{_kernel_hash()}"
)
os.environ["MPLBACKEND"] = "Agg"
# Two numba threads even on one core, so that results can be compared with those of one thread. One BLAS
# thread: the test runner's workers share the cores.
os.environ["NUMBA_NUM_THREADS"] = "2"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
for _library in ("OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import hypothesis  # noqa: E402

hypothesis.settings.register_profile("dev", max_examples=25, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("nightly", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)
