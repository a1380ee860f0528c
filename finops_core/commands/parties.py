"""Commands about parties: whom one deals with, their bank details in versions, and what is known of their identity."""

import sys
from typing import Annotated

import typer

from finops_core.commands.acting import Json
from finops_core.commands.asking import Limit, change, day_of, look, one_of
from finops_core.commands.ledger import Past, Reason

Party = Annotated[str, typer.Argument(help="Id of a party, party_….")]
STANDARD_INPUT, LONGEST = "-", 200


def parties(
    text: Annotated[str, typer.Argument(help="Part of a name, an id, or the last four of an account.")] = "",
    kind: Annotated[str, typer.Option(help="person, company or own.")] = "",
    closed: Annotated[bool, typer.Option("--closed", help="Closed ones too.")] = False,
    limit: Limit = 50,
    past: Past = "",
    as_json: Json = False,
) -> None:
    """People and companies one deals with, and the organisation's own accounts."""
    from finops_core.answers import parties as verbs
    from finops_core.answers.ledger_verbs import Part
    from finops_core.commands import contacts
    from finops_core.parties import PartyFilter, PartyKind

    if kind:
        one_of(PartyKind, kind, "--kind")
    wanted, part = PartyFilter(text, kind, closed), Part(limit, past)
    look(lambda reading: verbs.parties(reading, wanted, part), contacts.parties, as_json=as_json)


def party(name: Party, as_json: Json = False) -> None:
    """One party: the bank details that count, those that are to, and its identity."""
    from finops_core.answers import parties as verbs
    from finops_core.commands import contacts

    look(lambda reading: verbs.party(reading, name), contacts.party, as_json=as_json)


def add_party(
    kind: Annotated[str, typer.Argument(help="person, company or own.")],
    name: Annotated[str, typer.Argument(help="What it is called.")],
    as_json: Json = False,
) -> None:
    """Add somebody to deal with, or an account of one's own."""
    from finops_core.answers import parties as verbs
    from finops_core.commands import contacts
    from finops_core.parties import PartyKind
    from finops_core.security import Scope

    one_of(PartyKind, kind, "KIND")
    change(lambda work: verbs.add(work, PartyKind(kind), name), contacts.party, Scope.PARTIES, as_json=as_json)


def rename_party(
    party: Party, name: Annotated[str, typer.Argument(help="What it is called from now on.")], as_json: Json = False
) -> None:
    """Call a party otherwise; what it was called before is not kept."""
    from finops_core.answers import parties as verbs
    from finops_core.commands import contacts
    from finops_core.security import Scope

    change(lambda work: verbs.rename(work, party, name), contacts.party, Scope.PARTIES, as_json=as_json)


def close_party(party: Party, reason: Reason = "", as_json: Json = False) -> None:
    """Deal with a party no more; it stays closed."""
    from finops_core.answers import parties as verbs
    from finops_core.commands import contacts
    from finops_core.security import Scope

    change(lambda work: verbs.close(work, party, reason), contacts.party, Scope.PARTIES, as_json=as_json)


def details(party: Party, as_json: Json = False) -> None:
    """Every version of a party's bank details, newest first."""
    from finops_core.answers import parties as verbs
    from finops_core.commands import contacts

    look(lambda reading: verbs.versions(reading, party), contacts.versions, as_json=as_json)


def propose_details(
    party: Party,
    holder: Annotated[str, typer.Option(help="Whose account it is, as their bank writes it.")] = "",
    account: Annotated[
        str, typer.Option(help="IBAN or number; - reads it from standard input and keeps it out of the history.")
    ] = STANDARD_INPUT,
    country: Annotated[str, typer.Option(help="Of the bank; from the IBAN without.")] = "",
    bic: Annotated[str, typer.Option(help="ISO 9362.")] = "",
    bank_code: Annotated[str, typer.Option(help="Routing number, sort code or the like.")] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Ask somebody else to agree to a party's bank details; they count once they have cooled off."""
    from finops_core.answers import parties as verbs
    from finops_core.commands import contacts
    from finops_core.parties import BankDetails
    from finops_core.security import Scope

    number = sys.stdin.readline(LONGEST).strip() if account == STANDARD_INPUT else account
    given = BankDetails(holder, number, country, bic, bank_code)
    change(lambda work: verbs.propose(work, party, given, reason), contacts.party, Scope.PARTIES, as_json=as_json)


def withdraw_details(
    name: Annotated[str, typer.Argument(help="Id of a version, bank_….")], reason: Reason = "", as_json: Json = False
) -> None:
    """Stop bank details that do not count yet, whoever proposed them."""
    from finops_core.answers import parties as verbs
    from finops_core.commands import contacts
    from finops_core.security import Scope

    change(lambda work: verbs.withdraw(work, name, reason), contacts.party, Scope.PARTIES, as_json=as_json)


def identity(party: Party, as_json: Json = False) -> None:
    """Every check of a party's identity, newest first; the newest counts."""
    from finops_core.answers import parties as verbs
    from finops_core.commands import contacts

    look(lambda reading: verbs.identities(reading, party), contacts.identities, as_json=as_json)


def note_identity(
    party: Party,
    status: Annotated[str, typer.Argument(help="verified or failed.")],
    evidence: Annotated[str, typer.Option(help="What was looked at, and where it is kept.")] = "",
    until: Annotated[str, typer.Option(help="The last day it counts; none for a failed one.")] = "",
    level: Annotated[str, typer.Option(help="simplified, standard or enhanced.")] = "standard",
    file: Annotated[str, typer.Option(help="Id of a stored file that shows it.")] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Note what a check of a party's identity came to; it counts at once."""
    from finops_core.answers import parties as verbs
    from finops_core.commands import contacts
    from finops_core.parties import IdentityCheck, IdentityLevel, IdentityStatus
    from finops_core.security import Scope

    one_of(IdentityStatus, status, "STATUS")
    one_of(IdentityLevel, level, "--level")
    last_day = day_of(until, "--until")
    check = IdentityCheck(IdentityStatus(status), IdentityLevel(level), evidence, last_day, file, reason)
    change(lambda work: verbs.note(work, party, check), contacts.party, Scope.PARTIES, as_json=as_json)
