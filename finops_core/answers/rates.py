"""Exchange rates as programs see them, and what they can ask of them; no rule lives here."""

from datetime import date, datetime

from pydantic import Field

from finops_core import reference
from finops_core.answers.common import Answer
from finops_core.platform.work import Reading, Work


class RateAnswer(Answer):
    """What one unit of a currency cost in another on a day."""

    id: str = Field(examples=["rate_0199b1c2d3e4"])
    currency: str = Field(examples=["EUR"])
    quote: str = Field(examples=["USD"])
    on_day: date
    rate: str = Field(examples=["1.0543"])
    source: str = Field(examples=["ecb"])
    noted_by: str
    noted_at: datetime


class RatesAnswer(Answer):
    """The newest rate of each pair of currencies."""

    items: list[RateAnswer]


class RatesTakenAnswer(Answer):
    """What a file of rates held."""

    new: int
    known: int = Field(description="They stood already.")
    first_day: date
    last_day: date


def rates(reading: Reading, day: date | None) -> RatesAnswer:
    """The newest rates, now or at the end of a day."""
    return RatesAnswer(items=[RateAnswer.of(each) for each in reference.rates(reading, day)])


def note(work: Work, currency: str, quote: str, rate: str, day: date | None) -> RatesAnswer:
    """Note a rate, for today without a day; and the rates as they are then."""
    on = day or reference.today(work)
    reference.note_rate(work, currency, quote, rate, on)
    return rates(work, on)


def take_in(work: Work, content: bytes) -> RatesTakenAnswer:
    """Take in a file of the European Central Bank's."""
    return RatesTakenAnswer.of(reference.take_in_rates(work, content))
