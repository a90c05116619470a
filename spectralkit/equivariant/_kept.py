"""Tables that are kept between calls."""

import functools

# Degree of the polynomials on a grid from which tables that grow as its fourth or fifth power are large.
LARGE = 32


def kept(make):
    """
    Return a function that makes tables, or takes them from the last calls.

    It has one more argument, the first, that says whether they are large: of those only the last are kept.
    """
    many, one = functools.lru_cache(maxsize=16)(make), functools.lru_cache(maxsize=1)(make)
    return lambda large, *arguments: (one if large else many)(*arguments)
