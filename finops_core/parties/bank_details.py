"""Bank details of parties: proposed by one person, approved by another, and counted only after a time of cooling off.

What is proposed is sealed at once and bound as it is: the approval covers the sealed bytes themselves, so that what
counts in the end is what was proposed, whoever holds the database. Until it counts anybody who may propose may stop it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update

from finops_core import approvals, audit, notifications, security
from finops_core.adapters.bank_file import accounts
from finops_core.adapters.bank_file.parties import COUNTRIES, NAME_MAX
from finops_core.kernel.canonical import content_hash
from finops_core.kernel.errors import Conflict, Invalid
from finops_core.kernel.ids import new_id
from finops_core.kernel.masking import last4, mask
from finops_core.kernel.permissions import Permission
from finops_core.notifications import Kind
from finops_core.parties import queries, rules
from finops_core.parties.models import party, party_bank_detail
from finops_core.parties.queries import DetailsView, PartyView
from finops_core.parties.rules import COMING, DetailsState, PartyState, Stored
from finops_core.platform.work import Reading, Work

SUBJECT = ITEM_TYPE = "bank_details"
SHOWN = ("name", "before", "also_at")
"""What a request shows beside what is bound: whose details, the end of the account they replace, who else has it."""
ACCOUNT_CHARS_MIN, ACCOUNT_CHARS_MAX, BANK_CODE_CHARS_MAX = 4, 34, 20


@dataclass(frozen=True, slots=True)
class BankDetails:
    """Where a party is paid.

    Attributes:
        holder: whose account it is, as their bank writes it.
        account: an IBAN, or the number of an account where there are none.
        country: ISO 3166 code of the bank's country; "" takes it from the IBAN.
        bic: ISO 9362, "" for none.
        bank_code: routing number, sort code or the like, "" for none.
    """

    holder: str
    account: str
    country: str = ""
    bic: str = ""
    bank_code: str = ""

    def __repr__(self) -> str:
        return f"BankDetails({mask(self.account)})"

    @property
    def one_account(self) -> str:
        """What is the same for one and the same account, whoever is said to hold it."""
        bank = "" if self.country in accounts.IBAN_COUNTRIES else self.bank_code or self.bic
        return f"bank account|{self.country}|{bank}|{self.account}"


def plain(given: BankDetails) -> BankDetails:
    """The details as they are kept: capitals without spaces, the country of an IBAN; ``BANK_DETAILS_BAD``.

    Everything that is wrong is said at once, and no number repeated. Whether the account exists only its bank knows.
    """
    kept = {field.name: _joined(getattr(given, field.name)) for field in fields(given)}
    details = BankDetails(**{**kept, "holder": " ".join(given.holder.split())})
    if not details.country and details.account[:2] in accounts.IBAN_COUNTRIES:
        details = replace(details, country=details.account[:2])
    problems = list(_problems(details))
    if problems:
        told = "These bank details cannot be used. " + " ".join(problems)
        raise Invalid("BANK_DETAILS_BAD", told, hint="Correct what is named here.")
    return details


def propose_details(work: Work, party_id: str, given: BankDetails, reason: str) -> str:
    """Ask somebody else to agree to a party's bank details, the first ones too: the version's id.

    Needs ``PARTY_EDIT``. ``PARTY_UNKNOWN``, ``PARTY_CLOSED``, ``BANK_DETAILS_BAD``, ``REASON_MISSING``,
    ``REASON_LONG``; ``DETAILS_SAME`` for those that count already, ``DETAILS_PENDING`` while others are to count.
    """
    work.require(Permission.PARTY_EDIT)
    seen = locked(work, party_id)
    if seen.state is PartyState.CLOSED:
        raise rules.party_closed()
    details, why = plain(given), rules.checked_reason(reason, "A change of bank details")
    if seen.details.coming is not None:
        raise pending()
    now, vault = seen.details.current, work.ports.vault
    whole = vault.fingerprint(_text(details))
    if now is not None and queries.details_row(work, now.id).holder_print == whole:
        raise Conflict("DETAILS_SAME", "The party has these bank details already.", hint="Nothing has to change.")
    details_id = new_id("bank")
    row: dict[str, Any] = {
        "org_id": work.org_id,
        "id": details_id,
        "party_id": party_id,
        "version": len(seen.details.versions) + 1,
        "sealed": vault.seal(_text(details).encode(), queries.sealed_at(details_id)),
        "account_print": vault.fingerprint(details.one_account),
        "holder_print": whole,
        "country": details.country,
        "last4": last4(details.account),
        "replaces": now.id if now else "",
        "reason": why,
        "proposed_by": work.actor.id,
        "proposed_at": work.now,
        "state": Stored.WAITING.value,
        "ended_by": "",
        "ended_reason": "",
    }
    bound = _content(row)
    also_at = queries.others_with(work, party_id, row["account_print"])
    shown = {"name": seen.name, "before": now.last4 if now else "", "also_at": len(also_at)}
    request_id = approvals.request(
        work,
        subject_kind=SUBJECT,
        subject_id=details_id,
        content_hash=content_hash(bound),
        item_type=ITEM_TYPE,
        title=f"{'New' if now else 'First'} bank details of {seen.name}",
        summary={**bound, **shown},
        amounts={},
        excluded={},
    )
    work.execute(insert(party_bank_detail), {**row, "content": content_hash(bound), "request_id": request_id})
    told = {"party": party_id, "version": row["version"], "request": request_id, "account": row["account_print"]}
    audit.record(work, "bank_details.proposed", f"bank_details:{details_id}", detail=told, after=content_hash(bound))
    return details_id


def withdraw_details(work: Work, details_id: str, reason: str) -> str:
    """Stop bank details that do not count yet, whoever proposed them, who is told; the id of whose they are.

    Needs ``PARTY_EDIT``. ``DETAILS_UNKNOWN``, ``REASON_MISSING``, ``REASON_LONG``, and ``DETAILS_SETTLED`` for a
    version that counts already or will not any more.
    """
    work.require(Permission.PARTY_EDIT)
    why = rules.checked_reason(reason, "Withdrawing bank details")
    # The request first, then the party: in the order of whoever decides at this moment, who would stop us both else.
    approvals.supersede(work, SUBJECT, details_id, "the bank details were withdrawn", why)
    seen, owner = _coming(work, details_id)
    _end(work, seen, Stored.WITHDRAWN, work.actor.id, why)
    if seen.proposed_by != work.actor.id:
        title = f"Withdrawn: bank details of {owner.name}"
        _tell(work, [seen.proposed_by], seen, title, f"{_shown(seen)}: {why}", "withdrawn")
    return seen.party_id


def reveal(work: Work, details_id: str) -> BankDetails:
    """The full account, to be compared with what the party says; that it was looked at stands in the log.

    Needs ``PARTY_REVEAL``; ``DETAILS_UNKNOWN``, ``SEAL_BROKEN``.
    """
    work.require(Permission.PARTY_REVEAL)
    row = queries.details_row(work, details_id)
    opened = _opened(work, row)
    detail = {"party": row.party_id, "version": row.version}
    audit.record(work, "bank_details.revealed", f"bank_details:{row.id}", detail=detail)
    return opened


def binds(summary: Mapping[str, Any], bound: str) -> bool:
    """Whether what a request shows of bank details is what its approval binds."""
    return content_hash({name: value for name, value in summary.items() if name not in SHOWN}) == bound


def on_approved(work: Work, event: approvals.Approved) -> None:
    """Details that somebody agreed to begin to cool off; after that they count."""
    if event.subject_kind != SUBJECT:
        return
    seen, owner = _coming(work, event.subject_id)
    if owner.state is PartyState.CLOSED:
        raise rules.party_closed()
    row = queries.details_row(work, seen.id)
    request = approvals.of_subject(work, SUBJECT, seen.id)[0]
    same = content_hash(_content(row._asdict())) == row.content == event.content_hash
    whole = work.ports.vault.fingerprint(_text(_opened(work, row))) == row.holder_print
    if seen.state is not DetailsState.WAITING or not (same and whole and binds(request.summary, event.content_hash)):
        raise Conflict("PROPOSAL_CHANGED", "This is not what was asked for.", hint="Have it proposed anew.")
    if seen.proposed_by not in {person.id for person in security.people_with(work, Permission.PARTY_EDIT)}:
        raise Conflict(
            "PROPOSER_LEFT", "Whoever proposed it may not change bank details any more.", hint="Have it proposed anew."
        )
    counts_from = work.now + timedelta(hours=work.ports.settings.cool_off_h)
    kept = party_bank_detail
    mine = kept.c.org_id == work.org_id, kept.c.id == seen.id, kept.c.state == Stored.WAITING.value
    times = {"approved_at": work.now, "counts_from": counts_from}
    work.execute(update(kept).where(*mine).values(state=Stored.APPROVED.value, **times))
    detail = {"party": seen.party_id, "version": seen.version, "counts_from": counts_from.isoformat()}
    audit.record(work, "bank_details.approved", f"bank_details:{seen.id}", detail=detail)
    if counts_from > work.now:
        _tell_of_cooling(work, seen, owner, counts_from)


def on_ended(work: Work, event: approvals.Rejected | approvals.Expired | approvals.Withdrawn) -> None:
    """Nobody agreed to them: what counted before counts on."""
    if event.subject_kind == SUBJECT:
        seen, _ = _coming(work, event.subject_id)
        _end(work, seen, Stored(type(event).__name__.lower()), work.actor.id, _why_not(work, event))


def _why_not(work: Work, event: approvals.Rejected | approvals.Expired | approvals.Withdrawn) -> str:
    """What whoever rejected them said, for who keeps the party; "" of what was not rejected."""
    if not isinstance(event, approvals.Rejected):
        return ""
    asked = (each for each in approvals.of_subject(work, SUBJECT, event.subject_id) if each.id == event.request_id)
    return next((each.decisions[-1].comment for each in asked if each.decisions), "")


def content_of(row: Mapping[str, Any]) -> str:
    """The hash that the approval of a stored version should bind, from what is stored; for the standing checks."""
    return content_hash(_content(row))


def _content(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an approval binds: never the account, but the very bytes it is sealed in."""
    names = ("party_id", "version", "country", "last4", "account_print", "holder_print", "replaces", "reason")
    sealed = hashlib.sha256(bytes(row["sealed"])).hexdigest()
    return {**{name: row[name] for name in names}, "sealed": sealed}


