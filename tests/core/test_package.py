import pathlib
import tomllib

import spectralkit

ROOT = pathlib.Path(__file__).parents[2]


def test_version_is_written_once_and_again():
    """A static version, so that a tree without git history installs; the package's own has to agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert spectralkit.__version__ == project["version"]


def test_typed():
    assert pathlib.Path(spectralkit.__file__).with_name("py.typed").is_file()
