import builtins
import dataclasses
import io

import numpy as np
import pytest

from spectralkit._core.callbacks import reporter
from spectralkit.callbacks import IterationInfo, progress_bar


def test_no_callback():
    assert reporter(None)(1, 0.5) is False


def test_what_a_callback_receives():
    seen = []
    report = reporter(seen.append)
    assert report(np.int64(1), np.float32(0.5)) is False
    assert report(2, 0.25) is False
    assert [(info.iteration, info.figure) for info in seen] == [(1, 0.5), (2, 0.25)]
    assert 0 <= seen[0].elapsed <= seen[1].elapsed
    assert type(seen[0].iteration) is int
    assert type(seen[0].figure) is float


@pytest.mark.parametrize("answer", [True, np.True_])
def test_stop(answer):
    assert reporter(lambda info: answer)(1, 0.0) is True


@pytest.mark.parametrize("answer", [None, False, np.False_])
def test_go_on(answer):
    assert reporter(lambda info: answer)(1, 0.0) is False


def test_record_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        IterationInfo(1, 0.5, 0.1).iteration = 2


def test_progress_bar():
    screen = io.StringIO()
    with progress_bar(total=4, desc="fit", file=screen, mininterval=0) as callback:
        report = reporter(callback)
        assert not any([report(1, 0.5), report(4, 0.125)])
    shown = screen.getvalue()
    assert "fit" in shown
    assert "4/4" in shown
    assert "figure=0.125" in shown


def test_progress_bar_without_total():
    screen = io.StringIO()
    with progress_bar(file=screen) as callback:
        callback(IterationInfo(3, 0.5, 0.1))
    assert "3it" in screen.getvalue()


def test_progress_bar_without_tqdm(monkeypatch):
    real = builtins.__import__

    def without_tqdm(name, *arguments, **options):
        if name.startswith("tqdm"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_tqdm)
    with pytest.raises(ImportError, match="pip install tqdm"):
        progress_bar()
