import importlib
import sys

import pytest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two names and a module, none of which is imported yet."""
    folder = tmp_path / "lazypackage"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from spectralkit._core.lazy import attach_stub\n"
        "__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)\n"
    )
    (folder / "__init__.pyi").write_text(
        "from . import room as room\n"
        "from ._file import first as first\n"
        "from ._file import second as second\n"
        "\n"
        "version: str\n"
    )
    (folder / "_file.py").write_text("first, second = 1, 2\n")
    (folder / "room.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("lazypackage")
    for name in [name for name in sys.modules if name.startswith("lazypackage")]:
        del sys.modules[name]


def test_names(package):
    assert package.__all__ == ["first", "room", "second"]
    assert dir(package) == package.__all__


def test_loaded_at_first_use(package):
    assert "lazypackage._file" not in sys.modules
    assert (package.first, package.second) == (1, 2)
    assert "lazypackage._file" in sys.modules
    assert package.room is sys.modules["lazypackage.room"]


def test_unknown_name(package):
    with pytest.raises(AttributeError, match=r"^module 'lazypackage' has no attribute 'third'$"):
        package.third  # noqa: B018


def test_star(package):
    names = {}
    exec("from lazypackage import *", names)
    assert names["first"] == 1
    assert names["room"] is package.room
