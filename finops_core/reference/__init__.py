"""Organisations and the numbers auditors expect without gaps."""

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
    "OrganisationView",
    "add_organisation",
    "all_ids",
    "ids_by_slug",
    "next_number",
    "organisation",
    "organisations",
    "today",
    "zone",
]
