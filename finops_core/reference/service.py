"""Verbs on organisations and number series."""

from zoneinfo import available_timezones

from sqlalchemy import insert, select, update

from finops_core.kernel.business_days import add_business_days
from finops_core.kernel.currencies import exponent
from finops_core.kernel.errors import Invalid
from finops_core.kernel.ids import new_id
from finops_core.platform.inserts import insert_missing
from finops_core.platform.work import Work
from finops_core.reference.models import number_series, organisation


def add_organisation(
    work: Work, *, slug: str, name: str, base_currency: str, country: str, zone: str, locale: str
) -> str:
    """A new organisation's id. Only set-up and seeding call this, as the installation itself.

    ``CURRENCY_UNKNOWN``, ``CALENDAR_UNKNOWN``, ``ZONE_UNKNOWN``: they must fail here, not on a page.
    """
    exponent(base_currency)
    add_business_days(work.now.date(), 1, country)
    if zone not in available_timezones():
        raise Invalid("ZONE_UNKNOWN", f"There is no time zone {zone[:60]}.", hint="Write it like Europe/Berlin.")
    org_id = new_id("org")
    work.execute(
        insert(organisation).values(
            id=org_id,
            slug=slug,
            name=name,
            base_currency=base_currency,
            country=country,
            zone=zone,
            locale=locale,
            business_calendar=country,
            fiscal_calendar="calendar-month",
            parent_id=None,
            created_at=work.now,
        )
    )
    return org_id


def next_number(work: Work, series: str) -> str:
    """The next number of a series without gaps, per organisation and year: ``EX-2026-0001``.

    Gapless because the counter moves in the unit that uses the number: a rolled back unit gives it back. Writers of
    one organisation's series therefore queue behind each other.
    """
    key = f"{series}-{work.now.year}"
    mine = (number_series.c.org_id == work.org_id, number_series.c.id == key)
    value = work.scalar(select(number_series.c.next_value).where(*mine).with_for_update())
    if value is None:
        # Two first ones at once: the second waits here for the first, and counts on from it.
        insert_missing(work, number_series, [{"org_id": work.org_id, "id": key, "next_value": 1}])
        value = work.scalar(select(number_series.c.next_value).where(*mine).with_for_update())
    work.execute(update(number_series).where(*mine).values(next_value=value + 1))
    return f"{key}-{value:04d}"
