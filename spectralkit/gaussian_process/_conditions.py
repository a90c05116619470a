"""What is known of a solution on the boundary of a box."""

import math
from dataclasses import dataclass

import numpy as np

from spectralkit._core.checks import check_option, invalid

TYPES = ("dirichlet", "neumann", "periodic")
SIDES = ("low", "high")


@dataclass(frozen=True)
class Condition:
    """``Σ factor ∂^order u = values`` on a face, the sum over points of its axis."""

    axis: int
    pieces: tuple
    """``(point, order, factor)``, one for each point of the sum."""
    values: np.ndarray
    """On the kept points of the other axes."""
    kept: tuple
    """A slice for each other axis."""
    side: int | None = None


def boundary_types(boundary_type, n_dims):
    """Return the checked type of each dimension."""
    types = (boundary_type,) * n_dims if isinstance(boundary_type, str) else tuple(boundary_type)
    if len(types) != n_dims:
        raise ValueError(invalid("boundary_type", f"one type, or one for each of {n_dims} dimensions", types))
    for name in types:
        check_option("boundary_type", name, TYPES)
    return types


def read_conditions(boundary, grid, types, orders):
    """Return the conditions that an array with NaN inside states; ``orders`` are those of the operator."""
    shape = tuple(map(len, grid))
    n_dims = len(shape)
    conditions = []
    inside = tuple(slice(1, -1) if kind != "periodic" else slice(None) for kind in types)
    if np.isfinite(boundary[inside]).any():
        constraint = "NaN inside the box, where the solution is asked for"
        raise ValueError(invalid("boundary", constraint, "numbers inside"))
    for axis, kind in enumerate(types):
        others = [a for a in range(n_dims) if a != axis]
        # An edge belongs to two faces. Where they do not both hold values, the number there is one face's
        # or the other's: such edges are left out.
        kept = tuple(
            slice(None) if types[a] == "periodic" or (kind == "dirichlet" == types[a]) else slice(1, -1)
            for a in others
        )
        x, size = grid[axis], tuple(shape[a] for a in others)
        if kind == "periodic":
            zero = np.zeros(size)
            for order in range(orders[axis]):
                pieces = ((x[0], order, 1.0), (x[-1], order, -1.0))
                conditions.append(Condition(axis, pieces, zero, (slice(None),) * len(others)))
            continue
        for side, point in ((0, x[0]), (1, x[-1])):
            face = np.take(boundary, -side, axis=axis)
            core = tuple(slice(None) if types[a] == "periodic" else slice(1, -1) for a in others)
            if np.isnan(face[core]).all():
                continue
            values = face[kept]
            if not np.isfinite(values).all():
                bad = int(values.size - np.isfinite(values).sum())
                constraint = (
                    f"given on all of the {SIDES[side]} face of dimension {axis}, or NaN on all of it"
                )
                raise ValueError(invalid("boundary", constraint, f"{bad} of {values.size} values not finite"))
            order, factor = (0, 1.0) if kind == "dirichlet" else (1, -1.0 if side == 0 else 1.0)
            conditions.append(Condition(axis, ((point, order, factor),), values, kept, side))
    return conditions


def check_determined(conditions, types, orders, operator, has_value_term):
    """Raise unless the conditions determine the solution, naming the faces that are missing."""
    faces = {(c.axis, c.side) for c in conditions if c.side is not None}
    remedy = "Give values there; NaN means that a face has none."
    missing = []
    for axis, (kind, order) in enumerate(zip(types, orders, strict=True)):
        absent = [SIDES[side] for side in (0, 1) if (axis, side) not in faces]
        if kind != "periodic" and 2 - len(absent) < min(order, 2):
            joined = (" and " if order > 1 else " or ").join(absent)
            missing.append(f"the {joined} face{'s' * (len(absent) > 1)} of dimension {axis}")
    if not missing and hasattr(operator, "undetermined"):
        said = operator.undetermined(
            faces | {(a, s) for a, k in enumerate(types) if k == "periodic" for s in (0, 1)}
        )
        missing = [said] if said else []
    if missing:
        raise ValueError(invalid("boundary", "given on " + ", and on ".join(missing), "NaN there", remedy))
    if not has_value_term and not any(types[axis] == "dirichlet" for axis, _ in faces):
        constraint = "given as values (dirichlet) on some face"
        why = "derivatives and periods only, which leave a constant open"
        raise ValueError(invalid("boundary", constraint, why, "Set boundary_type for one dimension."))


def rms(array):
    """Return the root of the mean square, without overflow."""
    largest = float(np.abs(array).max(initial=0.0))
    if not 0.0 < largest < math.inf:
        return largest
    return largest * math.sqrt(float(np.mean((array / largest) ** 2)))
