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

    @property
    def order(self):
        """Order of the derivative."""
        return self.pieces[0][1]


def boundary_types(boundary_type, n_dims):
    """Return the checked type of each dimension."""
    types = (boundary_type,) * n_dims if isinstance(boundary_type, str) else boundary_type
    if not isinstance(types, list | tuple) or len(types) != n_dims:
        raise ValueError(invalid("boundary_type", f"one type, or one for each of {n_dims} dimensions", types))
    for name in types:
        check_option("boundary_type", name, TYPES)
    return tuple(types)


def read_conditions(boundary, grid, types, orders):
    """Return the conditions that an array with NaN inside states; ``orders`` are those of the operator."""
    shape = tuple(map(len, grid))
    n_dims = len(shape)
    conditions = []
    inside = tuple(slice(1, -1) if kind != "periodic" else slice(None) for kind in types)
    if np.isfinite(boundary[inside]).any():
        constraint = "NaN inside the box, where the solution is asked for"
        raise ValueError(invalid("boundary", constraint, "numbers inside"))
    core = [tuple(inside[a] for a in range(n_dims) if a != axis) for axis in range(n_dims)]
    faces = {(axis, side): np.take(boundary, -side, axis=axis) for axis in range(n_dims) for side in (0, 1)}
    given = {key for key, face in faces.items() if not np.isnan(face[core[key[0]]]).all()}
    for axis, kind in enumerate(types):
        others = [a for a in range(n_dims) if a != axis]
        x = grid[axis]
        if kind == "periodic":
            zero = np.zeros(tuple(shape[a] for a in others))
            for order in range(orders[axis]):
                pieces = ((x[0], order, 1.0), (x[-1], order, -1.0))
                conditions.append(Condition(axis, pieces, zero, (slice(None),) * len(others)))
            continue
        for side, point in ((0, x[0]), (1, x[-1])):
            if (axis, side) not in given:
                continue
            face = faces[axis, side]
            kept = tuple(
                _kept(face, k, types[a], kind, [(a, s) in given for s in (0, 1)])
                for k, a in enumerate(others)
            )
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


def _kept(face, axis, kind, own, given):
    """Return the points of a face along one of its axes, which ends at two other faces.

    An edge belongs to two faces. Where they do not both hold values, the number there is one face's or the
    other's, and is left out; and so is the edge of a face without data where there is none.
    """
    if kind == "periodic":
        return slice(None)
    trim = [own != "dirichlet" or kind != "dirichlet"] * 2
    for side in (0, 1):
        if not given[side] and np.isnan(np.take(face, -side, axis=axis)).any():
            trim[side] = True
    return slice(1 if trim[0] else None, -1 if trim[1] else None)


def check_determined(conditions, types, orders, operator, has_value_term):
    """Raise unless the conditions determine the solution, naming the faces that are missing."""
    faces = {(c.axis, c.side) for c in conditions if c.side is not None}
    remedy = "Give values there; NaN means that a face has none."
    missing = []
    for axis, order in enumerate(orders):
        if order > 2 and types[axis] != "periodic":
            constraint = "of orders up to 2 except in periodic dimensions, as faces state one value each"
            raise ValueError(invalid("operator.terms", constraint, f"order {order} in dimension {axis}"))
    for axis, (kind, order) in enumerate(zip(types, orders, strict=True)):
        absent = [SIDES[side] for side in (0, 1) if (axis, side) not in faces]
        if kind != "periodic" and 2 - len(absent) < min(order, 2):
            joined = (" and the " if order > 1 else " or the ").join(absent)
            missing.append(f"the {joined} face of dimension {axis}")
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
