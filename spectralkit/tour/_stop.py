"""What a stop of the tour hands back."""

import dataclasses
import time


@dataclasses.dataclass(frozen=True)
class StopResult:
    """One row of the tour's table, with a picture and its sentence.

    A stop that compares several methods returns a list: the first entry has the picture, others need none.
    """

    method: str
    """The method, by the name that a user types."""
    problem: str
    """Problem and size, in a few words."""
    error: float
    """Error against an independent reference; the sentence says which."""
    seconds: float
    """Time of the method, compiled beforehand."""
    sentence: str = ""
    """What the picture shows, in one sentence."""
    figure: object = None
    """A ``matplotlib.figure.Figure``."""
    peer: str | None = None
    """The peer that solved the same problem, or None where none is installed."""
    peer_seconds: float | None = None
    """Time of the peer."""


@dataclasses.dataclass(frozen=True)
class Stop:
    """A function of a family's file that returns a StopResult."""

    family: str
    name: str
    function: object

    def visit(self):
        """Run the stop and return its results as a list."""
        results = self.function()
        return [results] if isinstance(results, StopResult) else list(results)

    @property
    def title(self):
        """The name as words."""
        return self.name.replace("_", " ")

    @property
    def filename(self):
        """Where the picture goes."""
        return f"{self.family}-{self.name}.png".replace("_", "-")


def timed(function, *arguments, **options):
    """Return what the function returns, and the seconds that it took."""
    start = time.perf_counter()
    result = function(*arguments, **options)
    return result, time.perf_counter() - start
