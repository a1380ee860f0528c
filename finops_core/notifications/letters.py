"""The text of a mail: short and plain, with the way to the matter. No bank account in full, no secret."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Row

from finops_core.notifications.rules import DIGEST, facts_of, for_mail, grouped, one_line
from finops_core.platform.ports import Letter
from finops_core.reference import OrganisationView
from finops_core.security import MailAddress

NOTICES, PREFERENCES = "notices", {"view": "Preferences"}
NAME_CHARS = 100


def letter_of(base: str, own: OrganisationView, row: Row[Any], to: MailAddress) -> Letter:
    """The letter of one row of the outbox; the same however often it is made. ``base``: the desk's address, or ""."""
    return Letter(
        id=row.id,
        name=one_line(to.name, NAME_CHARS),
        address=to.address,
        subject=for_mail(f"[{own.name}] {grouped(row.title)}"),
        text=_text(base, own, row, to),
        at=row.created_at,
    )


def _text(base: str, own: OrganisationView, row: Row[Any], to: MailAddress) -> str:
    told = map(grouped, (row.title, *row.body.splitlines()))
    lines = [for_mail(line) for line in (f"Hello {to.name},", "", *told)]
    query = json.loads(row.query)
    if row.notice_id:
        query["notice"] = row.notice_id
    lines += ["", f"Open it: {_address(base, own, row.page, query)}" if base else "Sign in to the desk to see it.", ""]
    because = "the daily mail" if row.kind == DIGEST else f"“{facts_of(row.kind).title}”"
    change = f"Change that: {_address(base, own, NOTICES, PREFERENCES)}" if base else "Change that under Notices."
    return "\n".join([*lines, "-- ", f"{for_mail(own.name)}, Tieout. You get this as {because}.", change, ""])


def _address(base: str, own: OrganisationView, page: str, query: Mapping[str, str]) -> str:
    return f"{base}/{page}?{urlencode({**query, 'org': own.slug})}"
