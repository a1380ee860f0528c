"""Which addresses may be entered, how much of one is shown, and when an endpoint is given up."""

from datetime import UTC, datetime, timedelta

import pytest

from finops_core.kernel.errors import Invalid
from finops_core.notifications import Channel, Kind, forwarded_titles
from finops_core.notifications.addresses import (
    FORWARDED,
    OFF_AFTER,
    checked_kinds,
    checked_url,
    cleaned,
    has_passed,
    rest_s,
    shown_url,
    why_given_up,
)

NOWHERE: frozenset[str] = frozenset()
SLACK = "https://hooks.slack.com/services/T024/B013/aSecretOf24LettersOfSlack"


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/",
        "https://hooks.example.com:8443/in?key=1",
        "https://HOOKS.example.com",
        "https://93.184.216.34/in",
        "https://[2606:4700:4700::1111]/in",
        "https://xn--bcher-kva.example/in",
    ],
)
def test_a_public_https_address_may_be_entered(url: str):
    assert checked_url(Channel.WEBHOOK, f" {url} ", NOWHERE) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https:///x",
        "https://hooks.example.com:22/",
        "https://hooks.example.com:80/",
        "https://hooks.example.com:99999/",
        "https://user@hooks.example.com/",
        "https://user:secret@hooks.example.com/",
        "https://@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\nHost: x",
        "https://bücher.example/",
        "https://localhost/",
        "https://localhost./",
        "https://desk.localhost/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://intranet/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://017700000001/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://224.0.0.1/",
        "https://[::1/",
        "https://hooks.example.com/" + "x" * 1000,
    ],
)
def test_any_other_is_refused_and_not_repeated(url: str):
    with pytest.raises(Invalid) as refused:
        checked_url(Channel.WEBHOOK, url, NOWHERE)

    assert refused.value.code == "ENDPOINT_URL_BAD"
    assert not url or url not in f"{refused.value} {refused.value.context}"


def test_a_host_that_the_settings_name_may_be_inside_by_http_and_at_any_port():
    inside = frozenset({"erp.lan", "10.0.3.7"})

    for url in ("http://erp.lan:8080/in", "https://10.0.3.7/", "http://ERP.lan/"):
        assert checked_url(Channel.WEBHOOK, url, inside) == url
    for url in ("http://erp.lan.example.com/", "https://10.0.3.8/", "ftp://erp.lan/", "http://x@erp.lan/"):
        with pytest.raises(Invalid):
            checked_url(Channel.WEBHOOK, url, inside)


def test_for_slack_only_its_own_hosts_may_be_entered():
    assert checked_url(Channel.SLACK, SLACK, NOWHERE) == SLACK
    for url in ("https://hooks.slack.com.example.org/x", "https://slack.com/x", "https://hooks.example.com/services/x"):
        with pytest.raises(Invalid, match="for anything else choose a webhook"):
            checked_url(Channel.SLACK, url, NOWHERE)


def test_of_an_address_what_may_be_a_secret_is_not_shown():
    assert shown_url("https://hooks.example.com:8443/tieout/in") == "https://hooks.example.com:8443/tieout/in"
    assert shown_url(SLACK) == "https://hooks.slack.com/services/T024/B013/…lack"
    assert shown_url("https://hooks.example.com/in?key=secret") == "https://hooks.example.com/in?…"


def test_what_is_kept_of_an_answer_repeats_neither_the_address_nor_a_secret_nor_an_account():
    url = "https://hooks.example.com/in/aSecretOfTheAddress?key=anotherLongSecret"
    said = f"no {url}\r\n aSecretOfTheAddress anotherLongSecret whsec_aSecretOfOurs0123 DE89370400440532013000\x00"

    told = cleaned(said, url)

    assert told == "no … … … … •••• 3000"
    assert len(cleaned("x " * 5000, url)) <= 200


def test_only_what_is_about_a_persons_own_account_is_not_forwarded():
    assert set(Kind) - set(FORWARDED) == {Kind.SECOND_FACTOR_RESET, Kind.ACCOUNT_CHANGED}
    assert set(forwarded_titles()) == set(FORWARDED)
    assert [title for title in forwarded_titles().values() if "my" in title.lower().split()] == []
    for kinds in ([], ["second_factor.reset"], ["payout.returned", "no.such"]):
        with pytest.raises(Invalid):
            checked_kinds(kinds)


def test_only_2xx_is_a_success():
    assert [status for status in (0, 101, 199, 200, 204, 299, 300, 302, 304, 400, 410, 500) if has_passed(status)] == [
        200,
        204,
        299,
    ]


def test_one_that_fails_rests_for_five_minutes_at_most_and_is_given_up_after_five_days_or_when_it_is_gone():
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)

    assert [rest_s(failures) for failures in (1, 2, 3, 8, 1000)] == [5, 300, 300, 300, 300]
    assert why_given_up(500, now - OFF_AFTER + timedelta(seconds=1), now) == ""
    assert "5 days" in why_given_up(500, now - OFF_AFTER, now)
    assert "410" in why_given_up(410, now, now)