def _joined(typed: str) -> str:
    return "".join(typed.replace("-", " ").split()).upper()


def _problems(details: BankDetails) -> Iterator[str]:
    if not details.holder:
        yield "The account holder's name is missing."
    elif len(details.holder) > NAME_MAX or not details.holder.isprintable():
        yield f"The account holder's name takes at most {NAME_MAX} characters that print."
    if details.country and details.country not in COUNTRIES | accounts.IBAN_COUNTRIES:
        yield f"The country {details.country[:20]!r} is no code such as DE or US (ISO 3166)."
    yield from _account_problems(details)
    if details.bic:
        yield from filter(None, [accounts.bic_problem(details.bic)])
    if details.bank_code and not _is_number(details.bank_code, 1, BANK_CODE_CHARS_MAX):
        yield f"The bank code takes at most {BANK_CODE_CHARS_MAX} letters and digits."


def _account_problems(details: BankDetails) -> Iterator[str]:
    country, account = details.country, details.account
    if not account:
        yield "The account is missing."
    elif not country:
        yield "Say in which country the bank is: the account does not tell."
    elif country in accounts.IBAN_COUNTRIES:
        yield from filter(None, [accounts.iban_problem(account)])
        if accounts.country_of(account) != country:
            yield f"The account is not one of {country}."
    elif not _is_number(account, ACCOUNT_CHARS_MIN, ACCOUNT_CHARS_MAX):
        yield f"The account takes {ACCOUNT_CHARS_MIN} to {ACCOUNT_CHARS_MAX} letters and digits."
    elif not accounts.iban_problem(account):
        yield f"The account is an IBAN of {accounts.country_of(account)}, not an account of {country[:20]}."
    elif not (details.bic or details.bank_code):
        yield "Say which bank it is: by its BIC, or by its bank code."


