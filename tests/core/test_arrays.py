"""What array arguments become, and what ``out`` has to be."""

import numpy as np
import pytest

from spectralkit._core.arrays import as_numbers, check_out


def test_arrays_are_kept_and_lists_become_numpy():
    X = np.ones((2, 3), np.float32)
    assert as_numbers("X", X) is X
    assert as_numbers("X", [[1, 2]]).shape == (1, 2)
    xp = pytest.importorskip("array_api_strict")
    assert type(as_numbers("X", xp.ones(3))) is type(xp.ones(3))


def test_gradients_are_not_recorded():
    torch = pytest.importorskip("torch")
    assert not as_numbers("X", torch.ones(3, requires_grad=True)).requires_grad


def test_masks_and_ragged_rows_raise():
    with pytest.raises(TypeError, match="X must be an array without a mask; got type MaskedArray"):
        as_numbers("X", np.ma.masked_array([1.0, 2.0], [True, False]))
    with pytest.raises(ValueError, match="X must be an array of numbers; got rows of different lengths"):
        as_numbers("X", [[1.0], [1.0, 2.0]])


def test_out():
    X = np.ones(3)
    check_out(np.empty(3), (3,), X.dtype, X=X)
    with pytest.raises(TypeError, match="out must be an array; got type list"):
        check_out([0.0], (1,), X.dtype, X=X)
    for out in (np.empty(4), np.empty(3, np.float32)):
        with pytest.raises(ValueError, match=r"out must be of shape \(3,\) and dtype float64; got shape"):
            check_out(out, (3,), X.dtype, X=X)
    out = np.empty(3)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out must be writeable; got a read-only array"):
        check_out(out, (3,), X.dtype, X=X)
    xp = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="must be arrays of one library"):
        check_out(xp.ones(3), (3,), X.dtype, X=X)
