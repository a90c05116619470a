"""How a family's bars are measured, reported and kept.

A family has one module, ``benchmarks/<family>.py``. Each function in it whose name begins with ``bar_`` takes
``repeats`` and returns a `Bar`, or a list of them; its docstring's first line heads the table. Nothing is
registered. A typical one::

    def bar_oja_speed(repeats):
        "One pass over 100 000 x 512 float32 rows, R = 4."
        X = make_spiked_stream(100_000, 512, gap=4.0, dtype=np.float32, rng=0)[0]
        exact = np.linalg.eigh(X.T @ X)[1][:, -1]  # of the sample: the planted one is further away

        race = run(
            {
                "spectralkit": lambda: top_eigenvector(X, method="oja", rng=0).vector,
                "scikit-learn": lambda: incremental_pca(X, 32, batch_size=1024)[0],
            },
            error=lambda vector: 1 - (vector @ exact) ** 2,
            accuracy=1e-3,
            repeats=repeats,
        )
        return Bar("CPU time, IncrementalPCA(32) / oja", 50, race.ratio("scikit-learn", "spectralkit"),
                   better="higher", speed=True, detail=str(race))

`run` takes the error of every result outside the timing and compares it with ``accuracy`` in every repeat: a
fast wrong answer is not a time. A bar that raises is reported as missed, with the reason.
"""

import dataclasses
import datetime
import importlib
import json
import math
import os
import pathlib
import platform
import time
import traceback

FOLDER = pathlib.Path(__file__).parent
REPEATS, CHECK_REPEATS = 7, 3
CHECK_ATTEMPTS = 3  # of a bar made of times, where others may be using the machine


@dataclasses.dataclass(frozen=True)
class Bar:
    """One figure and what is required of it."""

    name: str
    required: float
    measured: float
    better: str = "lower"
    """"lower" if the figure must not exceed the required one, "higher" if it must reach it."""
    unit: str = ""
    speed: bool = False
    """A ratio of times: with ``--check`` a third of it suffices."""
    timed: bool = False
    """Made of times in another way: with ``--check`` it gets several attempts too, but no allowance."""
    detail: str = ""
    """What stands behind the figure: times, errors, sizes."""

    def met(self, *, check=False):
        """Return whether the bar is met; NaN never is, and any figure meets a bar that only asks for one."""
        if math.isnan(self.required):
            return not math.isnan(self.measured)
        if self.better == "higher":
            return self.measured >= self.required / (3 if check and self.speed else 1)
        return self.measured <= self.required * (3 if check and self.speed else 1)


@dataclasses.dataclass(frozen=True)
class Race:
    """Process CPU seconds (the minimum over the repeats) and accuracy figure (the worst) by contender."""

    seconds: dict
    error: dict

    def ratio(self, slow, fast):
        """Return the CPU time of ``slow`` in units of that of ``fast``."""
        return self.seconds[slow] / self.seconds[fast]

    def __str__(self):
        return "; ".join(
            f"{name} {self.seconds[name]:.3g} s, error {self.error[name]:.1e}" for name in self.seconds
        )


def run(contenders, *, error, accuracy, repeats=REPEATS):
    """Time ``{name: callable}`` interleaved in this process, on one thread.

    ``error(result)`` is the accuracy figure of what a contender returns; it may not exceed ``accuracy`` (a
    number, or one by name). One round before the timed ones compiles and warms up.
    """
    import spectralkit

    seconds = dict.fromkeys(contenders, math.inf)
    worst = dict.fromkeys(contenders, 0.0)
    with spectralkit.threads(1):
        for repeat in range(repeats + 1):
            for name, contender in contenders.items():
                start = time.process_time()
                result = contender()
                elapsed = time.process_time() - start
                figure = float(error(result))
                limit = accuracy[name] if isinstance(accuracy, dict) else accuracy
                if not figure <= limit:
                    raise AssertionError(
                        f"{name} is too inaccurate to count: error {figure:.2e}, limit {limit:.2e}"
                    )
                worst[name] = max(worst[name], figure)
                if repeat:
                    seconds[name] = min(seconds[name], elapsed)
    return Race(seconds, worst)


def checking(repeats):
    """Return whether a bar is to be checked only, where smaller problems and fewer draws do."""
    return repeats < REPEATS


