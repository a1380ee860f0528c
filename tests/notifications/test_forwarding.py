"""What is forwarded: after the commit, signed, at least once and under one id; what is not taken waits its turn."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from finops_core import audit, notifications
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.errors import Conflict, FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.notifications import DISPATCH_JOB, DispatchState, EndpointState, dispatches, try_endpoint
from finops_core.notifications.rules import PAUSES_S
from finops_core.platform import queue
from finops_core.platform.ports import PostAnswer
from tests.desks import AreaDesk, person_actor
from tests.listener import Posted, endless, listening, raw, said, silent
from tests.notifications.outpost import DONE, RETURNED, Outpost


def verified(got: Posted, secret: str) -> dict[str, object]:
    return dict(Webhook(secret).verify(got.body, got.headers))


# --- what leaves --------------------------------------------------------------------------------------------------


def test_a_notice_is_posted_signed_with_the_way_to_its_matter(outpost: Outpost):
    # When somebody is told of something that an endpoint wants
    made = outpost.add()
    outpost.tell(
        body="The bank returned it to DE89 3704 0044 0532 0130 00.", page="executions", query={"execution": "EX-1"}
    )
    assert outpost.listener.got == [], "nothing leaves before the worker's turn"
    outpost.round()

    # Then it has come, and its signature is right
    (got,) = outpost.listener.got
    told = verified(got, made.secret)
    assert told["type"] == RETURNED
    assert datetime.fromisoformat(str(told["timestamp"])) <= outpost.area.clock.now()
    assert told["data"] == {
        "organisation": {"id": outpost.org, "slug": "harbour"},
        "ids": {"execution": "EX-1"},
        "page": "executions",
        "title": "100.00 USD came back",
        "text": "The bank returned it to •••• 3000.",
        "link": "https://tieout.example/executions?execution=EX-1&org=harbour",
    }
    assert got.headers["content-type"] == "application/json"

    # and the log says so
    one = outpost.one()
    assert (one.id, one.state, one.attempts) == (got.id, DispatchState.SENT, 1)
    assert [(each.status, each.words) for each in one.tries] == [(200, "ok")]
    assert outpost.seen(made).passed_at == outpost.area.clock.now()


def test_a_changed_body_or_another_secret_does_not_verify(outpost: Outpost):
    made = outpost.add()
    outpost.tell()
    outpost.round()
    (got,) = outpost.listener.got

    for wrong, secret in ((replace(got, body=got.body + b" "), made.secret), (got, "whsec_" + "A" * 32)):
        with pytest.raises(WebhookVerificationError):
            verified(wrong, secret)


def test_a_unit_that_is_undone_forwards_nothing(outpost: Outpost):
    outpost.add()

    def tell_and_break() -> None:
        with outpost.area.work(worker_actor(outpost.org)) as work:
            notifications.notify(work, [outpost.people["adam"]], RETURNED, once="1", title="undone")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tell_and_break()
    outpost.round()

    assert outpost.log() == []
    assert outpost.listener.got == []


def test_the_same_news_goes_once_to_each_endpoint_that_wants_its_kind(outpost: Outpost):
    # Given two endpoints for one kind, and one for another
    outpost.person("ana", outpost.org)
    outpost.add("/one")
    outpost.add("/two")
    outpost.add("/three", DONE)
    # When two people are told at different times, and one of them again
    outpost.tell("1", RETURNED, "", "adam")
    outpost.tell("1", RETURNED, "", "ana")
    outpost.round()
    outpost.tell("1", RETURNED, "", "adam", "ana")
    outpost.round()
    # Then each that wants it has it once, under an id of its own
    assert sorted(each.path for each in outpost.listener.got) == ["/one", "/two"]
    assert len(set(outpost.listener.ids)) == 2


def test_news_that_nobody_must_know_or_wants_here_is_forwarded_all_the_same(outpost: Outpost):
    outpost.add("/hook", RETURNED, DONE)
    with outpost.area.work(outpost.adam) as work:
        notifications.choose(work, {DONE: "off"}, None)
    with outpost.area.work(worker_actor(outpost.org)) as work:
        notifications.notify(work, [], RETURNED, once="nobody", title="For nobody")
    outpost.tell("done", DONE, title="Done")
    outpost.round()

    assert outpost.bodies() == ["For nobody", "Done"]
    assert outpost.notices() == []


def test_an_endpoint_hears_nothing_of_before_it_was_there_though_it_is_told_again(outpost: Outpost):
    outpost.tell()
    outpost.add()
    outpost.tell()
    outpost.round()

    assert outpost.log() == []


def test_news_of_another_organisation_never_goes_there(outpost: Outpost):
    # Given two organisations that forward to the same server
    outpost.add("/harbour")
    other = outpost.area.org("norrland")
    outpost.person("nils", other)
    outpost.add("/norrland", actor=person_actor(outpost.people["nils"], other))
    # When each has news of its own
    outpost.tell("h", RETURNED, outpost.org, title="Harbour's")
    outpost.tell("n", RETURNED, other, "nils", title="Norrland's")
    outpost.round()
    # Then each got its own
    told = {
        each.path: (each.told["data"]["title"], each.told["data"]["organisation"]["id"])
        for each in outpost.listener.got
    }
    assert told == {"/harbour": ("Harbour's", outpost.org), "/norrland": ("Norrland's", other)}
    assert len(outpost.log(actor=person_actor(outpost.people["nils"], other))) == 1


def test_slack_gets_a_text_in_which_nothing_is_a_link_or_a_call_but_ours(outpost: Outpost):
    outpost.add("/services/T0/B0/aSecretOfSlack24Letters", channel="slack")
    outpost.tell(title="<!channel> & co", body="See <https://evil.example|here>", page="payouts", query={"payout": "x"})
    outpost.round()

    (got,) = outpost.listener.got
    text = json.loads(got.body)["text"]
    assert text == (
        "*[Harbour] &lt;!channel&gt; &amp; co*\nSee &lt;https://evil.example|here&gt;\n"
        "<https://tieout.example/payouts?payout=x&amp;org=harbour|Open it>"
    )
    assert [name for name in got.headers if name.startswith("webhook")] == []


# --- what is not taken --------------------------------------------------------------------------------------------


def test_what_is_not_taken_is_tried_on_schedule_with_the_same_id_and_body_and_then_has_failed(outpost: Outpost):
    # Given a server that refuses
    made = outpost.add()
    outpost.listener.always = said(500, "no")
    outpost.tell()
    outpost.round()
    # Then it is tried after each pause, not before
    for number, pause_s in enumerate(PAUSES_S, start=1):
        one = outpost.one()
        assert (one.state, one.attempts, one.tries[-1].status) == (DispatchState.QUEUED, number, 500)
        assert one.next_at is not None
        assert (one.next_at - outpost.area.clock.now()).total_seconds() == pause_s
        outpost.later(pause_s - 1)
        outpost.round()
        assert outpost.one().attempts == number
        outpost.later(1)
        outpost.round()
    # until it has failed, which its administrators learn
    one = outpost.one()
    assert (one.state, one.attempts, len(one.tries)) == (DispatchState.FAILED, 8, 8)
    assert outpost.notices() == ["A notice could not be forwarded to Ledger", "100.00 USD came back"]
    # and each try was the same, but for its time and signature
    assert {(each.id, each.body) for each in outpost.listener.got} == {(one.id, outpost.listener.got[0].body)}
    assert len({each.headers["webhook-timestamp"] for each in outpost.listener.got}) == 8
    assert len({each.headers["webhook-signature"] for each in outpost.listener.got}) == 8
    assert outpost.seen(made).state is EndpointState.ACTIVE
    with outpost.area.read(outpost.adam) as reading:
        assert [each.verb for each in audit.trail(reading, f"dispatch:{one.id}")] == ["dispatch.failed"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (said(302, "", "Location: https://example.org/"), 302),
        (said(304), 304),
        (said(404, "none"), 404),
        (said(429, "slow down"), 429),
        (said(503), 503),
        (raw(b""), 0),
        (raw(b"HTTP/1.1 2"), 0),
    ],
)
def test_whatever_is_no_success_is_tried_again(outpost: Outpost, answer, status: int):
    outpost.add()
    outpost.listener.answers = [answer]
    outpost.tell()
    outpost.round()
    assert (outpost.one().state, outpost.one().tries[0].status) == (DispatchState.QUEUED, status)

    outpost.later(PAUSES_S[0])
    outpost.round()

    assert outpost.one().state is DispatchState.SENT
    assert len(set(outpost.listener.ids)) == 1


def test_a_slow_server_is_not_waited_for_and_keeps_no_other_endpoint_waiting(outpost: Outpost):
    # Given one endpoint that never answers, and another one that does
    post = replace(outpost.area.units.ports.post, timeout_s=0.5)  # type: ignore[type-var]
    units = replace(outpost.area.units, ports=replace(outpost.area.units.ports, post=post))
    with listening() as slow:
        slow.always = silent(5)
        quick = outpost.listener
        outpost.listener = slow
        dead = outpost.add("/slow")
        outpost.listener = quick
        outpost.add("/quick")
        for number in range(3):
            outpost.tell(str(number))
        claim = outpost.claimed()
        assert claim is not None
        # When one round goes
        notifications.forward(units, claim)
    # Then the slow one was called once, and the other one has everything
    assert len(slow.got) == 1
    assert len(quick.got) == 3
    (first, *others) = outpost.log(dead.endpoint_id)
    assert (first.attempts, first.tries[0].words) == (1, "No answer came in time.")
    assert [each.attempts for each in others] == [0, 0]


def test_one_that_is_down_is_called_once_in_a_while_and_everything_arrives_when_it_is_back(outpost: Outpost):
    made = outpost.add()
    outpost.listener.always = said(503)
    for number in range(10):
        outpost.tell(str(number))
    outpost.round()
    assert sum(each.attempts for each in outpost.log()) == 1
    outpost.later(4)
    outpost.round()
    assert len(outpost.listener.got) == 1, "it is left alone"

    outpost.listener.always = said(204)
    outpost.later(1)
    outpost.round()

    assert {each.state for each in outpost.log()} == {DispatchState.SENT}
    assert outpost.seen(made).failing_since_at is None


def test_gone_switches_an_endpoint_off_and_its_administrators_are_told(outpost: Outpost):
    # Given something that waits, and a server that says it is gone
    made = outpost.add()
    outpost.listener.always = said(410)
    outpost.tell("1")
    outpost.tell("2")
    outpost.round()
    # Then nothing is called any more, and nothing is kept for it
    outpost.tell("3")
    outpost.later(86400)
    outpost.round()
    assert len(outpost.listener.got) == 1
    seen = outpost.seen(made)
    assert (seen.state, seen.why_off) == (EndpointState.OFF, "It answered 410: it is gone for good.")
    assert [each.state for each in outpost.log()] == [DispatchState.FAILED] * 2
    assert "Nothing is forwarded to Ledger any more" in outpost.notices()
    with pytest.raises(Conflict, match="Switch it on again"), outpost.area.work(outpost.adam) as work:
        notifications.dispatch_again(work, outpost.log()[0].id)
    # until it is switched on again
    outpost.listener.always = said(200)
    with outpost.area.work(outpost.adam) as work:
        notifications.resume_endpoint(work, made.endpoint_id)
        notifications.dispatch_again(work, outpost.log()[0].id)
    outpost.tell("4")
    outpost.round()
    assert [each.state for each in outpost.log()] == [DispatchState.SENT, DispatchState.FAILED, DispatchState.SENT]
    assert outpost.listener.ids[1] == outpost.listener.ids[0], "sent again under its id"
    assert outpost.trail(f"endpoint:{made.endpoint_id}") == ["added", "given_up", "resumed"]


def test_five_days_of_failures_switch_an_endpoint_off_and_one_success_begins_anew(outpost: Outpost):
    made = outpost.add()
    outpost.listener.always = said(500)

    def fail_for(days: int) -> None:
        for day in range(days):
            outpost.tell(f"{outpost.area.clock.now()} {day}")
            outpost.round()
            outpost.later(86400)

    fail_for(5)
    assert outpost.seen(made).state is EndpointState.ACTIVE
    outpost.listener.always = said(200)
    outpost.round()
    outpost.listener.always = said(500)
    fail_for(5)
    assert outpost.seen(made).state is EndpointState.ACTIVE
    fail_for(1)

    assert outpost.seen(made).state is EndpointState.OFF
    assert "It has failed for 5 days." in outpost.seen(made).why_off
    assert outpost.notices()[0] == "Nothing is forwarded to Ledger any more"


def test_a_huge_answer_is_a_success_all_the_same(outpost: Outpost):
    outpost.add()
    outpost.listener.always = endless(b"x" * 65536, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", pause_s=0)
    outpost.tell()
    outpost.round()

    assert outpost.one().state is DispatchState.SENT
    assert len(outpost.one().tries[0].words) <= 200


def test_an_address_inside_the_network_is_not_called_and_the_log_says_why(area: AreaDesk):
    # Given an endpoint that was entered while the settings still allowed its host
    with listening() as listener:
        outpost = Outpost(area, listener)
        outpost.move_in()
        allowed = area.units.ports.settings.model_copy(update={"forwarding_inside": "127.0.0.1"})
        units = replace(area.units, ports=replace(area.units.ports, settings=allowed))
        replace(outpost, area=replace(area, units=units)).add()
        # When there is news for it
        outpost.tell()
        outpost.round()
        # Then nobody was called
        assert listener.lines == 0
    one = outpost.one()
    assert (one.state, one.tries[0].status) == (DispatchState.QUEUED, 0)
    assert one.tries[0].words == "Nothing was sent: the address is not one of the open internet."


# --- who dies, and who comes at the same time ---------------------------------------------------------------------


def test_who_dies_between_the_answer_and_its_record_sends_the_same_again(outpost: Outpost):
    # Given a worker that took a notice, had it accepted, and died
    made = outpost.add()
    outpost.tell()
    claim = outpost.claimed(lease_s=0.05)
    assert claim is not None
    with outpost.area.work(worker_actor(outpost.org)) as work:
        carried = dispatches.take(work, claim, made.endpoint_id)
    assert carried is not None
    assert outpost.area.units.ports.post is not None
    assert outpost.area.units.ports.post(carried.posting).status == 200
    # When another one takes its job over
    while (taken_over := outpost.claimed("another")) is None:
        pass
    outpost.later(2)
    outpost.carry(taken_over)
    # Then it has come twice under one id, each with a good signature
    first, second = outpost.listener.got
    assert first.id == second.id
    assert verified(first, made.secret) == verified(second, made.secret)
    # and the dead one, should it wake up, changes nothing any more
    with outpost.area.work(worker_actor(outpost.org)) as work:
        dispatches.keep(work, claim, carried, PostAnswer(500, "late"), 5, passed=False)
    assert outpost.one().state is DispatchState.SENT
    assert [each.status for each in outpost.one().tries] == [200]


def test_two_workers_share_what_is_forwarded_and_nothing_goes_twice(outpost: Outpost):
    made = outpost.add()
    for number in range(6):
        outpost.tell(str(number))
    with outpost.area.work(worker_actor("")) as work:
        queue.enqueue(work, DISPATCH_JOB, {}, key="a second one")
    first, second = outpost.claimed("first"), outpost.claimed("second")
    assert first is not None
    assert second is not None

    with outpost.area.work(worker_actor(outpost.org)) as work:
        carried = dispatches.take(work, first, made.endpoint_id)
    outpost.carry(second)

    assert carried is not None
    assert len(outpost.listener.got) == 5
    assert carried.id not in outpost.listener.ids


def test_a_worker_that_has_lost_its_lease_sends_nothing_more(outpost: Outpost):
    outpost.add()
    outpost.tell()
    claim = outpost.claimed(lease_s=0.05)
    assert claim is not None
    while outpost.claimed("another") is None:
        pass

    with pytest.raises(FinOpsError, match="Another worker has taken over"):
        notifications.forward(outpost.area.units, claim)

    assert outpost.listener.got == []


# --- what people do -----------------------------------------------------------------------------------------------


def test_while_a_secret_is_rolled_both_sign_and_after_a_day_the_new_one_alone(outpost: Outpost):
    # Given a secret that was rolled
    made = outpost.add()
    with outpost.area.work(outpost.adam) as work:
        rolled = notifications.roll_secret(work, made.endpoint_id)
    outpost.tell("1")
    outpost.round()
    # Then a receiver with either of them believes the notice
    (got,) = outpost.listener.got
    assert got.headers["webhook-signature"].count("v1,") == 2
    assert verified(got, made.secret) == verified(got, rolled.secret)
    # and after a day only one with the new one
    outpost.later(timedelta(hours=24).total_seconds())
    outpost.tell("2")
    outpost.round()
    late = outpost.listener.got[1]
    assert late.headers["webhook-signature"].count("v1,") == 1
    again = Webhook(rolled.secret).sign(late.id, outpost.area.clock.now(), late.body.decode())
    assert late.headers["webhook-signature"] == again
    with outpost.area.work(system_actor(outpost.org)) as work:
        notifications.tidy(work)
    assert outpost.seen(made).old_until_at is None
    assert outpost.trail(f"endpoint:{made.endpoint_id}") == ["added", "secret_rolled"]


def test_while_an_endpoint_is_paused_its_notices_wait(outpost: Outpost):
    made = outpost.add()
    with outpost.area.work(outpost.adam) as work:
        notifications.pause_endpoint(work, made.endpoint_id)
    outpost.tell("1")
    outpost.round()
    assert outpost.listener.got == []
    assert outpost.one().state is DispatchState.QUEUED

    with outpost.area.work(outpost.adam) as work:
        notifications.resume_endpoint(work, made.endpoint_id)
    while (claim := outpost.claimed()) is not None:
        outpost.carry(claim)

    assert outpost.one().state is DispatchState.SENT
    assert outpost.trail(f"endpoint:{made.endpoint_id}") == ["added", "paused", "resumed"]


def test_a_removed_endpoint_gets_nothing_more_and_its_secrets_are_gone(outpost: Outpost):
    made = outpost.add()
    outpost.tell("1")
    with outpost.area.work(outpost.adam) as work:
        notifications.remove_endpoint(work, made.endpoint_id)
    outpost.tell("2")
    outpost.round()

    assert outpost.listener.got == []
    assert outpost.one().state is DispatchState.DROPPED
    with outpost.area.read(outpost.adam) as reading:
        assert notifications.endpoint_list(reading) == ()
        table = dispatches.endpoint
        row = reading.first(table.select().where(table.c.org_id == reading.org_id))
    assert row is not None
    assert (row.url, row.secret, row.old_secret) == (b"", b"", b"")
    assert outpost.trail(f"endpoint:{made.endpoint_id}") == ["added", "removed"]


def test_what_has_arrived_can_be_sent_again_under_its_id_but_not_while_it_waits(outpost: Outpost):
    outpost.add()
    outpost.tell()
    outpost.round()
    with outpost.area.work(outpost.adam) as work:
        notifications.dispatch_again(work, outpost.one().id)
    with pytest.raises(Conflict, match="on its way already"), outpost.area.work(outpost.adam) as work:
        notifications.dispatch_again(work, outpost.one().id)
    outpost.round()

    assert len(outpost.listener.got) == 2
    assert len(set(outpost.listener.ids)) == 1
    assert [each.status for each in outpost.one().tries] == [200, 200]
    assert outpost.trail(f"dispatch:{outpost.one().id}") == ["sent_again"]


def test_a_test_is_sent_at_once_and_stands_in_the_log(outpost: Outpost):
    made = outpost.add()
    outpost.listener.answers = [said(500, "no")]

    failed = try_endpoint(outpost.area.units, outpost.adam, made.endpoint_id)
    passed = try_endpoint(outpost.area.units, outpost.adam, made.endpoint_id)

    assert [(each.status, each.words) for each in (failed, passed)] == [(500, "no"), (200, "ok")]
    assert [each.state for each in outpost.log()] == [DispatchState.FAILED, DispatchState.SENT]
    assert verified(outpost.listener.got[1], made.secret)["type"] == "endpoint.test"
    assert outpost.notices() == []
    assert outpost.trail(f"endpoint:{made.endpoint_id}") == ["added", "tested", "tested"]


def test_what_ended_long_ago_is_forgotten_and_is_no_news_again(outpost: Outpost):
    outpost.add()
    outpost.tell()
    outpost.round()
    outpost.later(timedelta(days=91).total_seconds())
    with outpost.area.work(system_actor(outpost.org)) as work:
        notifications.tidy(work)
    assert outpost.log() == []

    outpost.tell()
    outpost.round()

    assert len(outpost.listener.got) == 1


# --- who may, and what shows --------------------------------------------------------------------------------------

ALL_BUT = frozenset(Permission) - {Permission.CONNECTIONS_ADMINISTER}


def test_only_who_administers_connections_may_see_or_do_any_of_it(outpost: Outpost):
    made = outpost.add()
    outpost.tell()
    dispatch_id = outpost.one().id
    outpost.area.permissions[outpost.people["adam"]] = ALL_BUT
    endpoint_id = made.endpoint_id
    doors = [
        lambda work: notifications.add_endpoint(
            work, channel="webhook", name="x", url="https://example.org/", kinds=[RETURNED]
        ),
        lambda work: notifications.change_endpoint(work, endpoint_id, name="x", kinds=[RETURNED]),
        lambda work: notifications.roll_secret(work, endpoint_id),
        lambda work: notifications.pause_endpoint(work, endpoint_id),
        lambda work: notifications.resume_endpoint(work, endpoint_id),
        lambda work: notifications.remove_endpoint(work, endpoint_id),
        lambda work: notifications.dispatch_again(work, dispatch_id),
        lambda work: notifications.dispatch_view(work, dispatch_id),
        notifications.dispatch_log,
        notifications.endpoint_list,
        notifications.endpoint_names,
        lambda work: notifications.endpoint_view(work, endpoint_id),
    ]
    for door in doors:
        with pytest.raises(FinOpsError) as refused, outpost.area.work(outpost.adam) as work:
            door(work)
        assert refused.value.code == "NOT_ALLOWED"
    with pytest.raises(FinOpsError, match="not allowed"):
        try_endpoint(outpost.area.units, outpost.adam, endpoint_id)
    assert outpost.listener.got == []


def test_no_secret_stands_in_a_view_a_log_an_audit_record_or_a_table(
    outpost: Outpost, caplog: pytest.LogCaptureFixture
):
    # Given an address that is a secret, and a server that repeats what it got
    caplog.set_level("DEBUG")
    path = "/services/T0/B0/aSecretOfSlack24Letters?key=anotherSecretOfTheAddress"
    made = outpost.add(path)
    outpost.listener.always = said(500, f"{path} {made.secret} key=anotherSecretOfTheAddress")
    with outpost.area.work(outpost.adam) as work:
        rolled = notifications.roll_secret(work, made.endpoint_id)
    try_endpoint(outpost.area.units, outpost.adam, made.endpoint_id)
    outpost.tell()
    outpost.round()
    # Then no place we keep or show has any of them
    with outpost.area.read(outpost.adam) as reading:
        told = [repr(outpost.seen(made)), repr(outpost.log()), repr(made), repr(rolled), caplog.text]
        told += [each.body for each in audit.records(reading, limit=1000).rows]
        for table in (dispatches.endpoint, dispatches.dispatch):
            told += [repr(tuple(row)) for row in reading.rows(table.select().where(table.c.org_id == reading.org_id))]
    whole = "\n".join(told)
    for secret in (made.secret, rolled.secret, made.secret[6:], "aSecretOfSlack24Letters", "anotherSecretOfTheAddress"):
        assert secret not in whole
    assert outpost.seen(made).shown.endswith("/services/T0/B0/…ters?…")
    assert outpost.seen(made).secret_shown == f"whsec_…{rolled.secret[-4:]}"
