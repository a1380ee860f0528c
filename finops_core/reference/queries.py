"""Reads of organisations."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select

from finops_core.kernel.errors import NotFound
from finops_core.platform.work import Reading
from finops_core.reference.models import organisation as table


@dataclass(frozen=True, slots=True)
class OrganisationView:
    """An organisation as screens and verbs see it."""

    id: str
    slug: str
    name: str
    base_currency: str
    country: str
    zone: str
    locale: str


def organisation(reading: Reading, org_id: str = "") -> OrganisationView:
    """The reading's own organisation, or another one it spans; ``ORGANISATION_UNKNOWN`` otherwise."""
    wanted = org_id or reading.org_id
    row = reading.first(select(table).where(table.c.id == wanted)) if wanted in reading.orgs else None
    if row is None:
        raise NotFound("ORGANISATION_UNKNOWN", "There is no such organisation.", hint="Choose one from the menu.")
    return _view(row)


def zone(reading: Reading) -> ZoneInfo:
    """Where the reading's own organisation is: its business days begin there."""
    return ZoneInfo(organisation(reading).zone)


def today(reading: Reading) -> date:
    """The day it is there, as its pages show it."""
    return reading.now.astimezone(zone(reading)).date()


def organisations(reading: Reading) -> tuple[OrganisationView, ...]:
    """Every organisation this reading spans, by name."""
    rows = reading.rows(select(table).where(table.c.id.in_(sorted(reading.orgs))).order_by(table.c.name))
    return tuple(_view(row) for row in rows)


def all_ids(reading: Reading) -> tuple[str, ...]:
    """Every organisation of the installation; for the worker's rounds."""
    return tuple(row.id for row in reading.rows(select(table.c.id).order_by(table.c.id)))


def ids_by_slug(reading: Reading) -> dict[str, str]:
    """Slug -> id of every organisation of the installation; for set-up."""
    return {row.slug: row.id for row in reading.rows(select(table.c.slug, table.c.id))}


def _view(row: Row[tuple[object, ...]]) -> OrganisationView:
    return OrganisationView(row.id, row.slug, row.name, row.base_currency, row.country, row.zone, row.locale)
