"""Tables of organisations, number series and exchange rates."""

from typing import Any

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from finops_core.kernel.permissions import Permission
from finops_core.platform.tables import OrgRow, Retention, installation_table, instant, org_table, table_of


class Organisation(SQLModel, table=True):
    """A legal entity whose money is handled here; owner of every business row."""

    __tablename__ = "organisation"
    __table_args__ = installation_table()

    id: str = Field(primary_key=True)
    slug: str = Field(unique=True)
    name: str
    base_currency: str
    country: str
    zone: str
    locale: str
    business_calendar: str
    fiscal_calendar: str
    parent_id: str | None = Field(default=None, foreign_key="organisation.id")
    created_at: Any = instant()


class NumberSeries(OrgRow, table=True):
    """The next gapless number of a series in a year; ``id`` is ``EX-2026``."""

    __tablename__ = "number_series"
    __table_args__ = org_table()

    next_value: int


class ExchangeRate(OrgRow, table=True):
    """What one unit of ``currency`` cost in ``quote`` on a day (``rate_…``); of a day the rate noted last counts.

    Attributes:
        rate: a decimal, as the text it was given as.
        source: ``ecb``, or ``manual`` for one that somebody typed.
    """

    __tablename__ = "exchange_rate"
    __table_args__ = org_table(
        Index("ix_exchange_rate_day", "org_id", "currency", "quote", "on_day"),
        CheckConstraint("currency <> quote", name="two_currencies"),
        CheckConstraint("source IN ('ecb', 'manual')", name="source"),
        append_only=True,
        retention=Retention.RECORD,
        listed=("currency", "quote", "on_day", "rate", "source"),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    currency: str
    quote: str
    on_day: str
    rate: str
    source: str
    noted_by: str
    noted_at: Any = instant()


organisation, number_series = table_of(Organisation), table_of(NumberSeries)
exchange_rate = table_of(ExchangeRate)
