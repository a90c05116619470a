"""What importing costs."""

import json
import sys

import pytest

from tests.common.discovery import public_functions
from tests.common.process import run_code

HEAVY = ("sklearn", "matplotlib", "pandas", "dask", "cupy", "torch", "ot")


def test_import_loads_no_third_party_package():
    loaded = run_code(
        "import json, sys; before = set(sys.modules); import spectralkit; dir(spectralkit);"
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    )
    foreign = set(loaded) - set(sys.stdlib_module_names) - {"spectralkit"}
    assert not foreign


def test_import_takes_at_most_half_of_numpys():
    code = "import json, time; t = time.perf_counter(); import {}; print(json.dumps(time.perf_counter() - t))"
    times = {"spectralkit": [], "numpy": []}
    for _ in range(5):
        for name, seen in times.items():
            seen.append(run_code(code.format(name)))
    assert min(times["spectralkit"]) <= 0.5 * min(times["numpy"])


@pytest.fixture(scope="module")
def loaded_by():
    """Which heavy packages each public function brought in, accessed one after the other in one process."""
    return run_code(
        "import importlib, json, sys\n"
        "names, heavy = json.loads(sys.argv[1]), set(json.loads(sys.argv[2]))\n"
        "result = {}\n"
        "for name in names:\n"
        "    before = set(sys.modules)\n"
        "    module, _, function = name.rpartition('.')\n"
        "    getattr(importlib.import_module(module), function)\n"
        "    result[name] = sorted(heavy & (set(sys.modules) - before))\n"
        "print(json.dumps(result))",
        json.dumps(list(public_functions())),
        json.dumps(HEAVY),
    )


@pytest.mark.parametrize("name", public_functions())
def test_function_loads_nothing_heavy(name, loaded_by):
    assert not loaded_by[name]
