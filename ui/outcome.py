"""What an execution was given and what it left behind: plan, result, files, approvals."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import streamlit as st

from finops_core import approvals, files, insight, operations, payouts, security
from finops_core.kernel.permissions import Permission
from finops_core.operations import OVER, ExecutionView, PlanView, State
from finops_core.platform.work import Reading
from ui import html, rehearsals, repair, request_cards, results, widgets
from ui.format import Format, duration, size, words
from ui.html import Cell, Markup
from ui.plan import plan_view
from ui.session import Here

ZIP, HTML = ("zip", "application/zip"), ("html", "text/html")
UNDECIDED = frozenset({State.READY, State.AWAITING_APPROVAL})
PLANNED = frozenset({State.READY, State.AWAITING_APPROVAL, State.QUEUED})
"""Before a new attempt has begun: its rows still stand as the earlier one has left them."""
PLANS_KEPT, PLANS_KEPT_S = 16, 600
NOT_TAKEN = "for whoever prepares payouts to take"


def plan(here: Here, run: ExecutionView) -> None:
    """What was given and what was planned."""
    with here.read() as reading:
        made = _plan_of(reading, run)
        again = payouts.remedies(reading, run) if run.retry_rows and run.state in PLANNED else None
        since = payouts.meanwhile(reading, run, made) if made and run.state in UNDECIDED else payouts.Meanwhile()
        operation = reading.ports.operations.get(run.operation_id)
    fields = operation.parameters.model_fields if operation else {}
    titles = {name: field.title or words(name) for name, field in fields.items()}
    _given(here, run, made, titles)
    if made is None:
        st.caption(
            "This operation runs without a plan." if run.state is not State.PLANNING else "The plan is being made."
        )
        return
    if made.faults and run.retry_rows:
        html.draw(repair.in_the_way(made.faults))
    elif made.faults:
        widgets.faults_table(made.faults, run.input_name or run.number, "nothing was paid")
    plan_view(made, here.shown, again, meanwhile=since)
    rehearsals.section(here, run)


def _plan_of(reading: Reading, run: ExecutionView) -> PlanView | None:
    """Its newest plan: read anew while it may change or is decided on, remembered by its hash once it has ended well.

    ``run`` is what the same draw of the page has read, with the right to see it.
    """
    settled = run.state in OVER and not run.error_code
    if settled and run.plan_hash:
        return _remembered(run.id, run.plan_hash, reading)
    return operations.plan(reading, run.id)


@st.cache_resource(max_entries=PLANS_KEPT, ttl=PLANS_KEPT_S, show_spinner=False)
def _remembered(execution_id: str, plan_hash: str, _reading: Reading) -> PlanView | None:
    """A plan never changes under its hash, and a thousand rows cost more to read than a page of them to draw."""
    return operations.plan(_reading, execution_id, plan_hash)


def _given(here: Here, run: ExecutionView, plan: PlanView | None, titles: Mapping[str, str]) -> None:
    settings: list[tuple[str, Cell]] = [
        (titles.get(name, words(name)), _plain(value)) for name, value in run.params.items()
    ]
    html.draw(
        html.facts(
            [
                ("File", run.input_name),
                *settings,
                ("Reason", run.reason),
                ("Version", run.operation_version),
                ("Plan made", here.shown.instant(plan.created_at) if plan else ""),
                ("Plan's fingerprint", Markup(f"<code>{plan.hash[:12]}</code>") if plan else ""),
            ]
        )
    )


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def result(here: Here, run: ExecutionView) -> None:
    """Figures, table and files of the last attempt."""
    with here.read() as reading:
        made = operations.result(reading, run.id)
        stored = files.of(reading, "execution", run.id)
    if made is None:
        st.caption("There is no result yet.")
    else:
        html.draw(html.facts(_figures(made.metrics, run, here.shown)))
        html.draw(_totals(made.metrics.get("total_minor", {}), here.shown))
        for warning in made.warnings:
            st.warning(warning, icon=":material/warning:")
        for problem in made.errors:
            st.error(problem, icon=":material/error:")
        results.viewer(made.table, run.number, here.shown)
    _files(here, stored)


def _figures(metrics: Mapping[str, Any], run: ExecutionView, shown: Format) -> list[tuple[str, Cell]]:
    names = (("records_processed", "Records"), ("records_successful", "Good"), ("records_failed", "Failed"))
    counts: list[tuple[str, Cell]] = [(title, shown.count(int(metrics.get(name, 0)))) for name, title in names]
    return [*counts, ("Took", duration(run.duration_ms))]


def _totals(sums: Mapping[str, str], shown: Format) -> Markup:
    figures = shown.each_amount({currency: int(minor) for currency, minor in sums.items()})
    spans = "".join(f'<span class="to-mid">{html.text(figure)}</span>' for figure in figures)
    return Markup(f'<div class="to-totals">{spans}</div>') if spans else Markup()


def _files(here: Here, stored: tuple[files.FileView, ...]) -> None:
    if not stored:
        return
    st.markdown("**Files**")
    for file in stored:
        kind = "given" if file.role == files.INPUT else "made"
        version = f"version {file.version} · " if file.version > 1 else ""
        told = f"{kind} · {version}{size(file.size_bytes)} · SHA-256 {file.sha256[:12]}…"
        hand_out(here, file, told, key=f"tall_file_{file.id}")


def hand_out(
    here: Here,
    file: files.FileView,
    told: str,
    *,
    key: str,
    label: str = "Download",
    on_click: Literal["ignore", "rerun"] = "ignore",
    quiet: bool = False,
) -> None:
    """A stored file with what is told of it, and its download for those who may take it; ``quiet``: hardly needed."""
    with here.read() as reading:
        takes = files.may_take(reading, file)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        html.draw(Markup(f"{html.strong(file.name)}<br>{html.faint(told if takes else f'{told} · {NOT_TAKEN}')}"))
        if not takes:
            return
        st.download_button(
            label,
            partial(_bytes, here, file.id),
            file_name=file.name,
            mime=file.mime,
            icon=":material/download:",
            key=key,
            type="tertiary" if quiet else "secondary",
            on_click=on_click,
            disabled=not file.available,
        )


def _bytes(here: Here, reference_id: str) -> bytes:
    """The file's bytes, fetched when somebody presses the button: each download is recorded."""
    with here.hand_out() as work:
        return files.download(work, reference_id).content


