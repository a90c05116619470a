"""Univariate orthonormal polynomials: recurrences, measures, and their induced distributions."""

import dataclasses
import functools
import math

import numpy as np

from spectralkit._core.checks import check_number, invalid
from spectralkit.sampling._dpp_numba import recurrence_table, solve_integrals, values_at_degrees

NAMES = ("legendre", "chebyshev", "hermite", "laguerre")
# Nodes of a panel, and panels per half-oscillation of a polynomial: its squared modulus is then integrated
# and interpolated to rounding.
_NODES = 12
# Degrees up to which the integrals of all are kept.
_CACHED_DEGREE = 128


@dataclasses.dataclass(frozen=True)
class Family:
    """
    Polynomials p_0, p_1, ... orthonormal in a probability measure.

    They satisfy ``b_{n+1} p_{n+1}(x) = (x - a_n) p_n(x) - b_n p_{n-1}(x)`` with ``p_0 = 1``.
    """

    name: str
    alpha: float = 0.0
    beta: float = 0.0

    @property
    def support(self):
        """The ends of the interval."""
        return {"hermite": (-math.inf, math.inf), "laguerre": (0.0, math.inf)}.get(self.name, (-1.0, 1.0))

    def recurrence(self, degree):
        """Return ``a_0 .. a_{degree-1}`` and ``b_1 .. b_degree``."""
        n = np.arange(degree, dtype=float)
        k = n + 1.0
        if self.name == "legendre":
            return np.zeros(degree), k / np.sqrt(4.0 * k * k - 1.0)
        if self.name == "chebyshev":
            return np.zeros(degree), np.where(k == 1.0, math.sqrt(0.5), 0.5)
        if self.name == "hermite":
            return np.zeros(degree), np.sqrt(k)
        if self.name == "laguerre":
            return 2.0 * n + 1.0, k
        alpha, beta = self.alpha, self.beta
        total = alpha + beta
        with np.errstate(invalid="ignore", divide="ignore"):
            a = (beta - alpha) * total / ((2.0 * n + total) * (2.0 * n + total + 2.0))
            b = 4.0 * k * (k + alpha) * (k + beta) * (k + total)
            b = b / ((2.0 * k + total) ** 2 * (2.0 * k + total + 1.0) * (2.0 * k + total - 1.0))
        if degree:
            # The general formulas are 0/0 here for special sums of the exponents.
            a[0] = (beta - alpha) / (total + 2.0)
            b[0] = 4.0 * (alpha + 1.0) * (beta + 1.0) / ((total + 2.0) ** 2 * (total + 3.0))
        return a, np.sqrt(b)

    def table(self, x, degree):
        """Return the values of p_0 .. p_degree at host points, in the columns of an array."""
        out = np.empty((len(x), degree + 1))
        recurrence_table(np.ascontiguousarray(x), *self.recurrence(degree), out)
        return out

    def evaluate(self, x, degree, xp=np):
        """Return a list of the values of p_0 .. p_degree at ``x``, of any array library."""
        a, b = self.recurrence(degree)
        values = [xp.ones_like(x)]
        for n in range(degree):
            step = (x - float(a[n])) * values[n]
            if n:
                step = step - float(b[n - 1]) * values[n - 1]
            values.append(step / float(b[n]))
        return values

    def scaled(self, x, degree):
        """
        Yield for n = 0 .. degree arrays (v, e) with ``p_n(x) = v 2^e``, which cannot overflow.

        Hermite and Laguerre polynomials exceed the range of float64 where they matter: p_n² grows as the
        inverse of the density up to the turning point.
        """
        a, b = self.recurrence(degree)
        exponent = np.zeros(x.shape, dtype=np.int64)
        before, value = np.zeros_like(x), np.ones_like(x)
        yield value, exponent
        for n in range(degree):
            step = (x - a[n]) * value
            if n:
                step -= b[n - 1] * before
            before, value = value, step / b[n]
            if math.isinf(self.support[1]) and n % 8 == 7:
                shift = np.frexp(np.maximum(np.abs(value), np.abs(before)))[1]
                before, value = np.ldexp(before, -shift), np.ldexp(value, -shift)
                exponent = exponent + shift
            yield value, exponent

    def directions(self, x, degree):
        """Return an array of shape (n, degree + 1), its rows in proportion to (p_0 .. p_degree), about 1."""
        if not math.isinf(self.support[1]):
            return self.table(x, degree)
        pairs = list(self.scaled(x, degree))
        exponents = np.stack([e for _, e in pairs], axis=1)
        values = np.stack([v for v, _ in pairs], axis=1)
        return np.ldexp(values, exponents - np.max(exponents, axis=1, keepdims=True))

    def differentiate(self, x, values, xp=np):
        """Return a list of the derivatives of the polynomials whose values are given."""
        a, b = self.recurrence(len(values) - 1)
        slopes = [xp.zeros_like(x)]
        for n in range(len(values) - 1):
            step = values[n] + (x - float(a[n])) * slopes[n]
            if n:
                step = step - float(b[n - 1]) * slopes[n - 1]
            slopes.append(step / float(b[n]))
        return slopes

    def measure(self, size, rng):
        """Draw from the measure itself."""
        if self.name == "legendre":
            return rng.uniform(-1.0, 1.0, size)
        if self.name == "chebyshev":
            return np.cos(math.pi * rng.random(size))
        if self.name == "hermite":
            return rng.standard_normal(size)
        if self.name == "laguerre":
            return rng.standard_exponential(size)
        # y = (1 + x) / 2 is Beta(beta + 1, alpha + 1); near 1 as 1 - 2 (1 - y), which keeps its digits there.
        return 1.0 - 2.0 * rng.beta(self.alpha + 1.0, self.beta + 1.0, size)

    def induced(self, degrees, rng):
        """
        Draw ``x_i`` from ``p_n(x)² dμ(x)`` with ``n = degrees[i]``.

        Exact for Legendre (rejection) and Chebyshev; by the inverse distribution function, to rounding, for
        the others.
        """
        degrees = np.asarray(degrees)
        if self.name == "chebyshev":
            return _induced_chebyshev(degrees, rng)
        x = self.measure(len(degrees), rng)
        others = np.flatnonzero(degrees)
        if not len(others):
            return x
        if self.name == "legendre":
            x[others] = self._induced_legendre(degrees[others], rng)
        else:
            x[others] = _induced_inverse(self, degrees[others], rng.random(len(others)))
        return x

    def _induced_legendre(self, degrees, rng):
        """
        Rejection from the arcsine distribution, ``x = cos θ``.

        The ratio of densities ``p_n(x)² π sin(θ) / 2`` is at most 2 by Bernstein's inequality, so at least
        half of the proposals are accepted, whatever the degree.
        """
        coefficients = self.recurrence(int(degrees.max()))
        x = np.empty(len(degrees))
        left = np.arange(len(degrees))
        while len(left):
            theta = math.pi * rng.random(len(left))
            proposed = np.cos(theta)
            value = values_at_degrees(proposed, degrees[left], *coefficients)
            good = 4.0 * rng.random(len(left)) < math.pi * np.sin(theta) * value * value
            x[left[good]] = proposed[good]
            left = left[~good]
        return x