def _is_number(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isalnum() and least <= len(text) <= most


def _text(details: BankDetails) -> str:
    return json.dumps(asdict(details), sort_keys=True)


def _opened(reading: Reading, row: Row[Any]) -> BankDetails:
    return BankDetails(**json.loads(reading.ports.vault.open(row.sealed, queries.sealed_at(row.id))))


def locked(work: Work, party_id: str) -> PartyView:
    """A party of which nobody else changes the details until this unit ends; ``PARTY_UNKNOWN``."""
    held = select(party.c.id).where(party.c.org_id == work.org_id, party.c.id == party_id).with_for_update()
    work.execute(held)
    return queries.one(work, party_id)


def pending() -> Conflict:
    """``DETAILS_PENDING``."""
    return Conflict(
        "DETAILS_PENDING",
        "Other bank details of this party wait to be approved, or cool off.",
        hint="Look at those first; withdraw them if they are wrong.",
    )


def _coming(work: Work, details_id: str) -> tuple[DetailsView, PartyView]:
    """A version that does not count yet, and whose it is; ``DETAILS_SETTLED`` for any other."""
    owner = locked(work, queries.details_row(work, details_id).party_id)
    seen = next(view for view in owner.details.versions if view.id == details_id)
    if seen.state not in COMING:
        raise Conflict(
            "DETAILS_SETTLED",
            f"These bank details are {seen.state.value.replace('_', ' ')}; nothing is left to stop.",
            hint="Propose other ones if they are wrong.",
        )
    return seen, owner


def _end(work: Work, seen: DetailsView, state: Stored, by: str, why: str) -> None:
    kept = party_bank_detail
    mine = kept.c.org_id == work.org_id, kept.c.id == seen.id
    values = {"state": state.value, "ended_by": by, "ended_at": work.now, "ended_reason": why}
    work.execute(update(kept).where(*mine).values(**values))
    detail = {"party": seen.party_id, "version": seen.version}
    audit.record(work, f"bank_details.{state.value}", f"bank_details:{seen.id}", detail=detail)


def _tell_of_cooling(work: Work, seen: DetailsView, owner: PartyView, counts_from: datetime) -> None:
    """Everybody who may stop them learns of it while they still can."""
    people = [person.id for person in security.people_with(work, Permission.PARTY_EDIT)]
    body = f"{_shown(seen)} counts from {counts_from:%Y-%m-%d %H:%M} UTC. Withdraw it before, should it be wrong."
    _tell(work, people, seen, f"Approved, cooling off: bank details of {owner.name}", body, "approved")


def _tell(work: Work, people: list[str], seen: DetailsView, title: str, body: str, what: str) -> None:
    once, query = f"bank_details:{seen.id}:{what}", {"party": seen.party_id}
    kind = Kind.BANK_DETAILS
    notifications.notify(work, people, kind, once=once, title=title, body=body, page="parties", query=query)


def _shown(seen: DetailsView) -> str:
    return f"Version {seen.version} (account ending in {seen.last4 or '…'})"
