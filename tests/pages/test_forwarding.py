"""Forwarding: endpoints are added, tested, paused, rolled and removed; secrets and addresses are shown no more."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from finops_core import notifications
from finops_core.kernel.actor import worker_actor
from finops_core.notifications import EndpointView
from tests.listener import Listener, listening, said
from tests.pages.conftest import At, press, shown
from tests.world import World

PATH = "/services/T0/B0/aSecretOfTheAddress24Letters"


@pytest.fixture(scope="module", autouse=True)
def inside(world: World) -> Iterator[None]:
    """Servers on loopback may be posted to."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TIEOUT_FORWARDING_INSIDE", "127.0.0.1")
        st.cache_resource.clear()
        settings = world.desk.settings.model_copy(update={"forwarding_inside": "127.0.0.1"})
        post = replace(world.desk.ports.post, inside=settings.inside_hosts)  # type: ignore[type-var]
        world.desk.ports = replace(world.desk.ports, settings=settings, post=post)
        world.desk._units = replace(world.desk._units, ports=world.desk.ports)
        yield


@pytest.fixture
def listener(world: World) -> Iterator[Listener]:
    """A server, and no endpoint left from another test."""
    for view in every(world):
        with world.desk.work(world.actor("adam")) as work:
            notifications.remove_endpoint(work, view.id)
    with listening() as made:
        yield made


def every(world: World) -> tuple[EndpointView, ...]:
    with world.desk.read(world.actor("adam")) as reading:
        return notifications.endpoint_list(reading)


def added(world: World, listener: Listener, *kinds: str, channel: str = "webhook") -> notifications.Made:
    with world.desk.work(world.actor("adam")) as work:
        return notifications.add_endpoint(
            work, channel=channel, name="Ledger", url=listener.url(PATH), kinds=kinds or ("payout.returned",)
        )


def told(world: World, once: str) -> None:
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        notifications.notify(work, [world.people["ana"]], "payout.returned", once=once, title="For Ana alone")
    world.work_off()


def buttons(screen: AppTest) -> list[str]:
    return [button.label for button in screen.button]


def fill_and_send(screen: AppTest, url: str, name: str = "Ledger") -> AppTest:
    screen.text_input(key="endpoint_name").set_value(name)
    screen.text_input(key="endpoint_url").set_value(url)
    screen.button[-1].click().run()
    assert not screen.exception
    return screen


def test_without_an_endpoint_the_page_says_what_one_is_for(listener: Listener, at: At):
    screen = at("adam", "forwarding")

    assert "Notices are not forwarded anywhere" in shown(screen)
    assert "Nothing was forwarded yet" in shown(at("adam", "forwarding", forwarding_view="Log"))


def test_an_endpoint_is_added_its_secret_is_shown_until_it_was_copied_and_a_test_is_sent(
    world: World, listener: Listener, at: At
):
    # When one is added
    screen = fill_and_send(at("adam", "forwarding", do="add"), listener.url(PATH))
    assert screen.toast[0].value == "The endpoint was added. Test it now."
    # Then its secret is there, and after it was copied no more; its address is shown in part
    secret = screen.code[0].value
    assert secret.startswith("whsec_")
    press(screen, "I have copied it")
    whole = shown(screen) + str([each.value for each in screen.text_input])
    assert secret not in whole
    assert "aSecretOfTheAddress24Letters" not in whole
    assert f"whsec_…{secret[-4:]}" in whole
    assert "/services/T0/B0/…ters" in whole
    assert "second_factor" not in whole
    # and a test says what the other side makes of it
    listener.answers = [said(503, "closed")]
    press(screen, "Test")
    assert screen.toast[0].value == "The test failed: It answered 503."
    press(screen, "Test")
    assert screen.toast[0].value == "The test passed: It answered 200."
    assert "Last taken just now." in shown(screen)
    assert [each.told["type"] for each in listener.got] == ["endpoint.test"] * 2


