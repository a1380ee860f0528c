"""Which version counts at an instant, and what a check of an identity must say. Pure."""

from datetime import UTC, date, datetime, timedelta

import pytest

from finops_core.kernel.errors import Invalid
from finops_core.parties import rules
from finops_core.parties.rules import IdentityCheck, IdentityStatus, Stored, Version

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
TODAY = NOW.date()
HOUR = timedelta(hours=1)


def states(*versions: Version, at: datetime = NOW) -> list[str]:
    counts = rules.counting(versions, at)
    return [rules.state_of(each, counts, at).value for each in versions]


def approved(number: int, ahead: timedelta) -> Version:
    return Version(number, Stored.APPROVED, NOW + ahead)


def test_a_version_counts_from_its_instant_on():
    first = approved(1, HOUR)

    assert states(first) == ["cooling_off"]
    assert states(first, at=NOW + HOUR) == ["current"]
    assert rules.counting([], NOW) == 0


def test_the_highest_of_those_whose_time_has_come_counts_however_long_each_cooled_off():
    # The time of cooling off was shortened between the two.
    slow, quick = approved(1, 5 * HOUR), approved(2, HOUR)

    assert states(slow, quick, at=NOW + HOUR) == ["cooling_off", "current"]
    assert states(slow, quick, at=NOW + 5 * HOUR) == ["replaced", "current"]


@pytest.mark.parametrize("ended", [Stored.WAITING, Stored.REJECTED, Stored.EXPIRED, Stored.WITHDRAWN])
def test_what_was_not_approved_never_counts(ended: Stored):
    other = Version(2, ended, NOW - HOUR if ended is Stored.WITHDRAWN else None)

    assert states(approved(1, -HOUR), other) == ["current", ended.value]


GOOD = IdentityCheck(IdentityStatus.VERIFIED, evidence="passport seen", expires_on=TODAY)
BAD = {
    "Say what was looked at": IdentityCheck(IdentityStatus.VERIFIED, evidence=" ", expires_on=TODAY),
    "must be checked anew": IdentityCheck(IdentityStatus.VERIFIED, evidence="x"),
    "between today": IdentityCheck(IdentityStatus.VERIFIED, evidence="x", expires_on=TODAY - timedelta(days=1)),
    "ten years": IdentityCheck(IdentityStatus.VERIFIED, evidence="x", expires_on=date(2099, 1, 1)),
    "why it failed": IdentityCheck(IdentityStatus.FAILED, evidence="x"),
    "has no last day": IdentityCheck(IdentityStatus.FAILED, evidence="x", reason="y", expires_on=TODAY),
    "at most 300": IdentityCheck(IdentityStatus.VERIFIED, evidence="x" * 301, expires_on=TODAY),
    "at most 500": IdentityCheck(IdentityStatus.VERIFIED, evidence="x", expires_on=TODAY, reason="y" * 501),
}


@pytest.mark.parametrize("said", BAD)
def test_a_check_says_what_was_seen_and_how_long_it_holds(said: str):
    rules.check_identity_note(GOOD, TODAY)
    with pytest.raises(Invalid) as caught:
        rules.check_identity_note(BAD[said], TODAY)

    assert caught.value.code == "IDENTITY_BAD"
    assert said in caught.value.message


def test_everything_wrong_with_a_check_is_said_at_once():
    with pytest.raises(Invalid) as caught:
        rules.check_identity_note(IdentityCheck(IdentityStatus.FAILED, expires_on=TODAY), TODAY)

    assert [part for part in ("looked at", "why it failed", "no last day") if part not in caught.value.message] == []


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 141])
def test_what_is_no_name_is_refused(name: str):
    with pytest.raises(Invalid) as caught:
        rules.checked_name(name)

    assert caught.value.code == "PARTY_NAME_BAD"
