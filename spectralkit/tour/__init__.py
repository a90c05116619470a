"""The tour: every method at work on real data, a table, and a page of pictures.

Each module of this folder is one family, and each public function in it one stop. A stop takes no argument,
runs the method, compares it with an independent reference and with a peer where one is installed, and returns
a `StopResult`, or a list of them. There is nothing to register.
"""

import html
import importlib
import importlib.util
import inspect
import pathlib
import pkgutil
import sys
import time

from spectralkit._core.parallel import threads
from spectralkit.tour._stop import Stop, StopResult

__all__ = ["StopResult", "families", "run", "stops"]


def families():
    """Return the names of the families that have a file here."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def stops(family):
    """Return the stops of a family, in the order in which its file defines them."""
    module = importlib.import_module(f"{__name__}.{family}")
    return [
        Stop(family, name, function)
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not name.startswith("_")
    ]


def run(chosen=(), out="spectralkit-tour"):
    """Visit the chosen families, all if none is named, and return an exit code; pictures go to ``out``."""
    known = families()
    unknown = [family for family in chosen if family not in known]
    if unknown:
        print(
            f"no family named {', '.join(unknown)} on the tour; there are: {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    if importlib.util.find_spec("matplotlib") is None:
        print(
            'The tour draws with matplotlib, which is not installed. Install the extra "plot": '
            'python -m pip install "spectralkit[plot]"',
            file=sys.stderr,
        )
        return 1
    started = time.perf_counter()
    folder = pathlib.Path(out)
    if folder.exists() and not folder.is_dir():
        print(f"--out must be a folder; got the file {folder}.", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    route = [stop for family in dict.fromkeys(chosen or known) for stop in stops(family)]
    visited = []
    for done, stop in enumerate(route):
        _progress(done, len(route), f"{stop.family}: {stop.title}")
        # One thread for all: on a busy machine a threaded BLAS spins, and times would mean nothing.
        with threads(1):
            results = stop.visit()
        results[0].figure.savefig(folder / stop.filename, dpi=150, bbox_inches="tight")
        visited.append((stop, results))
    _progress(len(route), len(route), "done")
    print(table([result for _, results in visited for result in results]))
    page = folder / "index.html"
    page.write_text(_page(visited), encoding="utf-8")
    print(f"\n{len(route)} stops in {time.perf_counter() - started:.0f} s, on one thread. Pictures: {page}")
    return 0


def table(results):
    """Return the aligned table of the results."""
    head = ("method", "problem", "error", "time", "peer", "its time", "ratio")
    rows = [head, *map(_cells, results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (0, 1, 4)
    lines = [
        "  ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cells(result):
    timed = result.peer is not None and result.peer_seconds is not None
    return (
        result.method,
        result.problem,
        f"{result.error:.1e}",
        f"{result.seconds:.2f} s",
        result.peer or "-",
        f"{result.peer_seconds:.2f} s" if timed else "-",
        f"{result.peer_seconds / result.seconds:.1f}x" if timed else "-",
    )


def _progress(done, total, label):
    """Draw the bar on the terminal; one line a stop where there is none to redraw."""
    if sys.stderr.isatty():
        filled = 24 * done // max(total, 1)
        bar = "#" * filled + "." * (24 - filled)
        print(
            f"\r\x1b[K[{bar}] {done}/{total} {label}",
            end="\n" if done == total else "",
            file=sys.stderr,
            flush=True,
        )
    elif done < total:
        print(f"[{done + 1}/{total}] {label}", file=sys.stderr, flush=True)


def _page(visited):
    """Return the page that shows the pictures: one file, no script, light or dark as the reader's system."""
    cards, family = [], None
    for stop, results in visited:
        if stop.family != family:
            family = stop.family
            cards.append(f"<h2>{html.escape(family.replace('_', ' '))}</h2>")
        figures = "".join(f'<p class="figures">{_figures(result)}</p>' for result in results)
        cards.append(
            f'<figure id="{stop.filename.removesuffix(".png")}">'
            f'<a href="{stop.filename}"><img src="{stop.filename}" alt="{html.escape(stop.title)}"></a>'
            f"<figcaption><h3>{html.escape(stop.title.capitalize())}</h3>"
            f"<p>{html.escape(results[0].sentence)}</p>{figures}</figcaption></figure>"
        )
    return _TEMPLATE.replace("{{cards}}", "\n".join(cards))


def _figures(result):
    """Return the row of the table as a line of the page."""
    method, problem, error, seconds, peer, peer_seconds, ratio = map(html.escape, _cells(result))
    parts = [f"<b>{method}</b>", problem, f"error {error}", seconds]
    if result.peer:
        parts.append(f"{peer}: {peer_seconds} ({ratio})")
    return " · ".join(parts)


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The spectralkit tour</title>
<style>
:root { color-scheme: light dark;
  --text: #1b1f24; --muted: #57606a; --page: #f6f8fa; --card: #fff; --edge: #d0d7de; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --muted: #9aa4af; --page: #0d1117; --card: #161b22; --edge: #30363d; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1rem 4rem; background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1, h2 { line-height: 1.2; } h2 { margin: 2.5rem 0 1rem; text-transform: capitalize; }
h3 { margin: 0 0 .25rem; } p { margin: .25rem 0; }
figure { margin: 0 0 1.5rem; background: var(--card); border: 1px solid var(--edge); border-radius: .6rem;
  overflow: hidden; }
figure img { display: block; width: 100%; height: auto; background: #fff; }
figcaption { padding: 1rem 1.25rem 1.25rem; }
.figures { color: var(--muted); font-size: .9rem; font-variant-numeric: tabular-nums; }
</style>
</head>
<body>
<h1>The spectralkit tour</h1>
<p>Each picture comes from the run that wrote this page: real data, an independent reference, one thread.</p>
{{cards}}
</body>
</html>
"""
