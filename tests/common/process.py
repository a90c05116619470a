"""Fresh interpreters, which answer in JSON."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run_code(code, *arguments, **environment):
    """Run code in a fresh interpreter and return what it prints."""
    return _run(["-c", code, *arguments], environment)


def run_module(module, *arguments, **environment):
    """Run a module in a fresh interpreter and return what it prints."""
    return _run(["-m", module, *arguments], environment)


def _run(arguments, environment):
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
