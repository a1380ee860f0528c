"""The delivery log of mail: what was written to whom, what the server said, and sending again what failed."""

from collections.abc import Mapping, Sequence

import streamlit as st

from finops_core import notifications, security
from finops_core.kernel.errors import FinOpsError
from finops_core.notifications import MailState, MailView, facts_of
from ui import address, html, toasts, widgets
from ui.format import NOTHING, Format, plural, words
from ui.html import Column, Markup
from ui.session import Here

OPEN = "mail"
TONES = {MailState.SENT: "green", MailState.FAILED: "red", MailState.QUEUED: "amber"}
SOMEBODY = "somebody"
DIGEST_TITLE = "Daily mail"


def about(here: Here) -> None:
    """Whether mail leaves at all, and where one's own goes."""
    with here.read() as reading:
        to = security.mail_address(reading, here.actor.id)
    if here.desk.ports.mail is None:
        told = "No mail server is set (TIEOUT_MAIL_HOST): everything stands among the notices, and nothing is mailed."
        html.draw(html.line(html.icon("mail_off", "amber"), told))
    elif to is None or not to.address:
        told = (
            "You have no mail address here, so nothing is mailed to you. Enter one on Me, behind your name in the menu."
        )
        html.draw(html.line(html.icon("mail_off", "amber"), told))
    else:
        html.draw(html.line(html.icon("mail", "green"), "Your mail goes to", html.strong(to.address)))


def table(rows: Sequence[MailView], names: Mapping[str, str], shown: Format) -> None:
    """Mails, each leading to its drawer; ``names`` only where others' mails stand among them."""
    whose = (Column("To"),) if names else ()
    columns = (
        Column("About"),
        *whose,
        Column("State", fixed=True),
        Column("Tries", number=True),
        Column("Last answer", wide=True),
        Column("Written", fixed=True),
        Column("Next try", fixed=True),
    )
    html.draw(html.table(columns, [_row(each, names, shown) for each in rows], "Mails"))


def open_drawer(here: Here) -> None:
    """Show the mail that the address names, if it names one."""
    wanted = st.query_params.get(OPEN, "")
    if not wanted:
        return
    try:
        with here.read() as reading:
            seen = notifications.mail_view(reading, wanted)
            name = security.names(reading, [seen.person_id]).get(seen.person_id, SOMEBODY)
    except FinOpsError as error:
        widgets.refusal(error)
        return
    st.dialog(_title(seen), width="medium", position="right", on_dismiss=close)(_drawer)(here, seen, name)


def close() -> None:
    """The drawer was put away."""
    address.put_away(OPEN)


def _drawer(here: Here, seen: MailView, name: str) -> None:
    html.draw(html.line(_state(seen), html.strong(here.around.name), plural(seen.attempts, "try", "tries")))
    html.draw(
        html.facts(
            [
                ("To", name),
                ("About", facts_of(seen.kind).title if seen.kind != "digest" else DIGEST_TITLE),
                ("Last answer", seen.last_answer),
                ("Written", here.shown.instant(seen.created_at, seconds=True)),
                ("Ended", here.shown.instant(seen.ended_at, seconds=True) if seen.ended_at else ""),
                ("Next try", here.shown.instant(seen.next_at, seconds=True) if seen.next_at else ""),
                ("Message id", seen.id),
            ]
        )
    )
    if seen.state is MailState.FAILED and st.button(
        "Send again", type="primary", icon=":material/send:", key="tall_send_again", width="stretch"
    ):
        try:
            with here.work() as work:
                notifications.send_again(work, seen.id)
        except FinOpsError as error:
            widgets.refusal(error)
            return
        toasts.say("It is sent again", "send")
        close()
        st.rerun()


def _row(mail: MailView, names: Mapping[str, str], shown: Format) -> list[html.Cell]:
    whose: list[html.Cell] = [names.get(mail.person_id, SOMEBODY)] if names else []
    link = html.link(shown.sentence(_title(mail)), "notices", {"view": "Mail", **_kept(), OPEN: mail.id})
    return [
        link,
        *whose,
        _state(mail),
        mail.attempts,
        html.faint(mail.last_answer),
        shown.instant(mail.created_at),
        shown.instant(mail.next_at) if mail.next_at else NOTHING,
    ]


def _kept() -> dict[str, str]:
    """What the list was filtered by stays in the address while a drawer is open."""
    return {key: value for key, value in st.query_params.to_dict().items() if key in {"everybody", "mail_state"}}


def _title(mail: MailView) -> str:
    return mail.title or (DIGEST_TITLE if mail.kind == "digest" else facts_of(mail.kind).title)


def _state(mail: MailView) -> Markup:
    return html.badge(words(mail.state.value), TONES.get(mail.state, "gray"))
