"""The first call of every public name: at most 3 s with a cold cache, 0.25 s with a warm one."""

import os

import pytest

from tests.common.discovery import examples, public_objects
from tests.common.process import run_module

NAMES = [name for name in public_objects() if examples(name)]


@pytest.fixture(scope="module")
def cost():
    return run_module("tests.common.compile_cost", *NAMES)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks one process for each name")
@pytest.mark.parametrize("name", NAMES)
def test_first_call(name, cost):
    cold, cached = cost[name]
    assert cold <= 3.0
    assert cached <= 0.25
