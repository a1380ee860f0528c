"""Read models for people who look; every figure is computed in one place and leads to its rows."""

from finops_core.insight.departure import Departure, departure
from finops_core.insight.queries import Figure, Figures, Tone, home, money

__all__ = ["Departure", "Figure", "Figures", "Tone", "departure", "home", "money"]