def trail(here: Here, run: ExecutionView) -> None:
    """Who was asked, and what they said."""
    with here.read() as reading:
        asked = approvals.of_subject(reading, "execution", run.id)
        people = {said.person_id for request in asked for said in request.decisions}
        names = security.names(reading, [*people, *(request.requested_by for request in asked)])
        now = reading.now
    if not asked:
        st.caption("Nobody was asked to approve it." if run.approval_required else "This operation needs no approval.")
    for request in asked:
        with st.container(border=True):
            html.draw(request_cards.facts(request, names, run, "", now))
            html.draw(request_cards.said(request, names, here.shown))
            html.draw(request_cards.ending(request, here.shown))
            if here.may(Permission.APPROVALS_VIEW):
                html.draw(html.line(html.link("Open the request", "approvals", {"request": request.number})))
    if here.may(Permission.AUDIT_EXPORT):
        _record(here, run)
    if here.may(Permission.AUDIT_VIEW):
        trail = html.link("Everything recorded about it", "audit", {"object": f"execution:{run.id}"})
        html.draw(html.line(trail))


def _record(here: Here, run: ExecutionView) -> None:
    """Everything about it, to take away: made when a button is pressed, and recorded."""
    with here.read() as reading:
        taken = insight.records_taken(reading, run.id)
        names = security.names(reading, {each.person_id for each in taken})
    st.markdown("**Record for an auditor**")
    st.caption(
        "Everything about it in one piece. The ZIP holds the files too, and a program that checks offline what the "
        "audit log can prove."
    )
    forms = (("ZIP with files", insight.gather_record, ZIP), ("One page", insight.gather_record_page, HTML))
    with st.container(horizontal=True):
        for label, gather, (suffix, mime) in forms:
            st.download_button(
                label,
                partial(_taken, here, gather, run.id),
                file_name=f"{run.number}-record.{suffix}",
                mime=mime,
                icon=":material/inventory:",
                key=f"tall_record_{suffix}",
                on_click="ignore",
            )
    if taken:
        st.caption(
            "Taken before. Whoever holds a record compares its SHA-256 with the one noted here. A new one joins them "
            "when the page is opened anew."
        )
        html.draw(html.facts(_noted(here, each, names) for each in taken))


def _noted(here: Here, taken: insight.Taken, names: Mapping[str, str]) -> tuple[str, Cell]:
    who = names.get(taken.person_id, taken.person_id)
    return f"{taken.file}, {here.shown.instant(taken.at)}, {who}", html.faint(taken.sha256)


def _taken(here: Here, gather: Callable[[Reading, str], insight.Pack], execution_id: str) -> bytes:
    # Two units: whoever writes does not wait while the ZIP is made.
    with here.read() as reading:
        pack = gather(reading, execution_id)
    with here.hand_out() as work:
        insight.record_taken(work, pack)
    return pack.content