def as_family(name, value):
    """Return the `Family` that a string or ("jacobi", a, b) stands for."""
    if isinstance(value, Family):
        return value
    if isinstance(value, str) and value in NAMES:
        return Family(value)
    is_jacobi = isinstance(value, tuple | list) and len(value) == 3 and value[0] == "jacobi"
    if not is_jacobi:
        constraint = "one of " + ", ".join(map(repr, NAMES)) + " or ('jacobi', a, b)"
        raise ValueError(invalid(name, constraint, value))
    exponents = [check_number(f"{name}[{i}]", _plain(value[i]), -1.0, 1000.0, open_low=True) for i in (1, 2)]
    return Family("jacobi", *exponents)


def _plain(value):
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _induced_chebyshev(degrees, rng):
    """
    Draw from ``2 cos²(nθ)`` in ``θ``, without rejection.

    ``2 cos²(nθ) = 1 + cos(2nθ)``, and its mean with itself half a period further is 1: a uniform angle that
    is moved by half a period with probability ``sin²(nθ)`` has exactly that density.
    """
    theta = math.pi * rng.random(len(degrees))
    moved = rng.random(len(degrees)) < np.sin(degrees * theta) ** 2
    theta += np.where(moved, math.pi / (2.0 * np.maximum(degrees, 1)), 0.0)
    return np.cos(np.where(theta > math.pi, theta - math.pi, theta))


