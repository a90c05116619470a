"""Everything public, found by walking ``__all__``: no test in this folder names a family."""

import doctest
import functools
import importlib
import inspect
import pathlib
import types

import spectralkit

PACKAGE = pathlib.Path(spectralkit.__file__).parent
# Packages that are not about one problem; every other public package is a family.
SUPPORT = ("datasets", "testing")


@functools.cache
def public_modules():
    """Return the public modules by dotted name, the package itself first."""
    found = {}

    def walk(module):
        found[module.__name__] = module
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, types.ModuleType):
                assert value.__name__ == f"{module.__name__}.{name}", f"{module.__name__}.{name} is foreign"
                walk(value)

    walk(spectralkit)
    return found


@functools.cache
def public_objects():
    """Return everything public that is not a module, by dotted name."""
    return {
        f"{path}.{name}": getattr(module, name)
        for path, module in public_modules().items()
        for name in module.__all__
        if not isinstance(getattr(module, name), types.ModuleType)
    }


def public_functions():
    """Return the public objects that are neither classes nor constants."""
    return {name: value for name, value in public_objects().items() if inspect.isroutine(value)}


def estimator_classes():
    """Return the public estimator classes by dotted name."""
    from sklearn.base import BaseEstimator

    return {
        name: value
        for name, value in public_objects().items()
        if inspect.isclass(value) and issubclass(value, BaseEstimator)
    }


def is_table(estimator):
    """Return whether the estimator takes an ordinary table, and so has to pass all scikit-learn's checks."""
    from sklearn.utils import get_tags

    tags = get_tags(estimator)
    return tags.input_tags.two_d_array and not tags._skip_test


def table_estimators():
    """Return the classes whose X is an ordinary table, by dotted name."""
    return {name: cls for name, cls in estimator_classes().items() if is_table(cls())}


def declared_array_api():
    """Return the table estimators whose tags say that they accept other array libraries, by dotted name."""
    from sklearn.utils import get_tags

    return {name: cls for name, cls in table_estimators().items() if get_tags(cls()).array_api_support}


def families():
    """Return the names of the family packages."""
    packages = (
        name.removeprefix("spectralkit.")
        for name, module in public_modules().items()
        if hasattr(module, "__path__")
    )
    return sorted(name for name in packages if "." not in name and name not in (*SUPPORT, "spectralkit"))


def resolve(name):
    """Return what a dotted name stands for, importing no more than it needs."""
    if name == "spectralkit":
        return spectralkit
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def examples(name):
    """Return the doctests in the documentation of a public module, function or class and its methods."""
    value = resolve(name)
    finder = doctest.DocTestFinder(recurse=not inspect.ismodule(value))
    home = importlib.import_module(getattr(value, "__module__", name))
    return [test for test in finder.find(value, name, module=home, globs={}) if test.examples]


def run_example(test, *, clear_globs=True):
    """Run one doctest, raising an AssertionError with its report where it fails."""
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(test, out=report.append, clear_globs=clear_globs)
    assert runner.failures == 0, "".join(report)
