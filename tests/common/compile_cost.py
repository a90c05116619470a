"""Print what the first call of each public name costs, cold and cached; run by test_compile_cost.

The first call is the example in the documentation; its second run, when everything is compiled, is
subtracted. Processor time is counted, so that a busy machine does not matter.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import pathlib
import sys
import tempfile
import time
import traceback
import warnings

import numba
from numba.core.event import install_recorder
from numba.core.registry import cpu_target

from tests.common.discovery import examples, run_example

# Imported before the clock starts: other people's import time is no compile time.
THIRD_PARTY = (
    "array_api_strict",
    "hypothesis",
    "matplotlib.pyplot",
    "numba.np.ufunc.parallel",
    "numpy.testing",
    "ot",
    "scipy.linalg",
    "scipy.sparse.linalg",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.utils.validation",
    "tqdm.auto",
)


def first_call(name, folder):
    """Return the seconds that an example's first run takes beyond its second, and if it compiled anything."""
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    numba.config.reload_config()
    tests = examples(name)
    for test in tests:
        for example in test.examples:
            if example.source.startswith(("import ", "from ")):
                exec(example.source, {})
    times = []
    with install_recorder("numba:compile") as compilations:
        for _ in range(2):
            start = time.process_time()
            for test in tests:
                # The runner empties a test's globals, so that the second run starts as the first did.
                run_example(test)
            times.append(time.process_time() - start)
    return times[0] - times[1], bool(compilations.buffer)


def in_child(function, *arguments):
    """Return what a function returns in a forked process, which has imported all that this one has."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = function(*arguments)
            with os.fdopen(write, "w") as pipe:
                json.dump(answer, pipe)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer)  # fails on the nothing that a failed child has said


def main():
    """Print ``{name: [cold, cached]}`` as JSON for the names given."""
    warnings.simplefilter("ignore")
    for module in THIRD_PARTY:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    # The first compiled function of a process, whoever's, sets up numba's own tables: 0.15 s that belong
    # to no function of ours.
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:]:
            # The least of a few: even processor time stretches on a busy machine, by a third and more. A
            # compilation that is near the bar is measured more often.
            colds = []
            while len(colds) < 2 or (len(colds) < 5 and min(colds)[0] > 2.0):
                colds.append(in_child(first_call, name, pathlib.Path(folder) / name / str(len(colds))))
            cached = [in_child(first_call, name, pathlib.Path(folder) / name / "0")[0] for _ in range(4)]
            compiled = any(compiled for _, compiled in colds)
            found[name] = [min(cold for cold, _ in colds), min(cached)] if compiled else [0.0, 0.0]
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
