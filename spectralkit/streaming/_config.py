"""The parameters of a stream, and the choice of the method."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spectralkit._core.checks import check_flag, check_integer, check_number, check_option, invalid
from spectralkit._core.dtypes import working_dtype_name

METHODS = ("auto", "oja", "block_power", "oja_grid", "frequent_directions", "incremental_svd", "gram")
ONE_VECTOR = ("block_power", "oja_grid")
# Methods whose recursion follows one stream: their states cannot be merged.
SEQUENTIAL = ONE_VECTOR
APPROXIMATE = ("oja", *ONE_VECTOR)
# Beside oja the referee judges a method for each order that oja cannot stand.
CANDIDATES = ("incremental_svd", "frequent_directions", "oja_grid")
# A vector of the grid counts as converged when its norm has grown by d to this power.
CERTIFICATE = 2.0
# The smallest rate of the grid is kept below 2**-HEADROOM over the energy so far: until then its vector has
# not moved.
HEADROOM = 4
# 8 d^2 bytes up to d = 4096: below that the exact Gram matrix is also the fastest method.
DEFAULT_MEMORY_LIMIT = 2**27


def grid_size(d):
    """Return the number of rates of ``oja_grid``: from one that has not moved to one that has converged."""
    return 2 + HEADROOM + math.ceil(math.log2(d * CERTIFICATE * max(math.log(d), 1.0)))


@dataclass(frozen=True)
class Config:
    """The parameters on which states must agree to be merged."""

    method: str
    n_components: int = 1
    n_heavy: int = 32
    heavy_threshold: Any = "auto"
    block_size: int = 256
    subspace_dim: int = 2
    sketch_size: int = 32
    alpha: float = 1.0
    referee: bool = False
    center: bool = False

    def heavy_factor(self, d):
        """Return the share of ``||A||_F ** 2`` above which a row is heavy."""
        # 0.15 is about 1/ln d, the threshold of the theory; d of these rows would hold 15 % of the energy.
        return (0.15 if self.heavy_threshold == "auto" else self.heavy_threshold) / d

    def state_bytes(self, d, itemsize):
        """Return the memory that the state and two blocks of ``d`` columns take."""
        size = self.sketch_size
        k = min(max(self.subspace_dim, self.n_components + 1), d)
        rows = {
            "oja": 2 * k + self.n_heavy,
            "block_power": 3 + self.n_heavy,
            "oja_grid": grid_size(d),
            "frequent_directions": 3 * size,
            "incremental_svd": 3 * size,
            "gram": d,
        }
        total = rows[self.method] + (sum(rows[c] for c in CANDIDATES) + 64 if self.referee else 0)
        return max(8, itemsize) * total * d + 2 * self.rows_per_block(d) * d * itemsize

    def rows_per_block(self, d):
        """Return the rows of a block; for ``gram``, where only speed depends on it, 2 MB if that is more."""
        return max(self.block_size, 2**18 // d) if self.method == "gram" else self.block_size


def make_config(
    d,
    dtype,
    *,
    method,
    n_components,
    n_heavy,
    heavy_threshold,
    block_size,
    subspace_dim,
    sketch_size,
    referee,
    center,
    memory_limit,
    alpha=1.0,
):
    """Check the parameters, choose the method for rows of ``d`` entries, and return the Config.

    ``auto`` takes the exact Gram matrix where it fits in ``memory_limit`` (128 MiB unless given), and
    otherwise ``oja``, with the referee if that fits beside it, since nothing is known about the order.
    """
    check_option("method", method, METHODS)
    if isinstance(referee, str):
        if referee != "auto":
            raise ValueError(invalid("referee", "'auto', True or False", referee))
    else:
        referee = check_flag("referee", referee)
    n_components = check_integer("n_components", n_components, 1)
    if d is not None and n_components > d:
        raise ValueError(invalid("n_components", f"at most the number of features, {d}", n_components))
    if not (isinstance(heavy_threshold, str) and heavy_threshold == "auto"):
        heavy_threshold = check_number("heavy_threshold", heavy_threshold, 0, open_low=True)
    config = Config(
        method="oja" if method == "auto" else method,
        n_components=n_components,
        n_heavy=check_integer("n_heavy", n_heavy, 0),
        heavy_threshold=heavy_threshold,
        block_size=check_integer("block_size", block_size, 1),
        subspace_dim=check_integer("subspace_dim", subspace_dim, 1),
        sketch_size=check_integer("sketch_size", sketch_size, 1),
        alpha=check_number("alpha", alpha, 0, 1),
        center=check_flag("center", center),
    )
    if memory_limit is not None:
        memory_limit = check_integer("memory_limit", memory_limit, 1, remedy="It is in bytes.")
    if n_components > 1 and config.method in ONE_VECTOR:
        raise ValueError(
            invalid(
                "method",
                f"one that finds {n_components} components (oja, frequent_directions, incremental_svd, gram)",
                method,
            )
        )
    if config.method in ("frequent_directions", "incremental_svd") and n_components > sketch_size:
        raise ValueError(invalid("sketch_size", f"at least n_components={n_components}", sketch_size))
    if referee is True and config.method != "oja":
        raise ValueError(invalid("referee", "False unless method is 'oja' or 'auto'", referee))
    if d is None:
        return config
    itemsize = np.dtype(working_dtype_name("X", dtype)).itemsize
    limit = DEFAULT_MEMORY_LIMIT if memory_limit is None else memory_limit
    if method == "auto" and referee is not True:
        gram = replace(config, method="gram")
        needed = 8 * d * d if memory_limit is None else gram.state_bytes(d, itemsize)
        if needed <= limit:
            return gram
    if config.method == "oja" and (referee is True or (referee == "auto" and method == "auto")):
        if n_components <= config.sketch_size:
            judged = replace(config, referee=True)
            if referee is True or memory_limit is None or judged.state_bytes(d, itemsize) <= limit:
                config = judged
        elif referee is True:
            raise ValueError(invalid("sketch_size", f"at least n_components={n_components}", sketch_size))
    if memory_limit is not None and config.state_bytes(d, itemsize) > memory_limit:
        raise ValueError(
            invalid(
                "memory_limit",
                f"at least {config.state_bytes(d, itemsize)} bytes for method="
                f"{config.method!r} on {d} features",
                memory_limit,
                "Raise it, or lower block_size, n_heavy or sketch_size.",
            )
        )
    return config