def _induced_inverse(family, degrees, uniform):
    """
    Invert the distribution functions of ``p_n² dμ``.

    On panels in an angle, where the oscillations are about equally long, the density is interpolated at Gauss
    nodes; its integral is then a polynomial on each panel, which Newton's method inverts inside a bracket.
    """
    top = int(degrees.max())
    x = np.empty(len(degrees))
    if top <= _CACHED_DEGREE:
        panels, integrals = _all_integrals(family, min(_CACHED_DEGREE, 8 * math.ceil(top / 8)))
    else:
        panels = _Panels.of(family, top)
        integrals = panels.integrals(top)
    for n, integral in enumerate(integrals):
        wanted = np.flatnonzero(degrees == n) if n <= top else ()
        if len(wanted):
            x[wanted] = panels.invert(integral(), uniform[wanted])
    return x


@functools.lru_cache(maxsize=64)
def _all_integrals(family, top):
    """Return panels, and the integrals of all degrees: at most 10 MB."""
    panels = _Panels.of(family, top)
    kept = [integral() for integral in panels.integrals(top)]
    return panels, [functools.partial(lambda found: found, found) for found in kept]


@dataclasses.dataclass(frozen=True)
class _Panels:
    """Panels in an angle from 0 to π, with nodes at which a density is interpolated."""

    family: Family
    edges: np.ndarray
    """Angles of the left edges, from 0; of those in the right half as distances from π."""
    widths: np.ndarray
    from_right: np.ndarray
    """Whether a panel is measured from π, so that angles next to both ends keep their digits."""
    x: np.ndarray
    log_density: np.ndarray
    """Logarithm of the measure's density in the angle, at the nodes."""
    reach: float
    """Where the infinite supports are cut off, beyond any mass."""

    @classmethod
    def of(cls, family, degree):
        reach = _reach(family, degree)
        count = 2 * degree + 24  # in each half
        edges = np.linspace(0.0, 0.5 * math.pi, count + 1)
        if family.name == "jacobi":
            # Powers of the angle that are not integers: panels that shrink towards both ends.
            ends = edges[1] * 0.25 ** np.arange(1, 20)[::-1]
            edges = np.concatenate([[0.0], ends, edges[1:]])
        left, width = edges[:-1], np.diff(edges)
        nodes = np.polynomial.legendre.leggauss(_NODES)[0]
        angles = left[:, None] + 0.5 * width[:, None] * (1.0 + nodes)
        half = [_measure(family, angles, reach, from_right=right) for right in (False, True)]
        # The right half in order of growing angle: panels and nodes reversed.
        (x_left, d_left), (x_right, d_right) = half
        return cls(
            family,
            np.concatenate([left, left[::-1]]),
            np.concatenate([width, width[::-1]]),
            np.arange(2 * len(left)) >= len(left),
            np.concatenate([x_left, x_right[::-1, ::-1]]),
            np.concatenate([d_left, d_right[::-1, ::-1]]),
            reach,
        )

    def integrals(self, top):
        """Yield for each degree up to top a function that integrates its density over the panels."""
        for value, exponent in self.family.scaled(self.x, top):
            yield functools.partial(self._integral, value, exponent)

    def _integral(self, value, exponent):
        """Return Legendre coefficients of a density by panel, its masses, and their sums from the left."""
        with np.errstate(divide="ignore", under="ignore"):
            density = np.exp(self.log_density + 2.0 * (np.log(np.abs(value)) + exponent * math.log(2.0)))
        coefficients = density @ _legendre_transform() * (0.5 * self.widths[:, None])
        if self.family.name == "jacobi":
            coefficients = self._power_ends(coefficients, density)
        masses = 2.0 * coefficients[:, 0]
        ends = np.cumsum(masses)
        if not abs(ends[-1] - 1.0) <= 1e-9:
            raise np.linalg.LinAlgError(
                f"the density of an induced {self.family.name} distribution integrates to {ends[-1]:.3g}: "
                "the exponents of the measure are too extreme for this degree."
            )
        return coefficients, masses, ends

    def invert(self, integral, uniform):
        """Return points at which the integral of a density reaches each of ``uniform``."""
        coefficients, masses, ends = integral
        target = uniform * ends[-1]
        panel = np.minimum(np.searchsorted(ends, target, side="right"), len(ends) - 1)
        missing = np.clip(target - (ends[panel] - masses[panel]), 0.0, masses[panel])
        local = solve_integrals(coefficients, panel, missing)
        share = 0.5 * (1.0 + local)
        right = self.from_right[panel]
        angle = self.edges[panel] + self.widths[panel] * np.where(right, 1.0 - share, share)
        if self.family.name == "jacobi":
            alpha, beta = self.family.alpha, self.family.beta
            with np.errstate(divide="ignore", invalid="ignore"):
                part = np.clip(missing / masses[panel], 0.0, 1.0)
            first, last = panel == 0, panel == len(ends) - 1
            angle = np.where(first, self.widths[0] * part ** (0.5 / (beta + 1.0)), angle)
            angle = np.where(last, self.widths[-1] * (1.0 - part) ** (0.5 / (alpha + 1.0)), angle)
        x = np.empty(len(uniform))
        for side in (False, True):
            x[right == side] = _points(self.family, angle[right == side], self.reach, from_right=side)
        return x

    def _power_ends(self, coefficients, density):
        """Return coefficients whose first and last panels hold the mass of a power of the angle."""
        coefficients = coefficients.copy()
        for panel, node, exponent in ((0, -1, self.family.beta), (-1, 0, self.family.alpha)):
            power = 2.0 * exponent + 1.0
            # At the node nearest to the smooth side: there the density is c angle^power, to rounding.
            nodes = 0.5 * (1.0 + np.polynomial.legendre.leggauss(_NODES)[0])
            # mass = c width^(power + 1) / (power + 1), in terms of the density so that no power underflows.
            mass = density[panel, node] * nodes[-1] ** -power * self.widths[panel] / (power + 1.0)
            coefficients[panel] = 0.0
            coefficients[panel, 0] = 0.5 * mass
        return coefficients


