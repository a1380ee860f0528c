"""Answers in words, for people at a terminal: plain text, one thing a line."""

from collections.abc import Mapping, Sequence

from finops_core.answers.finding import FoundAnswer
from finops_core.answers.operations import (
    ExecutionAnswer,
    ExecutionsAnswer,
    LogAnswer,
    OperationAnswer,
    OperationsAnswer,
    PlanAnswer,
    ResultAnswer,
)
from finops_core.answers.others import ApprovalAnswer, ApprovalsAnswer, FileAnswer, FilesAnswer, MeAnswer, TokensAnswer
from finops_core.answers.payouts import (
    PayoutAnswer,
    PayoutsAnswer,
    RehearsalAnswer,
    RehearsalsAnswer,
    TakenBackAnswer,
)
from finops_core.kernel.money import Money
from finops_core.payouts import FIRST, MOVED

CELL_CHARS = 60


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns under their headers, as wide as they need to be."""
    cells = [[str(cell)[:CELL_CHARS] for cell in row] for row in [header, *rows]]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def me(told: MeAnswer) -> str:
    """Who acts."""
    until = f"until {told.token.expires_at:%Y-%m-%d %H:%M} UTC"
    scopes = ", ".join(told.token.scopes)
    return f"{told.display_name} ({told.username}) at {told.organisation}, by “{told.token.name}” ({scopes}), {until}"


def catalogue(told: OperationsAnswer) -> str:
    """The catalogue."""
    rows = [(each.id, each.title, each.risk, "yes" if each.runnable else "no") for each in told.items]
    return table(("Operation", "Title", "Risk", "You may run it"), rows)


def operation(told: OperationAnswer) -> str:
    """One operation."""
    takes = f"\nFile: {told.file.label}\n{_columns(told)}" if told.file else ""
    names = ", ".join(told.parameters.get("properties", {})) or "none"
    return f"{told.title} {told.version} ({told.id})\n{told.description}\nParameters: {names}{takes}"


def execution(told: ExecutionAnswer) -> str:
    """Where one stands."""
    sums = ", ".join(f"{each.amount} {each.currency}" for each in told.totals)
    lines = [f"{told.number}  {told.title}  {told.state.replace('_', ' ')}  {sums}".rstrip()]
    if told.progress_total and not told.final:
        lines.append(f"{told.progress_done} of {told.progress_total}")
    lines += [line for line in (told.message, told.error_code and f"{told.error_code}: {told.hint}") if line]
    if told.state == "ready":
        lines.append(f"Plan {told.plan_hash or 'not needed'}")
    return "\n".join(lines)


def executions(told: ExecutionsAnswer) -> str:
    """A page of them."""
    rows = [
        (
            each.number,
            each.title,
            each.state.replace("_", " "),
            each.requested_by_name,
            f"{each.created_at:%Y-%m-%d %H:%M}",
        )
        for each in told.items
    ]
    more = f"\nMore: --offset {told.next}" if told.next is not None else ""
    return (
        f"{table(('Number', 'Operation', 'State', 'Requested by', 'Created (UTC)'), rows)}\n{told.total} in all{more}"
    )


def plan(told: PlanAnswer) -> str:
    """A plan."""
    rows = [
        (
            row.body.get("no", row.row_no),
            row.account,
            f"{Money(row.amount_minor, row.currency).plain()} {row.currency}",
            row.body.get("left", ""),
            row.body.get("bank", ""),
            _against_last_time(row.body.get("change") or {}) if row.amount_minor else "",
            row.body.get("arrival_on", "") if row.amount_minor else "",
            row.body.get("why_left", ""),
        )
        for row in told.rows
    ]
    sums = ", ".join(f"{each.amount} {each.currency}" for each in told.totals) or "nothing"
    notes = [*told.warnings, *(fault.message for fault in told.faults)]
    shown = table(("Row", "Account", "Amount", "Left", "To", "Against last time", "Expected", "Why"), rows)
    asked = sorted({str(row.body["execute_on"]) for row in told.rows if row.body.get("execute_on")})
    pays = f"Pays {sums}" + (f"; the bank is asked to pay on {', '.join(asked)}" if asked else "")
    return "\n".join([shown, pays, *notes, f"Plan {told.hash}"])


def _against_last_time(change: Mapping[str, str]) -> str:
    """What nobody should submit or approve without having seen it."""
    if "retry_of" in change:
        return f"Tried again: {change.get('why') or change.get('failed', '')}"
    if change.get("bank") == FIRST:
        return "NEW DESTINATION"
    if change.get("bank") in MOVED:
        return f"CHANGED BANK ACCOUNT, was {change.get('last_bank', '')}"
    return f"{change['difference']} against {change['last']}" if "difference" in change else ""


def log(told: LogAnswer) -> str:
    """Lines of a log."""
    return "\n".join(f"{line.seq:>6}  {line.at:%H:%M:%S}  {line.level:<5}  {line.message}" for line in told.items)


def result(told: ResultAnswer) -> str:
    """A result."""
    shown = table(list(told.table), list(zip(*told.table.values(), strict=True))) if told.table else ""
    return "\n".join(each for each in (told.message, *told.warnings, *told.errors, shown) if each)


def file(told: FileAnswer) -> str:
    """One file."""
    return f"{told.id}  {told.name}, version {told.version}, {told.size_bytes:,} bytes, SHA-256 {told.sha256}"


def files(told: FilesAnswer) -> str:
    """Files."""
    rows = [(each.id, each.role, each.name, each.size_bytes, each.sha256[:12]) for each in told.items]
    return table(("Id", "Role", "Name", "Bytes", "SHA-256"), rows)


def approval(told: ApprovalAnswer) -> str:
    """One request: whether it may be decided, or what came of it."""
    lines = [*_request(told), *_standing(told), f"Content {told.content_hash}"]
    return "\n".join(lines)


def asked(told: ApprovalAnswer, planned: PlanAnswer | None) -> str:
    """One request with the rows that are agreed to, for whoever decides it."""
    rows = _adjustment(told) or _bank_details(told) or "Its plan cannot be shown here; look at it on its page."
    if planned:
        rows = plan(planned).rsplit("\n", 1)[0]
    return "\n".join([*_request(told), rows, *_standing(told), f"Content {told.content_hash}"])


def _adjustment(told: ApprovalAnswer) -> str:
    """What a proposed adjustment would book, "" for any other request."""
    if told.subject_kind != "adjustment":
        return ""
    of, day = told.summary, told.summary["effective_on"] or "the day it is approved"
    about = " ".join(of["about"]).strip()
    return "\n".join(
        [
            f"{of['amount']} for {of['wallet_id']} of {of['holder']}, counts for {day}",
            f"Because: {of['reason']}",
            *([f"About: {about}"] if about else []),
        ]
    )


def _bank_details(told: ApprovalAnswer) -> str:
    """What a change of bank details would change, "" for any other request."""
    if told.subject_kind != "bank_details":
        return ""
    of = told.summary
    before = f"the account ending in {of['before']}" if of["before"] else "no account"
    others = f"The same account is at {of['also_at']} other parties" if of["also_at"] else ""
    lines = [
        f"{of['name']} ({of['party_id']}): {before} becomes one in {of['country']} ending in {of['last4']}",
        f"Because: {of['reason']}",
        others,
    ]
    return "\n".join(filter(None, lines))


def _request(told: ApprovalAnswer) -> list[str]:
    sums = ", ".join(f"{each.amount} {each.currency}" for each in told.amounts)
    return [f"{told.number}  {told.title}  {told.state}  {sums}".rstrip()]


def _standing(told: ApprovalAnswer) -> list[str]:
    """Why somebody may not decide is told only of what still waits: of the rest it would read as a failure."""
    if told.state == "pending":
        may = "you may decide it" if told.may_decide else f"you may not decide it: {told.refusal}"
        return [may, *(f"Since its plan: {each}" for each in told.meanwhile or ())]
    said = [f"{each.decision} {each.at:%Y-%m-%d %H:%M} UTC  {each.comment}".rstrip() for each in told.decisions]
    return [*said, *([told.closed_why] if told.closed_why else [])]


def approvals(told: ApprovalsAnswer) -> str:
    """A page of requests."""
    rows = [
        (
            each.number,
            each.title,
            each.state,
            ", ".join(f"{money.amount} {money.currency}" for money in each.amounts),
            "yes" if each.may_decide else each.refusal,
        )
        for each in told.items
    ]
    more = f"\nMore: --offset {told.next}" if told.next is not None else ""
    return f"{table(('Number', 'About', 'State', 'Amount', 'You may decide'), rows)}\n{told.total} in all{more}"


def tokens(told: TokensAnswer) -> str:
    """Tokens."""
    rows = [
        (
            each.id,
            each.name,
            f"{each.shown}…",
            ", ".join(each.scopes),
            f"{each.expires_at:%Y-%m-%d}",
            "revoked" if each.revoked_at else "",
        )
        for each in told.items
    ]
    return table(("Id", "Name", "Begins", "Scopes", "Ends", ""), rows)


def payouts(told: PayoutsAnswer) -> str:
    """A page of payouts."""
    rows = [
        (
            each.number,
            each.row_no,
            each.attempt,
            f"{each.amount.amount} {each.amount.currency}",
            each.bank,
            f"{each.state.replace('_', ' ')}{'' if each.counts else ', does not count'}",
            each.provider_id,
            each.id,
        )
        for each in told.items
    ]
    sums = ", ".join(f"{each.amount} {each.currency}" for each in told.sums)
    more = f"\nMore: --offset {told.next}" if told.next is not None else ""
    header = ("Execution", "Row", "Attempt", "Amount", "To", "State", "At the provider", "Id")
    return f"{table(header, rows)}\n{told.total} in all{', ' if sums else ''}{sums}{more}"


def payout(told: PayoutAnswer) -> str:
    """One payout."""
    first = f"{told.id}  {told.number} row {told.row_no}, attempt {told.attempt}  {told.state.replace('_', ' ')}"
    second = f"{told.amount.amount} {told.amount.currency} to {told.bank}"
    facts = (told.provider_id, told.arrival_on and f"expected on {told.arrival_on}", told.error_message, told.refusal)
    return "\n".join([first, second, *(fact for fact in facts if fact)])


def taken_back(told: TakenBackAnswer) -> str:
    """What was asked of the provider."""
    return f"The provider is asked to take back {told.asked}; each payout says what came of it."


def rehearsal(told: RehearsalAnswer) -> str:
    """One rehearsal."""
    state = "running" if told.running else "broke off" if told.given_up else "passed" if told.passed else "did not pass"
    troubles = ", ".join(told.troubles) or "no troubles"
    unmet = f"  not met: {', '.join(told.unmet)}" if told.unmet else ""
    return f"{told.id}  {state}  {troubles}{unmet}  {told.outcome.get('summary', '')}".rstrip()


def rehearsals(told: RehearsalsAnswer) -> str:
    """Rehearsals, one a line."""
    return "\n".join(rehearsal(each) for each in told.items) or "None yet."


def found(told: FoundAnswer) -> str:
    """What was found, area by area."""
    lines = [execution(each).splitlines()[0] for each in told.executions]
    lines += [payout(each).splitlines()[0] for each in told.payouts]
    lines += [approval(each).splitlines()[0] for each in told.approvals]
    lines += [file(each) for each in told.files]
    lines += [f"{each.number or each.id}  {each.type}  counts for {each.effective_on}" for each in told.entries]
    lines += [f"{each.id}  {each.kind}  {each.name}" for each in told.parties]
    lines += [f"{each.at:%Y-%m-%d %H:%M:%S}  {each.verb}  {each.object}" for each in told.records]
    more = f"\nThere is more in {', '.join(told.more)}; type more to narrow it." if told.more else ""
    return "\n".join(lines) + more if lines else "Nothing matches."


def _columns(told: OperationAnswer) -> str:
    columns = told.file.columns if told.file else []
    return table(
        ("Column", "", "What it is"),
        [(column.name, "required" if column.required else "", column.description) for column in columns],
    )
