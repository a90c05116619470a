import copy
import dataclasses
import functools
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

from spectralkit._core.results import Result


@dataclass(frozen=True, repr=False, eq=False)
class Example(Result):
    vector: object
    n_iter: int
    converged: bool
    status: str
    factors: object = None

    @functools.cached_property
    def double(self):
        return 2 * self.vector


def example(**changes):
    fields = {"vector": np.array([1.0, 2.0]), "n_iter": 3, "converged": True, "status": "fine"}
    return Example(**{**fields, **changes})


def test_repr_is_aligned():
    assert repr(example()).splitlines() == [
        "Example",
        "     vector: [1., 2.]",
        "     n_iter: 3",
        "  converged: True",
        "     status: fine",
        "    factors: None",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.zeros((3, 4), np.float32), "array 3x4, float32"),
        (np.zeros(1000, complex), "array 1000, complex128"),
        (np.zeros((1, 2)), "array 1x2, float64"),
        (np.array(0.5), "0.5"),
        (np.float64(1 / 3), "0.333333"),
        (1 / 3, "0.333333"),
        (1e-20, "1e-20"),
        (10**12, "1000000000000"),
        (True, "True"),
        (np.arange(3), "[0, 1, 2]"),
        ([np.zeros((2, 3)), np.zeros(9)], "list of 2: array 2x3, float64; array 9, float64"),
        ((), "()"),
        ("x" * 300, "x" * 197 + "..."),
    ],
)
def test_shown_values(value, shown):
    assert f"vector: {shown}\n" in repr(example(vector=value))


def test_other_libraries_show_no_values():
    strict = pytest.importorskip("array_api_strict")
    assert "vector: array 2, float64" in repr(example(vector=strict.asarray([1.0, 2.0])))


def test_nested_result():
    assert "vector: Example\n" in repr(example(vector=example()))


def test_html():
    html = example(status="a < b & c")._repr_html_()
    assert html.startswith("<table>")
    assert html.count("<tr>") == 5
    assert "a &lt; b &amp; c" in html


def test_asdict():
    result = example()
    assert list(result.asdict()) == ["vector", "n_iter", "converged", "status", "factors"]
    assert result.asdict()["vector"] is result.vector


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        example().n_iter = 4


def test_lazy_property():
    result = example()
    assert result.double is result.double
    assert "double" not in result.asdict()
    assert "double" not in repr(result)


def test_compared_by_identity():
    result = example()
    assert result == result
    assert result != example()
    assert len({result, example()}) == 2


def test_pickle_and_copy():
    result = example()
    for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        np.testing.assert_array_equal(other.vector, result.vector)
        assert other.status == "fine"
