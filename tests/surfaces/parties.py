"""Parties, their bank details and identity: the cases."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from finops_core import approvals, parties
from finops_core.answers import parties as told
from finops_core.kernel.ids import new_id
from finops_core.parties import BankDetails, IdentityCheck, IdentityStatus, PartyFilter, PartyKind
from tests.surfaces.books import shown
from tests.surfaces.places import Ids, Place, nothing
from tests.surfaces.ways import Case

IBAN = "DE89370400440532013000"
GIVEN = BankDetails("Lumen", IBAN)
LATER = date(2035, 1, 1)
SEEN = IdentityCheck(IdentityStatus.VERIFIED, evidence="passport", expires_on=LATER)
DETAILS = {"holder": "Lumen", "account": IBAN, "reason": "letter"}
PROPOSE = f"propose-details {{party}} --holder Lumen --account {IBAN} --reason letter"
IDENTITY = {"status": "verified", "evidence": "passport", "expires_on": LATER.isoformat()}
NOTE = f"note-identity {{party}} verified --evidence passport --until {LATER.isoformat()}"


def party(place: Place) -> Ids:
    """A company of a name nobody else has."""
    world, name = place.office.world, new_id("lumen")
    with world.desk.work(world.actor("ana")) as work:
        return {"party": parties.add_party(work, PartyKind.COMPANY, name), "called": name}


def proposed(place: Place) -> Ids:
    ids, world = party(place), place.office.world
    with world.desk.work(world.actor("ana")) as work:
        return {**ids, "details": parties.propose_details(work, ids["party"], GIVEN, "letter")}


def counting(place: Place) -> Ids:
    ids, world = proposed(place), place.office.world
    with world.desk.work(world.actor("ben")) as work:
        request = approvals.of_subject(work, "bank_details", ids["details"])[0]
        approvals.decide(work, request.id, approvals.Decision.APPROVED, "", request.content_hash)
    return ids


def closed(place: Place) -> Ids:
    ids, world = party(place), place.office.world
    with world.desk.work(world.actor("ana")) as work:
        parties.close_party(work, ids["party"], "merged")
    return ids


def checked(place: Place) -> Ids:
    ids, world = party(place), place.office.world
    with world.desk.work(world.actor("carla")) as work:
        parties.note_identity(work, ids["party"], SEEN)
    return ids


def after(act: Callable[[Any, Ids], object]) -> Callable[[Any, Ids], Any]:
    """What a page does, and the party as it stands then."""

    def done(work: Any, ids: Ids) -> Any:
        act(work, ids)
        return shown(told.told(parties.party(work, ids["party"])))

    return done


def added(work: Any, _: Ids) -> Any:
    return shown(told.told(parties.party(work, parties.add_party(work, PartyKind.PERSON, "Ann"))))


def at(rest: str = "") -> str:
    return f"/parties/{{party}}{rest}"


PROPOSED = after(lambda w, i: parties.propose_details(w, i["party"], GIVEN, "letter"))
WITHDRAWN = after(lambda w, i: parties.withdraw_details(w, i["details"], "wrong"))
NOTED = after(lambda w, i: parties.note_identity(w, i["party"], SEEN))
CASES: Mapping[str, Case] = {
    "parties by a part of their names": Case(
        "eva",
        counting,
        lambda r, i: {
            "items": [shown(told.told(each)) for each in parties.parties(r, PartyFilter(i["called"]))],
            "next": "",
        },
        ("GET", "/parties?text={called}", None),
        "parties {called}",
        writes=False,
    ),
    "parties without the right": Case(
        "adam",
        nothing,
        lambda r, _: parties.parties(r),
        ("GET", "/parties", None),
        "parties",
        code="NOT_ALLOWED",
        writes=False,
    ),
    "one party": Case(
        "ben",
        counting,
        lambda r, i: shown(told.told(parties.party(r, i["party"]))),
        ("GET", at(), None),
        "party {party}",
        writes=False,
    ),
    "a party that is none": Case(
        "eva",
        nothing,
        lambda r, _: parties.party(r, "party_none"),
        ("GET", "/parties/party_none", None),
        "party party_none",
        code="PARTY_UNKNOWN",
        writes=False,
    ),
    "add a party": Case(
        "ana", nothing, added, ("POST", "/parties", {"kind": "person", "name": "Ann"}), "add-party person Ann"
    ),
    "add a party without the right": Case(
        "ben",
        nothing,
        lambda w, _: parties.add_party(w, PartyKind.PERSON, "Ann"),
        ("POST", "/parties", {"kind": "person", "name": "Ann"}),
        "add-party person Ann",
        code="NOT_ALLOWED",
    ),
    "rename a party": Case(
        "ana",
        party,
        after(lambda w, i: parties.rename_party(w, i["party"], "Kestrel")),
        ("POST", at("/rename"), {"name": "Kestrel"}),
        "rename-party {party} Kestrel",
    ),
    "close a party": Case(
        "ana",
        party,
        after(lambda w, i: parties.close_party(w, i["party"], "merged")),
        ("POST", at("/close"), {"reason": "merged"}),
        "close-party {party} --reason merged",
    ),
    "close a party twice": Case(
        "ana",
        closed,
        lambda w, i: parties.close_party(w, i["party"], "merged"),
        ("POST", at("/close"), {"reason": "merged"}),
        "close-party {party} --reason merged",
        code="PARTY_CLOSED",
    ),
    "versions of bank details": Case(
        "eva",
        counting,
        lambda r, i: {"items": [shown(told.details(each)) for each in parties.details(r, i["party"]).versions]},
        ("GET", at("/details"), None),
        "details {party}",
        writes=False,
    ),
    "propose bank details": Case("ana", party, PROPOSED, ("POST", at("/details"), DETAILS), PROPOSE),
    "propose bank details without the right": Case(
        "ben", party, PROPOSED, ("POST", at("/details"), DETAILS), PROPOSE, code="NOT_ALLOWED"
    ),
    "propose while others wait": Case(
        "carla", proposed, PROPOSED, ("POST", at("/details"), DETAILS), PROPOSE, code="DETAILS_PENDING"
    ),
    "propose what counts already": Case(
        "ana", counting, PROPOSED, ("POST", at("/details"), DETAILS), PROPOSE, code="DETAILS_SAME"
    ),
    "propose what is no account": Case(
        "ana",
        party,
        lambda w, i: parties.propose_details(w, i["party"], BankDetails("", "DE00"), "letter"),
        ("POST", at("/details"), {"holder": "", "account": "DE00", "reason": "letter"}),
        "propose-details {party} --account DE00 --reason letter",
        code="BANK_DETAILS_BAD",
    ),
    "withdraw bank details": Case(
        "carla",
        proposed,
        WITHDRAWN,
        ("POST", "/parties/details/{details}/withdraw", {"reason": "wrong"}),
        "withdraw-details {details} --reason wrong",
    ),
    "withdraw those that count": Case(
        "carla",
        counting,
        WITHDRAWN,
        ("POST", "/parties/details/{details}/withdraw", {"reason": "wrong"}),
        "withdraw-details {details} --reason wrong",
        code="DETAILS_SETTLED",
    ),
    "checks of an identity": Case(
        "eva",
        checked,
        lambda r, i: {"items": [shown(told.identity(each)) for each in parties.identities_of(r, i["party"])]},
        ("GET", at("/identity"), None),
        "identity {party}",
        writes=False,
    ),
    "note an identity": Case("carla", party, NOTED, ("POST", at("/identity"), IDENTITY), NOTE),
    "note an identity without the right": Case(
        "ana", party, NOTED, ("POST", at("/identity"), IDENTITY), NOTE, code="NOT_ALLOWED"
    ),
    "note an identity without its last day": Case(
        "carla",
        party,
        lambda w, i: parties.note_identity(w, i["party"], IdentityCheck(IdentityStatus.VERIFIED, evidence="passport")),
        ("POST", at("/identity"), {"status": "verified", "evidence": "passport"}),
        "note-identity {party} verified --evidence passport",
        code="IDENTITY_BAD",
    ),
}
