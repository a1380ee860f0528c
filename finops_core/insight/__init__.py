"""Read models for people who look; every figure is computed in one place and leads to its rows."""

from finops_core.insight.mine import MyWork, my_work
from finops_core.insight.procedures import Procedure, Version, procedure
from finops_core.insight.queries import Figure, Figures, Tone, home, money
from finops_core.insight.search import Found, search

__all__ = [
    "Figure",
    "Figures",
    "Found",
    "MyWork",
    "Procedure",
    "Tone",
    "Version",
    "home",
    "money",
    "my_work",
    "procedure",
    "search",
]
