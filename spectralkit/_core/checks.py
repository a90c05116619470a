"""The argument checks that every public function shares, and the form of their messages."""

import math
import numbers
import warnings


def invalid(name, constraint, value, remedy=""):
    """Compose the message of every error about an argument."""
    described = isinstance(value, str) and " " in value  # in words: no quotes
    shown = value if described else repr(value)
    return f"{name} must be {constraint}; got {shown}." + (f" {remedy}" if remedy else "")


def check_option(name, value, options):
    """Raise ValueError unless ``value`` is one of the strings ``options``."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(invalid(name, "one of " + ", ".join(map(repr, options)), value))


def check_flag(name, value):
    """Return ``value`` as a bool: it must be True or False, Python's or NumPy's."""
    if type(value).__name__ not in ("bool", "bool_"):
        raise TypeError(invalid(name, "True or False", value))
    return bool(value)


def check_integer(name, value, low, high=None, remedy=""):
    """Return ``value`` as an int inside [low, high]."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(invalid(name, "an integer", value, remedy))
    if value < low or (high is not None and value > high):
        bounds = f"an integer of at least {low}" if high is None else f"an integer between {low} and {high}"
        raise ValueError(invalid(name, bounds, value, remedy))
    return int(value)


def check_number(name, value, low=-math.inf, high=math.inf, *, open_low=False, open_high=False, remedy=""):
    """Return ``value`` as a finite float inside the interval."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(invalid(name, "a number", value, remedy))
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    below = value <= low if open_low else value < low
    above = value >= high if open_high else value > high
    if not math.isfinite(value) or below or above:
        interval = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
        raise ValueError(invalid(name, f"a finite number in {interval}", value, remedy))
    return value


def warn_not_converged(what, figure, tol, remedy, *, depth=0):
    """Emit the one ConvergenceWarning of a call: the figure reached, the tolerance, what to change.

    It points to the caller of its caller, or ``depth`` calls further out.
    """
    # Imported here because scikit-learn costs ten times NumPy's import and few calls end up here.
    from sklearn.exceptions import ConvergenceWarning

    warnings.warn(
        f"{what} did not converge: reached {figure:.3g}, tolerance {tol:.3g}. {remedy}",
        ConvergenceWarning,
        stacklevel=3 + depth,
    )
