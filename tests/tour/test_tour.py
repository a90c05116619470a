import importlib.util
import sys
import types

import pytest

from spectralkit import tour
from spectralkit.__main__ import main
from spectralkit.tour import StopResult

FAMILY = "imaginary"


@pytest.fixture
def family(monkeypatch):
    """A family of two stops that is found as a file in the folder would be."""
    from matplotlib.figure import Figure

    module = types.ModuleType(f"spectralkit.tour.{FAMILY}")
    module.Figure, module.StopResult = Figure, StopResult
    exec(
        """
def _helper():
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1])
    return figure

def second_in_the_alphabet():
    return StopResult("oja", "10 x 2 <rows>", 1e-3, 0.5, "A sentence & more.", _helper(), "peer", 1.0)

def a_stop_of_two_methods():
    return [
        StopResult("gram", "10 x 2", 0.0, 0.25, "Another sentence.", _helper()),
        StopResult("block_power", "10 x 2", 0.1, 0.25),
    ]
""",
        vars(module),
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(tour, "families", lambda: [FAMILY])
    return module


def test_stops_are_the_public_functions_in_order(family):
    assert [stop.name for stop in tour.stops(FAMILY)] == ["second_in_the_alphabet", "a_stop_of_two_methods"]


@pytest.mark.parametrize("arguments", [[], [FAMILY], [FAMILY, FAMILY]])
def test_run_writes_pictures_and_page(family, tmp_path, capsys, arguments):
    out = tmp_path / "deep" / "folder"
    assert main(["tour", *arguments, "--out", str(out)]) == 0
    names = {"imaginary-second-in-the-alphabet.png", "imaginary-a-stop-of-two-methods.png", "index.html"}
    assert {path.name for path in out.iterdir()} == names
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("<img") == 2
    assert "A sentence &amp; more." in page
    assert "10 x 2 &lt;rows&gt;" in page
    assert "block_power" in page
    printed = capsys.readouterr()
    assert "2.0x" in printed.out
    assert "[2/2] imaginary: a stop of two methods" in printed.err


def test_table_is_aligned(family):
    lines = tour.table([result for stop in tour.stops(FAMILY) for result in stop.visit()]).splitlines()
    assert len(lines) == 5
    assert lines[0].index("peer ") == lines[2].index("peer ")
    assert lines[3].split()[-3:] == ["-", "-", "-"]


def test_bar_on_a_terminal(family, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert tour.run([], tmp_path) == 0
    assert "[########################] 2/2 done" in capsys.readouterr().err


def test_unknown_family(tmp_path, capsys):
    assert main(["tour", "nowhere", "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "nowhere" in message
    assert "streaming" in message
    assert not (tmp_path / "out").exists()


def test_missing_matplotlib_names_the_extra(family, tmp_path, capsys, monkeypatch):
    find = importlib.util.find_spec

    def find_no_matplotlib(name):
        return None if name == "matplotlib" else find(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_no_matplotlib)
    assert main(["tour", "--out", str(tmp_path / "out")]) == 1
    assert "spectralkit[plot]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_file_has_stops():
    for name in tour.families():
        assert tour.stops(name), name
