"""Answers in words, for people at a terminal: plain text, one thing a line."""

from collections.abc import Sequence

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
    rows = [(row.row_no, row.account, row.currency, row.amount_minor, row.body.get("bank", "")) for row in told.rows]
    sums = ", ".join(f"{each.amount} {each.currency}" for each in told.totals) or "nothing"
    notes = [*told.warnings, *(fault.message for fault in told.faults)]
    shown = table(("Row", "Account", "Currency", "Minor units", "To"), rows)
    return "\n".join([shown, f"Pays {sums}", *notes, f"Plan {told.hash}"])


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
    """One request."""
    sums = ", ".join(f"{each.amount} {each.currency}" for each in told.amounts)
    standing = "you may decide it" if told.may_decide else told.refusal
    return f"{told.number}  {told.title}  {told.state}  {sums}\n{standing}\nContent {told.content_hash}"


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


def _columns(told: OperationAnswer) -> str:
    columns = told.file.columns if told.file else []
    return table(
        ("Column", "", "What it is"),
        [(column.name, "required" if column.required else "", column.description) for column in columns],
    )