def test_an_endpoint_of_slack_shows_no_secret(world: World, listener: Listener, at: At):
    screen = at("adam", "forwarding", do="add")
    screen.segmented_control(key="endpoint_channel").set_value("slack").run()
    fill_and_send(screen, listener.url(PATH), "#finance")

    (view,) = every(world)
    assert (view.channel, view.secret_shown) == ("slack", "")
    assert "Roll the secret" not in buttons(screen)
    assert len(screen.code) == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example.com/x", "It begins with https://."),
        ("https://169.254.169.254/latest", "It must be one of the open internet."),
        ("https://user:pass@hooks.example.com/", "no name or password"),
    ],
)
def test_an_address_that_cannot_be_taken_is_refused_in_the_dialog_and_is_gone_from_it(
    world: World, listener: Listener, at: At, url: str, words: str
):
    screen = fill_and_send(at("adam", "forwarding", do="add"), url)

    assert words in shown(screen)
    assert "Add it" in buttons(screen)
    assert url not in shown(screen) + str([each.value for each in screen.text_input])
    assert every(world) == ()


def test_an_endpoint_is_paused_and_resumed_changed_rolled_and_removed(world: World, listener: Listener, at: At):
    made = added(world, listener)
    screen = press(at("adam", "forwarding"), "Pause")
    assert "What happens meanwhile waits for it." in shown(screen)
    press(screen, "Resume")
    assert "Active" in shown(screen)

    screen = at("adam", "forwarding", do="change", forward_to=made.endpoint_id)
    screen.text_input(key=f"endpoint_name_{made.endpoint_id}").set_value("General ledger")
    screen.button[-1].click().run()
    assert every(world)[0].name == "General ledger"
    assert every(world)[0].kinds == ("payout.returned",)

    screen = press(at("adam", "forwarding", do="roll", forward_to=made.endpoint_id), "Roll it")
    assert screen.code[0].value not in {"", made.secret}
    assert "Being replaced" in shown(screen)

    press(at("adam", "forwarding", do="remove", forward_to=made.endpoint_id), "Remove it")
    assert every(world) == ()


def test_the_log_shows_what_was_sent_and_why_it_was_not_taken_but_not_what_it_says(
    world: World, listener: Listener, at: At
):
    # Given a notice that was refused for good
    made = added(world, listener)
    listener.always = said(410, "no such place")
    told(world, "log")
    # Then its endpoint is off, and the log says why
    assert "It answered 410: it is gone for good." in shown(at("adam", "forwarding"))
    screen = at("adam", "forwarding", forwarding_view="Log")
    whole = shown(screen)
    assert "A payout came back from the bank" in whole
    assert "410 no such place" in whole
    assert "For Ana alone" not in whole
    # When it is opened and sent again, it is refused until the endpoint is on again
    with world.desk.read(world.actor("adam")) as reading:
        one = notifications.dispatch_log(reading, endpoint_id=made.endpoint_id).rows[0]
    drawer = at("adam", "forwarding", forwarding_view="Log", dispatch=one.id)
    assert one.id in shown(drawer)
    press(drawer, "Send again")
    assert "Nothing is sent to this endpoint." in shown(drawer)
    listener.always = said(200)
    press(at("adam", "forwarding"), "Switch on")
    press(at("adam", "forwarding", forwarding_view="Log", dispatch=one.id), "Send again")
    world.work_off()
    assert [each.id for each in listener.got] == [one.id, one.id]


def test_a_failing_endpoint_says_since_when_and_leads_to_nothing_of_another_organisation(
    world: World, listener: Listener, at: At
):
    added(world, listener)
    listener.always = said(500)
    told(world, "failing")

    assert "It has failed since" in shown(at("adam", "forwarding"))
    assert "Notices are not forwarded anywhere" in shown(at("adam", "forwarding", org="norrland"))


@pytest.mark.parametrize("who", ["ana", "ben", "carla", "eva"])
def test_who_does_not_administer_connections_sees_none_of_it(world: World, listener: Listener, at: At, who: str):
    added(world, listener)

    for query in ({}, {"forwarding_view": "Log"}, {"do": "add"}):
        screen = at(who, "forwarding", **query)
        assert screen.title[0].value == "Not part of your role"
        assert "Ledger" not in shown(screen)
