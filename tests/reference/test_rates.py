"""Rates: noted by hand, taken in from the European Central Bank's files, found by day; all faults of a file at once."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core import audit, reference
from finops_core.audit import AuditFilter
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.kernel.rates import convert, parse_rate
from finops_core.reference import RateSource, ecb
from tests.desks import area_desk, person_actor

CSV_DAY = b"Date, USD, JPY, CYP, GBP, \n20 November 2026, 1.0543, 163.20, 0.58, N/A, \n"
CSV_MANY = b"\xef\xbb\xbfDate,USD,JPY,\n2026-11-20,1.0543,163.20,\n2026-11-19,1.05,N/A,\n"
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<Cube><Cube time='2026-11-20'><Cube currency='USD' rate='1.0543'/><Cube currency='JPY' rate='163.20'/></Cube></Cube>
</gesmes:Envelope>"""


@pytest.fixture
def town(tmp_path, database_url):
    desk = area_desk(tmp_path, database_url)
    yield desk, person_actor("person_carla", desk.org())
    desk.units.database.close()


def today(town) -> date:
    desk, carla = town
    with desk.read(carla) as reading:
        return reference.today(reading)


def taken(town, content: bytes):
    desk, carla = town
    with desk.work(carla) as work:
        return reference.take_in_rates(work, content)


def refused(town, verb, *given) -> FinOpsError:
    desk, carla = town
    with pytest.raises(FinOpsError) as caught, desk.work(carla) as work:
        verb(work, *given)
    return caught.value


@pytest.mark.parametrize("content", [CSV_DAY, CSV_MANY, XML], ids=["csv of a day", "csv of many", "xml"])
def test_each_form_of_the_banks_files_is_read(content: bytes):
    found = {(each.currency, each.day.isoformat()): each.rate for each in ecb.read(content)}

    # CYP is no more, N/A was not fixed.
    assert found.pop(("USD", "2026-11-19"), "1.05") == "1.05"
    assert found == {("USD", "2026-11-20"): "1.0543", ("JPY", "2026-11-20"): "163.20"}


def test_a_file_is_taken_in_once_and_what_was_corrected_counts_from_then_on(town):
    desk, carla = town
    first, again = taken(town, CSV_MANY), taken(town, CSV_MANY)
    corrected = taken(town, CSV_MANY.replace(b"163.20", b"163.21"))

    assert (first.new, first.known) == (3, 0)
    assert (first.first_day, first.last_day) == (date(2026, 11, 19), date(2026, 11, 20))
    assert (again.new, again.known) == (0, 3)
    assert (corrected.new, corrected.known) == (1, 2)
    with desk.read(carla) as reading:
        shown = {each.quote: (each.rate, each.source, each.on_day.day) for each in reference.rates(reading)}
        before = {each.quote: each.rate for each in reference.rates(reading, date(2026, 11, 19))}
        assert reference.rate(reading, "USD", "JPY", date(2026, 11, 20)).value == Fraction("163.21") / Fraction(
            "1.0543"
        )
    assert shown == {"JPY": ("163.21", RateSource.ECB, 20), "USD": ("1.0543", RateSource.ECB, 20)}
    assert before == {"USD": "1.05"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin with"),
        (b"\xff\xfe\x00", "neither a CSV nor an XML"),
        (b"<a", "neither a CSV nor an XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "neither a CSV nor an XML"),
        (b"Currency,Rate\nUSD,1\n", "does not begin with"),
        (b"Date,USD\n", "There is no rate in it."),
        (b"Date,USD,JPY\n2026-11-20,1,5,x\n19.11.2026,1,2\n2026-11-18,-1,nan\n", "Row 3: “19.11.2026” is not a day."),
        (b"Date,USD\n" + b"2026-11-20,1\n" * (ecb.MOST + 1), "at most 20,000"),
        (b"Date,USD,USD\n2026-11-20,1.05,1.06\n", "USD has two rates for 2026-11-20: 1.05 and 1.06."),
        (b"Date,EUR\n2026-11-20,1\n", "There is no rate in it."),
    ],
)
def test_a_file_that_is_none_is_refused_with_everything_that_is_wrong(town, content: bytes, said: str):
    error = refused(town, reference.take_in_rates, content)

    assert error.code == "RATES_FILE_BAD"
    assert said in error.message
    if b"nan" in content:
        assert "Row 4, USD: '-1' is not a rate." in error.message
        assert "Row 4, JPY: 'nan' is not a rate." in error.message
    desk, carla = town
    with desk.read(carla) as reading:
        assert reference.rates(reading) == ()


def test_a_rate_is_noted_between_two_currencies_for_a_day_that_has_come(town):
    desk, carla = town
    day = today(town)
    with desk.work(carla) as work:
        rate_id = reference.note_rate(work, "USD", "EGP", " 47.85 ", day)

    with desk.read(carla) as reading:
        [noted] = reference.rates(reading)
        told = audit.records(reading, AuditFilter(verb="rate.noted"), limit=10).rows
    assert (noted.id, noted.currency, noted.quote, noted.rate) == (rate_id, "USD", "EGP", "47.85")
    assert (noted.source, noted.noted_by, noted.on_day) == (RateSource.MANUAL, "person_carla", day)
    assert [each.object for each in told] == [f"rate:{rate_id}"]
    for said, code in (
        (("USD", "USD", "1", day), "RATE_OF_ITSELF"),
        (("USD", "QQQ", "1", day), "CURRENCY_UNKNOWN"),
        (("USD", "EUR", "0", day), "RATE_BAD"),
        (("USD", "EUR", "1e3", day), "RATE_BAD"),
        (("USD", "EUR", "1", day + timedelta(days=1)), "RATE_AHEAD"),
    ):
        assert refused(town, reference.note_rate, *said).code == code
    assert refused(town, reference.take_in_rates, b"Date,USD\n2999-01-01,1\n").code == "RATE_AHEAD"
    assert refused(town, reference.rate, "USD", "EUR", day).code == "RATE_UNKNOWN"


@given(st.integers(-(10**9), 10**9), st.sampled_from(["USD", "JPY", "KWD"]), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_an_amount_is_rounded_once_half_to_even(minor: int, currency: str, other: str):
    rate = parse_rate("1.0543")
    found = convert(Money(minor, currency), rate, other)

    places = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
    exact = Fraction(minor, 10 ** places[currency]) * rate * 10 ** places[other]
    assert abs(found.minor - exact) <= Fraction(1, 2)
    assert convert(-Money(minor, currency), rate, other) == -found
    assert [convert(Money(each, "JPY"), parse_rate("0.5"), "JPY").minor for each in (1, 3, 5)] == [0, 2, 2]


@pytest.mark.parametrize("said", ["", "0", "-1", "1,2", "1e3", "nan", "0.0000000000001", "1" + "0" * 12, "٣"])
def test_what_is_no_rate_is_refused(said: str):
    with pytest.raises(FinOpsError) as caught:
        parse_rate(said)

    assert caught.value.code == "RATE_BAD"