def measure(family, *, only="", check=False):
    """Measure the bars of a family, print them, keep them (unless checking); return a line for each miss."""
    module = importlib.import_module(f"benchmarks.{family}")
    functions = {name: f for name, f in vars(module).items() if name.startswith("bar_") and only in name}
    path = FOLDER / "results" / f"{family}.json"
    kept = json.loads(path.read_text(encoding="utf-8"))["bars"] if path.exists() and not check else {}
    # Bars that were not asked for keep the figures of their last run; bars that no longer exist go.
    kept = {name: rows for name, rows in kept.items() if name in vars(module)}
    missed = []
    for name, function in functions.items():
        print(f"{family}: {name.removeprefix('bar_').replace('_', ' ')}", flush=True)
        heading = (function.__doc__ or "").strip().partition("\n")[0]
        start = time.perf_counter()
        for attempt in range(CHECK_ATTEMPTS if check else 1):
            try:
                bars = function(CHECK_REPEATS if check else REPEATS)
                bars = [bars] if isinstance(bars, Bar) else list(bars)
            except Exception as failure:
                traceback.print_exc()
                bars = [Bar(name, math.nan, math.nan, detail=f"{type(failure).__name__}: {failure}")]
            if not any((bar.speed or bar.timed) and not bar.met(check=check) for bar in bars):
                break
            print(f"  attempt {attempt + 1}: too slow")
        for bar in bars:
            met = bar.met(check=check)
            needed = _required(bar) + (", a third suffices" if check and bar.speed else "")
            line = f"{bar.name}: {_figure(bar)} (required {needed})"
            print(f"  {'met   ' if met else 'MISSED'} {line}")
            if not met:
                missed.append(f"{family}, {name.removeprefix('bar_')}: {line}")
            if bar.detail:
                print(f"         {bar.detail}")
        kept[name] = {
            "heading": heading,
            "command": f"python -m benchmarks {family} --only {name.removeprefix('bar_')}",
            "wall_seconds": round(time.perf_counter() - start, 1),
            "environment": environment(),
            "rows": [{**_plain(bar), "met": bool(bar.met())} for bar in bars],
        }
    if not check:
        path.parent.mkdir(exist_ok=True)
        order = [name for name in vars(module) if name in kept]
        results = {"family": family, "bars": {name: kept[name] for name in order}}
        path.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (FOLDER / "RESULTS.md").write_text(render(), encoding="utf-8")
    print(f"{family}: {len(missed)} missed" if missed else f"{family}: all met")
    return missed


def render():
    """Return all results files as one Markdown page."""
    parts = [
        "# Benchmark results",
        "Written by `python -m benchmarks`; do not edit. Times are process CPU times on one thread, the "
        f"minimum of at least {REPEATS} interleaved repeats in one process; the accuracy of every repeat is "
        "asserted. Bars that are missed stay in the table.",
    ]
    for path in sorted((FOLDER / "results").glob("*.json")):
        results = json.loads(path.read_text(encoding="utf-8"))
        parts.append(f"## {results['family'].replace('_', ' ').capitalize()}")
        for bar in results["bars"].values():
            parts.append(f"### {bar['heading'].rstrip('.')}")
            rows = ["| bar | required | measured | met |", "| --- | --- | --- | --- |"]
            for row in bar["rows"]:
                names = {field.name for field in dataclasses.fields(Bar)}
                shown = Bar(**{name: _number(value) for name, value in row.items() if name in names})
                cells = (shown.name, _required(shown), _figure(shown), "yes" if row["met"] else "**no**")
                rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
            parts.append("\n".join(rows))
            details = dict.fromkeys(row["detail"] for row in bar["rows"] if row["detail"])
            parts.append("\n".join(f"- {detail}" for detail in details))
            parts.append(
                f"`{bar['command']}` on {', '.join(f'{k} {v}' for k, v in bar['environment'].items())}."
            )
    return "\n\n".join(part for part in parts if part) + "\n"


def environment():
    """Return the machine, the versions and the day."""
    import numba
    import numpy
    import scipy
    import sklearn

    import spectralkit

    libraries = (spectralkit, numpy, scipy, numba, sklearn)
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "Python": platform.python_version(),
        **{library.__name__: library.__version__ for library in libraries},
        "date": datetime.date.today().isoformat(),
    }


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _plain(bar):
    """Return the fields as JSON knows them: it has no NaN, so a figure that is missing reads null."""
    fields = dataclasses.asdict(bar)
    for name in ("required", "measured"):
        fields[name] = None if math.isnan(fields[name]) else float(fields[name])
    return fields


def _number(value):
    return math.nan if value is None else value


def _figure(bar):
    return "not measured" if math.isnan(bar.measured) else f"{bar.measured:.3g}{bar.unit and ' ' + bar.unit}"


def _required(bar):
    if math.isnan(bar.required):
        return "a figure"
    return f"{'≥' if bar.better == 'higher' else '≤'} {bar.required:.3g}{bar.unit and ' ' + bar.unit}"
