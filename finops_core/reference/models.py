"""Tables of organisations and number series."""

from typing import Any

from sqlmodel import Field, SQLModel

from finops_core.platform.tables import OrgRow, installation_table, instant, org_table, table_of


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


organisation, number_series = table_of(Organisation), table_of(NumberSeries)
