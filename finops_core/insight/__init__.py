"""Read models for people who look; every figure is computed in one place and leads to its rows."""

from finops_core.insight.departure import Departure, departure
from finops_core.insight.mine import MyWork, my_work
from finops_core.insight.procedures import Procedure, Version, procedure
from finops_core.insight.queries import Figure, Figures, Tone, home, money
from finops_core.insight.record import (
    Pack,
    Taken,
    gather_record,
    gather_record_page,
    record_taken,
    records_taken,
    take_record,
    take_record_page,
)
from finops_core.insight.search import Found, search
from finops_core.insight.tables import COUNTED, TableRows, TableView, table_rows, tables

__all__ = [
    "COUNTED",
    "Departure",
    "Figure",
    "Figures",
    "Found",
    "MyWork",
    "Pack",
    "Procedure",
    "TableRows",
    "TableView",
    "Taken",
    "Tone",
    "Version",
    "departure",
    "gather_record",
    "gather_record_page",
    "home",
    "money",
    "my_work",
    "procedure",
    "record_taken",
    "records_taken",
    "search",
    "table_rows",
    "tables",
    "take_record",
    "take_record_page",
]
