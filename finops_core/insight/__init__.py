"""Read models for people who look; every figure is computed in one place and leads to its rows."""

from finops_core.insight.departure import Departure, departure
from finops_core.insight.queries import Figure, Figures, Tone, home, money
from finops_core.insight.record import Pack, take_record, take_record_page

__all__ = [
    "Departure",
    "Figure",
    "Figures",
    "Pack",
    "Tone",
    "departure",
    "home",
    "money",
    "take_record",
    "take_record_page",
]
