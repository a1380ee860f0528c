"""The log as a day is told: under each date what happened, with a picture for its area; and how much of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from finops_core.audit import AuditFacets, AuditView
from ui import html
from ui.format import Format, words
from ui.html import Markup

PICTURES = {
    "access": "block",
    "approval": "task_alt",
    "audit": "verified",
    "authority": "gavel",
    "bank_details": "account_balance_wallet",
    "check": "fact_check",
    "comment": "chat",
    "connection": "cable",
    "endpoint": "webhook",
    "execution": "play_circle",
    "file": "description",
    "ledger": "account_balance",
    "link": "link",
    "operation": "inventory_2",
    "party": "contacts",
    "payout": "payments",
    "payouts": "payments",
    "person": "person",
    "plan": "checklist",
    "role": "badge",
    "session": "login",
    "sign_in": "login",
    "token": "key",
    "wallet": "wallet",
}
OTHER = "radio_button_unchecked"
BAD = ("denied", "failed", "rejected", "refused", "unexpected", "in_doubt", "needs_review")
ANYTHING = "anything"


def areas(facets: AuditFacets) -> dict[str, str]:
    """Areas as the filter offers them: value -> label, before the single acts."""
    return {f"{area}.": f"{words(area)}: {ANYTHING}" for area in _counts(facets)}


def facet_line(facets: AuditFacets, chosen: str, shown: Format, kept: Mapping[str, str]) -> Markup:
    """How many records each area has; one click shows them, another all again, in the view that is ``kept``."""
    told = areas(facets)
    links = [
        _facet(words(area), many, told[f"{area}."], shown, kept, current=chosen.startswith(f"{area}."))
        for area, many in _counts(facets).items()
    ]
    return Markup(f'<nav class="to-facets" aria-label="Areas">{"".join(links)}</nav>') if len(links) > 1 else Markup()


def timeline(
    records: Sequence[AuditView], row: Callable[[AuditView], tuple[Markup, Markup, Markup]], shown: Format
) -> Markup:
    """Records under their days, in the order they come.

    Args:
        records: what happened.
        row: who did what; to which thing, as a link; the details, opening to the whole record.
        shown: the zone whose days and clock are told.
    """
    days = groupby(records, key=lambda record: shown.instant(record.at).partition(" ")[0])
    return Markup("".join(_day(day, list(there), row, shown) for day, there in days))


def _day(
    day: str,
    records: Iterable[AuditView],
    row: Callable[[AuditView], tuple[Markup, Markup, Markup]],
    shown: Format,
) -> str:
    items = "".join(_item(record, row(record), shown) for record in records)
    return f'<section class="to-day"><h2>{html.text(day)}</h2><ol>{items}</ol></section>'


def _item(record: AuditView, told: tuple[Markup, Markup, Markup], shown: Format) -> str:
    area, _, act = record.verb.partition(".")
    what, thing, details = told
    clock = shown.instant(record.at, seconds=True).partition(" ")[2]
    picture = html.icon(PICTURES.get(area, OTHER), "red" if act.endswith(BAD) else "")
    return f"<li>{picture}<time>{html.text(clock)}</time><div>{what} {thing}{details}</div></li>"


def _facet(name: str, many: int, label: str, shown: Format, kept: Mapping[str, str], *, current: bool) -> str:
    query = {**({} if current else {"verb": label}), **kept}
    text = Markup(f"{html.text(name)} <span>{shown.count(many)}</span>")
    return html.link(text, "audit", query, css="to-facet to-here" if current else "to-facet", current=current)


def _counts(facets: AuditFacets) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for verb, many in facets.verbs:
        area = verb.partition(".")[0]
        counts[area] = counts.get(area, 0) + many
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
