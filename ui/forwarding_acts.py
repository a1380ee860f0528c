"""What an administrator does with endpoints: test, pause, and in dialogs add, change, roll and remove.

Which dialog is open stands in the address. A signing secret is drawn until somebody says it was copied, and kept by
nobody from then on; an address is taken by the form's callback and by nothing else.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from finops_core import notifications
from finops_core.kernel.errors import FinOpsError
from finops_core.notifications import (
    KINDS,
    Channel,
    DispatchState,
    EndpointState,
    EndpointView,
    Kind,
    Made,
    Way,
    forwarded_titles,
)
from ui import address, forwarding, secret, toasts, widgets
from ui.dialogs import Dialogs, attempt, is_done, refused, send
from ui.session import Here

ADD, CHANGE, ROLL, REMOVE = "add", "change", "roll", "remove"
MADE = "endpoint_made"
DIALOGS = Dialogs("forward_to")
NAME, URL, KINDS_CHOSEN = "endpoint_name", "endpoint_url", "endpoint_kinds"
ONCE = "**Copy the signing secret of {name} now; it is not shown again.** It proves that a notice is ours."
# What Markdown might do something with.
_SIGNS = re.compile(r"[!-/:-@\[-`{-~]")


def add_button(*, first: bool) -> None:
    """The way to another endpoint."""
    with st.container(key="tall_add_endpoint"):
        if st.button("Add an endpoint", icon=":material/add:", type="primary" if first else "secondary"):
            DIALOGS.ask(ADD)


def secret_once(every: Sequence[EndpointView]) -> None:
    """A secret that was just made, until somebody says they have it."""
    made: Made | None = st.session_state.get(MADE)
    if made is None or not made.secret:
        return
    name = next((each.name for each in every if each.id == made.endpoint_id), "")
    if not name:
        st.session_state.pop(MADE)
        return
    with st.container(border=True):
        st.warning(ONCE.format(name=_plain(name)), icon=":material/key:")
        st.code(made.secret, language=None, wrap_lines=True)
        with st.container(key="tall_endpoint_copied"):
            st.button("I have copied it", type="primary", on_click=lambda: st.session_state.pop(MADE, None))


def buttons(here: Here, view: EndpointView) -> None:
    """What can be done with one."""
    with st.container(horizontal=True, key=f"tall_acts_{view.id}"):
        fresh = view.passed_at is None
        kind = "primary" if fresh else "secondary"
        if st.button("Test", icon=":material/wifi_tethering:", type=kind, key=f"test_{view.id}"):  # type: ignore[arg-type]
            _test(here, view)
        if view.state is EndpointState.ACTIVE:
            _act(view, "Pause", "pause", lambda: _paused(here, view))
        else:
            label = "Resume" if view.state is EndpointState.PAUSED else "Switch on"
            _act(view, label, "play_arrow", lambda: _resumed(here, view))
        if st.button("Change", icon=":material/tune:", key=f"change_{view.id}"):
            DIALOGS.ask(CHANGE, view.id)
        if view.channel is Channel.WEBHOOK and st.button(
            "Roll the secret", icon=":material/key:", key=f"roll_{view.id}"
        ):
            DIALOGS.ask(ROLL, view.id)
        if st.button("Remove", icon=":material/delete:", key=f"remove_{view.id}"):
            DIALOGS.ask(REMOVE, view.id)


def open_asked(here: Here, every: Sequence[EndpointView]) -> None:
    """The dialog that the address asks for, if it still makes sense."""
    what, which = DIALOGS.asked()
    view = next((each for each in every if each.id == which), None)
    if what == ADD:
        st.dialog("Add an endpoint", width="medium", on_dismiss=DIALOGS.close)(_add)(here)
    elif view is not None and what == CHANGE:
        st.dialog(f"Change {view.name}", width="medium", on_dismiss=DIALOGS.close)(_change)(here, view)
    elif view is not None and what == ROLL and view.channel is Channel.WEBHOOK:
        st.dialog(f"Roll the secret of {view.name}?", on_dismiss=DIALOGS.close)(_roll)(here, view)
    elif view is not None and what == REMOVE:
        st.dialog(f"Remove {view.name}?", on_dismiss=DIALOGS.close)(_remove)(here, view)
    else:
        refused()


def open_drawer(here: Here, names: Mapping[str, str]) -> None:
    """Show what the address names of the log, if it names one."""
    if is_done():
        _close_drawer()
    wanted = st.query_params.get(forwarding.OPEN, "")
    if not wanted:
        return
    try:
        with here.read() as reading:
            seen = notifications.dispatch_view(reading, wanted)
    except FinOpsError as error:
        widgets.refusal(error)
        return
    title = forwarding.title_of(seen)
    drawer = st.dialog(title, width="medium", position="right", on_dismiss=_close_drawer)
    drawer(_drawer)(here, seen.id, names)


def _drawer(here: Here, dispatch_id: str, names: Mapping[str, str]) -> None:
    if is_done():
        _close_drawer()
        st.rerun()
    refused()
    with here.read() as reading:
        seen = notifications.dispatch_view(reading, dispatch_id)
    forwarding.dispatch(seen, names, here.shown)
    if seen.state not in {DispatchState.QUEUED, DispatchState.DROPPED}:
        with st.container(key="tall_forward_again"):
            again = (lambda: _again(here, seen.id),)
            st.button("Send again", icon=":material/send:", width="stretch", on_click=attempt, args=again)
        st.caption("Under the same webhook-id, so that a receiver that has it knows it.")


def _close_drawer() -> None:
    address.put_away(forwarding.OPEN)


def _test(here: Here, view: EndpointView) -> None:
    """Send it a test; the page is then drawn anew with what came of it."""
    try:
        with st.spinner("Sending a test …"):
            tried = notifications.try_endpoint(here.desk, here.actor, view.id)
    except FinOpsError as error:
        widgets.refusal(error)
        return
    answer = forwarding.in_words(tried)
    if tried.passed:
        toasts.say(f"The test passed: {answer}")
    else:
        toasts.say(f"The test failed: {answer}", toasts.FAILED)
    st.rerun()


def _add(here: Here) -> None:
    DIALOGS.head(here)
    channel = st.segmented_control(
        "Channel",
        list(Channel),
        default=Channel.WEBHOOK,
        required=True,
        format_func=forwarding.CHANNELS.__getitem__,
        key="endpoint_channel",
    )
    slack = channel is Channel.SLACK
    with st.form("endpoint_add", border=False):
        st.text_input("Name", key=NAME, max_chars=80, placeholder="#finance" if slack else "Ledger system")
        if slack:
            secret.field("Address", URL, placeholder="https://hooks.slack.com/services/…", help_=_SLACK_HELP)
        else:
            st.text_input("Address", key=URL, max_chars=1000, placeholder="https://…", help=_URL_HELP)
        _kinds([kind for kind in forwarded_titles() if KINDS[Kind(kind)].way is Way.MAIL])
        send("Add it", lambda: _added(here, Channel(channel or Channel.WEBHOOK)))


def _change(here: Here, view: EndpointView) -> None:
    DIALOGS.head(here, view.shown)
    with st.form("endpoint_change", border=False):
        st.text_input("Name", view.name, key=f"{NAME}_{view.id}", max_chars=80)
        _kinds(view.kinds, view.id)
        send("Save", lambda: _changed(here, view))
    st.caption("For another address add another endpoint, and remove this one.")


def _roll(here: Here, view: EndpointView) -> None:
    DIALOGS.head(here, view.shown)
    st.markdown(
        "A new secret is made and shown once. For 24 hours each notice is signed with both, so the receiver can change "
        "over without missing one."
    )
    with st.container(key="tall_endpoint_roll"):
        st.button("Roll it", type="primary", on_click=attempt, args=(lambda: _rolled(here, view),))


def _remove(here: Here, view: EndpointView) -> None:
    DIALOGS.head(here, view.shown)
    st.markdown("Nothing more is sent to it, also not what waits. Its address and secret are forgotten; its log stays.")
    with st.container(key="tall_ends_endpoint"):
        st.button("Remove it", type="primary", on_click=attempt, args=(lambda: _removed(here, view),))


def _added(here: Here, channel: Channel) -> str:
    url, name = secret.take(URL), str(st.session_state.get(NAME, ""))
    kinds = st.session_state.get(KINDS_CHOSEN) or ()
    with here.work() as work:
        made = notifications.add_endpoint(work, channel=channel, name=name, url=url, kinds=kinds)
    st.session_state[MADE] = made
    return "The endpoint was added. Test it now."


def _changed(here: Here, view: EndpointView) -> str:
    kinds = st.session_state.get(f"{KINDS_CHOSEN}_{view.id}") or ()
    name = str(st.session_state.get(f"{NAME}_{view.id}", ""))
    with here.work() as work:
        notifications.change_endpoint(work, view.id, name=name, kinds=kinds)
    return "Saved."


def _rolled(here: Here, view: EndpointView) -> str:
    with here.work() as work:
        made = notifications.roll_secret(work, view.id)
    st.session_state[MADE] = made
    return "The secret was rolled. Copy the new one now."


def _removed(here: Here, view: EndpointView) -> str:
    with here.work() as work:
        notifications.remove_endpoint(work, view.id)
    return f"{view.name} was removed."


def _paused(here: Here, view: EndpointView) -> str:
    with here.work() as work:
        notifications.pause_endpoint(work, view.id)
    return f"{view.name} is paused."


def _resumed(here: Here, view: EndpointView) -> str:
    with here.work() as work:
        notifications.resume_endpoint(work, view.id)
    return f"Notices are forwarded to {view.name} again."


def _again(here: Here, dispatch_id: str) -> str:
    with here.work() as work:
        notifications.dispatch_again(work, dispatch_id)
    return "It is sent again."


def _act(view: EndpointView, label: str, icon: str, act: Callable[[], str]) -> None:
    st.button(label, icon=f":material/{icon}:", key=f"turn_{view.id}", on_click=attempt, args=(act,))


def _kinds(chosen: Sequence[str], endpoint_id: str = "") -> None:
    titles = forwarded_titles()
    key = f"{KINDS_CHOSEN}_{endpoint_id}" if endpoint_id else KINDS_CHOSEN
    given = [kind for kind in chosen if kind in titles]
    st.pills("Forward", list(titles), selection_mode="multi", default=given, key=key, format_func=titles.__getitem__)


def _plain(name: str) -> str:
    """A name in which Markdown finds nothing to do."""
    return _SIGNS.sub(r"\\\g<0>", name)


_URL_HELP = "An https address on the internet, at port 443 or 8443. From then on only a part of it is shown."
_SLACK_HELP = "The address of an incoming webhook, from Slack's own page. Whoever has it can write to the channel."