def _reach(family, degree):
    """Return a point beyond which ``p_n²`` times the density has no mass in float64, for n up to degree."""
    if family.name == "hermite":
        return math.sqrt(4.0 * degree + 2.0) + 9.0
    if family.name == "laguerre":
        return 4.0 * degree + 2.0 + 40.0 + 12.0 * degree ** (1.0 / 3.0) * 4.0
    return 1.0


def _points(family, angle, reach, *, from_right):
    """Return the points at angles, given from 0 or from π."""
    if family.name == "hermite":
        return (reach if from_right else -reach) * np.cos(angle)
    share = np.sin(0.5 * angle) ** 2
    if family.name == "laguerre":
        return reach * (1.0 - share) if from_right else reach * share
    return 1.0 - 2.0 * share if from_right else 2.0 * share - 1.0


def _measure(family, angle, reach, *, from_right):
    """Return points, and the logarithm of the density of the measure in the angle."""
    x = _points(family, angle, reach, from_right=from_right)
    sine, cosine = np.sin(0.5 * angle), np.cos(0.5 * angle)
    if family.name == "hermite":
        return x, -0.5 * x * x + np.log(reach / math.sqrt(2.0 * math.pi) * np.sin(angle))
    if family.name == "laguerre":
        return x, -x + np.log(reach * sine * cosine)
    near, far = (family.alpha, family.beta) if from_right else (family.beta, family.alpha)
    constant = math.lgamma(near + 1.0) + math.lgamma(far + 1.0) - math.lgamma(near + far + 2.0)
    return x, (2.0 * near + 1.0) * np.log(sine) + (2.0 * far + 1.0) * np.log(cosine) - constant


@functools.cache
def _legendre_transform():
    """Return the matrix that turns values at Gauss nodes into Legendre coefficients."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    degrees = np.arange(_NODES)
    return weights[:, None] * np.polynomial.legendre.legvander(nodes, _NODES - 1) * (degrees + 0.5)
