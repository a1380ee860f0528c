"""Organisations, the numbers auditors expect without gaps, and stored exchange rates."""

from finops_core.reference.exchanges import (
    VALID,
    RateSource,
    RatesTaken,
    RateUsed,
    RateView,
    note_rate,
    rate,
    rates,
    rates_to,
    take_in_rates,
)
from finops_core.reference.queries import (
    OrganisationView,
    all_ids,
    ids_by_slug,
    organisation,
    organisations,
    today,
    zone,
)
from finops_core.reference.service import add_organisation, next_number

__all__ = [
    "VALID",
    "OrganisationView",
    "RateSource",
    "RateUsed",
    "RateView",
    "RatesTaken",
    "add_organisation",
    "all_ids",
    "ids_by_slug",
    "next_number",
    "note_rate",
    "organisation",
    "organisations",
    "rate",
    "rates",
    "rates_to",
    "take_in_rates",
    "today",
    "zone",
]
