"""Parties on screen: the list, and of one its bank details in their versions, its identity and its wallets."""

from collections.abc import Mapping, Sequence
from datetime import date

from finops_core.ledger import WalletView
from finops_core.parties import (
    DetailsState,
    DetailsView,
    IdentityStatus,
    IdentityView,
    PartyKind,
    PartyState,
    PartyView,
)
from ui import html, log
from ui.format import Format, words
from ui.html import Cell, Column, Markup

PAGE, PARTY, AFTER = "parties", "party", "after"
KINDS = {
    PartyKind.PERSON: "Person",
    PartyKind.COMPANY: "Company",
    PartyKind.OWN: "Our own",
}
STATES = {
    DetailsState.WAITING: ("Waits for approval", "amber"),
    DetailsState.COOLING_OFF: ("Cooling off", "amber"),
    DetailsState.CURRENT: ("Counts", "green"),
    DetailsState.REPLACED: ("Replaced", "gray"),
    DetailsState.REJECTED: ("Rejected", "red"),
    DetailsState.EXPIRED: ("Expired", "gray"),
    DetailsState.WITHDRAWN: ("Withdrawn", "gray"),
}
LIST = (Column("Name"), Column("Kind"), Column("Account"), Column("Identity"))
VERSIONS = (
    Column("Version", number=True),
    Column("Account", fixed=True),
    Column("State"),
    Column("Counts from", fixed=True),
    Column("Proposed"),
    Column("Because", wide=True),
)
CHECKS = (
    Column("Checked", fixed=True),
    Column("Outcome"),
    Column("How closely"),
    Column("Until", fixed=True),
    Column("What was looked at", wide=True),
)
WALLETS = (Column("Wallet"), Column("State"), Column("Balance", number=True))


def table(rows: Sequence[PartyView], today: date) -> Markup:
    """Parties, each with the account that counts and what is known of its identity."""
    return html.table(LIST, [_row(row, today) for row in rows], "Parties")


def facts(seen: PartyView, names: Mapping[str, str], today: date, shown: Format) -> Markup:
    """What is known of one beside its versions and checks."""
    added = f"{shown.instant(seen.created_at)}, {log.actor_name(seen.created_by, names)}"
    closed = seen.closed_reason if seen.state is PartyState.CLOSED else ""
    return html.facts(
        [
            ("Kind", KINDS[seen.kind]),
            ("Account", account(seen.details.current)),
            ("Identity", identity(seen.identity, today)),
            ("Added", added),
            ("Closed because", closed),
        ]
    )


def account(details: DetailsView | None) -> Cell:
    """The end of an account and its country."""
    return html.fixed_tail(f"{details.country} •••• {details.last4}") if details else html.faint("None", small=False)


def identity(check: IdentityView | None, today: date) -> Markup:
    """Whether somebody is verified, and until when."""
    if check is None:
        return html.badge("Not checked", "amber")
    if check.status is IdentityStatus.FAILED or check.expires_on is None:
        return html.badge("Failed", "red")
    until = check.expires_on.isoformat()
    return html.badge(f"Verified until {until}", "green") if today <= check.expires_on else _run_out(until)


def coming(details: DetailsView, shown: Format) -> Markup:
    """What is about to change, and until when it can be stopped."""
    ends = f"an account in {details.country} ending in {details.last4}"
    if details.state is DetailsState.WAITING:
        sentence = f"Bank details wait for approval: {ends}."
    else:
        sentence = f"Approved and cooling off: {ends}. It counts from {shown.instant(details.counts_from)}."
    return html.told("hourglass_top", sentence, details.reason, "amber")


def versions(rows: Sequence[DetailsView], names: Mapping[str, str], shown: Format) -> Markup:
    """Every version, newest first."""
    return html.table(VERSIONS, [_version(row, names, shown) for row in rows], "Bank details")


def checks(rows: Sequence[IdentityView], names: Mapping[str, str], shown: Format) -> Markup:
    """Every check of an identity, newest first."""
    return html.table(CHECKS, [_check(row, names, shown) for row in rows], "Checks of the identity")


def wallets(rows: Sequence[WalletView], shown: Format) -> Markup:
    """What is held for a party, each opened in the ledger."""
    told = [
        (
            html.link(row.currency, "ledger", {"account": row.id}),
            words(row.state.value),
            html.strong(shown.amount(row.balance.minor, row.currency)),
        )
        for row in rows
    ]
    return html.table(WALLETS, told, "Wallets")


def people(seen: PartyView, every: Sequence[IdentityView]) -> set[str]:
    """Everybody whose names one party's page shows."""
    of_details = {who for each in seen.details.versions for who in (each.proposed_by, each.ended_by) if who}
    return {seen.created_by, *of_details, *(each.checked_by for each in every)}


def _row(row: PartyView, today: date) -> tuple[Cell, ...]:
    details = row.details
    label, tone = STATES[details.coming.state] if details.coming else ("", "")
    closed = html.badge("Closed") if row.state is PartyState.CLOSED else ""
    return (
        html.join(html.link(row.name, PAGE, {PARTY: row.id}), closed),
        KINDS[row.kind],
        html.lines(account(details.current), html.badge(f"Change: {label.lower()}", tone) if label else ""),
        identity(row.identity, today),
    )


def _version(row: DetailsView, names: Mapping[str, str], shown: Format) -> tuple[Cell, ...]:
    label, tone = STATES[row.state]
    ended = shown.instant(row.ended_at) if row.ended_at else ""
    by = f"by {log.actor_name(row.ended_by, names)}" if row.ended_by else ""
    return (
        row.version,
        account(row),
        html.lines(html.badge(label, tone), html.faint(f"{ended} {by}".strip())),
        shown.instant(row.counts_from),
        html.lines(shown.instant(row.proposed_at), html.faint(log.actor_name(row.proposed_by, names))),
        html.lines(row.reason, html.faint(row.ended_reason)),
    )


def _check(row: IdentityView, names: Mapping[str, str], shown: Format) -> tuple[Cell, ...]:
    failed = row.status is IdentityStatus.FAILED
    file = html.link("Open the file", "files", {"file": row.file_id}) if row.file_id else ""
    return (
        html.lines(shown.instant(row.checked_at), html.faint(log.actor_name(row.checked_by, names))),
        html.badge("Failed", "red") if failed else html.badge("Verified", "green"),
        words(row.level.value),
        row.expires_on.isoformat() if row.expires_on else "",
        html.lines(row.evidence, html.faint(row.reason), file),
    )


def _run_out(until: str) -> Markup:
    return html.badge(f"Expired on {until}", "red")
