"""The same random numbers for a test whichever ran before it."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def same_numbers(request):
    if hasattr(request.module, "rng"):
        request.module.rng = np.random.default_rng(0)
