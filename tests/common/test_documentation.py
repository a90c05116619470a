"""Every public docstring: complete by numpydoc's rules, with examples that run."""

import dataclasses
import inspect
import pathlib
import tomllib

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import ERROR_MSGS, validate

from tests.common.discovery import (
    examples,
    public_functions,
    public_modules,
    public_objects,
    resolve,
    run_example,
)


def documented():
    """Yield the dotted names of public objects, and of their methods and properties written here."""
    for name, value in public_objects().items():
        if not callable(value):
            continue
        yield name
        if not inspect.isclass(value):
            continue
        for member, attribute in inspect.getmembers(value):
            function = getattr(attribute, "fget", None) or getattr(attribute, "func", None) or attribute
            ours = (getattr(function, "__module__", None) or "").startswith("spectralkit.")
            if ours and not member.startswith("_") and inspect.isroutine(function):
                yield f"{name}.{member}"


def numpydoc_checks():
    """Return the checks chosen in pyproject.toml: "all" with exceptions, or a list."""
    project = tomllib.loads(
        pathlib.Path(__file__).parents[2].joinpath("pyproject.toml").read_text(encoding="utf-8")
    )
    chosen = set(project["tool"]["numpydoc_validation"]["checks"])
    return set(ERROR_MSGS) - chosen if "all" in chosen else chosen


CHECKS = numpydoc_checks()


@pytest.mark.parametrize("name", sorted(set(documented())))
def test_docstring_is_complete(name):
    report = validate(name)
    assert report["docstring"], f"{name} has no docstring"
    errors = [f"{code}: {text}" for code, text in report["errors"] if code in CHECKS]
    value = resolve(name) if name in public_objects() else None
    if dataclasses.is_dataclass(value):
        # Nobody constructs a result: its fields stand under Attributes instead of Parameters.
        described = {parameter.name for parameter in ClassDoc(value)["Attributes"]}
        fields = {field.name for field in dataclasses.fields(value) if not field.name.startswith("_")}
        missing = fields - described
        errors = [error for error in errors if missing or not error.startswith("PR01")]
    assert not errors, "\n".join(errors)


@pytest.mark.parametrize("name", public_modules())
def test_module_has_a_docstring(name):
    assert public_modules()[name].__doc__


@pytest.mark.parametrize("name", [*public_modules(), *public_objects()])
def test_examples_run(name):
    for test in examples(name):
        run_example(test)


@pytest.mark.parametrize("name", public_functions())
def test_function_has_an_example(name):
    assert examples(name), f"{name} has no Examples section"
