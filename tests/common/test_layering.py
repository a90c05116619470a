"""Who may import whom. The files are read, not run."""

import ast
import functools
import graphlib
import inspect
import pathlib
import sys

import pytest

from tests.common.discovery import (
    PACKAGE,
    SUPPORT,
    estimator_classes,
    families,
    public_modules,
    public_objects,
)

FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
# What every file may import where it likes, and what the core's files may besides.
CORE = {"numpy", "array_api_compat"}
CORE_BESIDES = {"_core/jit.py": {"numba"}}
FUNCTIONS = CORE | {"scipy", "numba"}
LAYERS = {
    **{"_core": 0, "__init__": 0},
    **{"base": 1, "callbacks": 1},
    **dict.fromkeys(families(), 2),
    **dict.fromkeys(SUPPORT, 3),
    **{"tour": 4, "__main__": 4},
}


def layer(file):
    """Return the height of a file; a room that is not public has none, and raises."""
    return LAYERS[file.split("/")[0].removesuffix(".py")]


@functools.cache
def imports(file):
    """Return ``(module, name, at_top)`` for every import in a file, relative ones made absolute."""
    package = ["spectralkit", *file.split("/")[:-1]]
    tree = ast.parse(FILES[file].read_text(encoding="utf-8"))
    inside = {id(node) for scope in ast.walk(tree) if is_function(scope) for node in ast.walk(scope)}
    found = []
    for node in ast.walk(tree):
        top = id(node) not in inside
        if isinstance(node, ast.Import):
            found += [(alias.name, None, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [(module, alias.name, top) for alias in node.names]
    return found


def is_function(node):
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def own_imports(file):
    """Yield the files of this library that a file imports, as paths: at the top and inside functions."""
    for module, name, _ in imports(file):
        parts = module.split(".")
        if parts[0] != "spectralkit":
            continue
        candidates = [parts[1:]] if name is None else [[*parts[1:], name], parts[1:]]
        for candidate in candidates:
            stem = "/".join(candidate)
            target = next((f for f in (f"{stem}.py", f"{stem}/__init__.py".lstrip("/")) if f in FILES), None)
            if target:
                yield target
                break


@functools.cache
def estimator_files():
    """Return the files that define public estimators and kernels, or classes that these build on."""
    from sklearn.gaussian_process.kernels import Kernel

    classes = [value for value in public_objects().values() if inspect.isclass(value)]
    kernels = [cls for cls in classes if issubclass(cls, Kernel)]
    modules = {base.__module__ for cls in [*estimator_classes().values(), *kernels] for base in cls.__mro__}
    ours = {
        m.removeprefix("spectralkit.").replace(".", "/") + ".py"
        for m in modules
        if m.startswith("spectralkit.")
    }
    return ours | {"base.py"}


# The tour, at the top, imports what it shows.
@pytest.mark.parametrize("file", [file for file in FILES if layer(file) < 4])
def test_third_party_imports(file):
    allowed = CORE | CORE_BESIDES.get(file, set()) if file.startswith("_core/") else FUNCTIONS
    if file in estimator_files():
        allowed = allowed | {"sklearn"}
    top = {module.split(".")[0] for module, _, at_top in imports(file) if at_top}
    foreign = top - allowed - {"spectralkit"} - set(sys.stdlib_module_names)
    assert not foreign, f"{file} may not import {sorted(foreign)} at the top; inside a function it may"


@pytest.mark.parametrize("file", FILES)
def test_nothing_imports_upward(file):
    upward = [target for target in own_imports(file) if layer(target) > layer(file)]
    assert not upward, f"{file} imports {upward}"


@pytest.mark.parametrize("file", FILES)
def test_private_modules_stay_in_their_room(file):
    room = file.split("/")[0]
    for target in own_imports(file):
        goal = target.split("/")
        private = goal[-1].startswith("_") and goal[-1] != "__init__.py"
        if goal[0] not in (room, "_core") and private:
            raise AssertionError(f"{file} imports the private {target} of another room")


@pytest.mark.parametrize("file", [f for f in FILES if layer(f) <= 2 and f not in estimator_files()])
def test_functions_do_not_import_estimators(file):
    backward = sorted(set(own_imports(file)) & estimator_files())
    assert not backward, f"{file} imports {backward}: estimator, function, kernel, never back"


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith("_numba.py")])
def test_kernels_import_little(file):
    for target in own_imports(file):
        assert target.startswith("_core/") or target.endswith("_numba.py"), f"{file} imports {target}"
    top = (
        {module.split(".")[0] for module, _, _ in imports(file)}
        - {"spectralkit"}
        - set(sys.stdlib_module_names)
    )
    assert top <= {"numpy", "numba"}, f"{file} imports {sorted(top)}"


def test_no_cycles():
    files = {file: set(own_imports(file)) - {file} for file in FILES}
    # Packages are lazy: importing a family's __init__ may lead to any of its files, so families may not
    # use each other in a ring either.
    rooms = {family: set() for family in families()}
    for file, targets in files.items():
        room = file.split("/")[0]
        if room in rooms:
            rooms[room] |= {t.split("/")[0] for t in targets} & rooms.keys() - {room}
    for graph in (files, rooms):
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


@pytest.mark.parametrize("package", [*families(), *SUPPORT])
def test_package_init_is_lazy(package):
    modules = {module for module, _, _ in imports(f"{package}/__init__.py")}
    assert modules == {"spectralkit._core.lazy"}, f"{package}/__init__.py imports more than attach_stub"


@pytest.mark.parametrize(
    "package", [name for name, module in public_modules().items() if hasattr(module, "__path__")]
)
def test_every_name_of_the_stub_is_loaded(package):
    """A regular expression reads the stub, one import to a line; nothing written otherwise may be lost."""
    module = public_modules()[package]
    stub = ast.parse(pathlib.Path(module.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    written = [alias for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert all(alias.asname == alias.name for alias in written), "write `from .x import name as name`"
    assert sorted(alias.name for alias in written) == module.__all__
