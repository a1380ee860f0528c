"""The demo company: two organisations, six people, a funded sandbox. Seeding twice changes nothing."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finops_core import approvals, connections, reference, security
from finops_core.adapters.stripe_currencies import to_api
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.adapters.stripe_sandbox.endpoints import NewEndpoint
from finops_core.adapters.stripe_sandbox.seeding import Funding
from finops_core.adapters.stripe_sandbox.seeding import seed as seed_sandbox
from finops_core.kernel.actor import system_actor
from finops_core.kernel.errors import Unavailable
from finops_core.platform.settings import Settings
from finops_core.platform.work import Units, Work

SANDBOX_FILE = "stripe-sandbox.sqlite"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody the sign-in page of the demo offers."""

    username: str
    name: str
    does: str
    password: str


def people(settings: Settings) -> tuple[DemoPerson, ...]:
    """The demo people; none outside demo mode."""
    if not settings.demo:
        return ()
    company = _company(settings.demo_file)
    return tuple(DemoPerson(p["username"], p["name"], p["does"], company["password"]) for p in company["people"])


def seed(units: Units) -> None:
    """Make the demo company as the installation itself; each unit leaves what is already there as it is."""
    settings = units.ports.settings
    company = _company(settings.demo_file)
    _seed_sandbox(settings, company)
    with units.work(system_actor()) as work:
        security.ensure_roles(work)
        if not reference.all_ids(work):
            _add_company(work, company)
    with units.work(system_actor()) as work:
        orgs = reference.ids_by_slug(work)
    for account in company["accounts"]:
        slug = account["organisation"]
        with units.work(system_actor(orgs[slug])) as work:
            if not connections.listed(work):
                _equip(work, slug, account, company)


def hear_news(units: Units, address: str) -> None:
    """Have the sandbox send its news to this app; its address can be another one at each start.

    Args:
        units: of the desk.
        address: where this app is reached on this machine, such as ``http://127.0.0.1:8501``.
    """
    company = _company(units.ports.settings.demo_file)
    with units.work(system_actor()) as work:
        orgs = reference.ids_by_slug(work)
    endpoints = []
    for facts in company["accounts"]:
        with units.work(system_actor(orgs[facts["organisation"]])) as work:
            endpoints += _endpoint(work, facts["account"], address)
    seed_sandbox(units.ports.settings.data_dir / SANDBOX_FILE, (), (), endpoints)


def _endpoint(work: Work, account: str, address: str) -> list[NewEndpoint]:
    """Where the sandbox account's news goes; nowhere once the organisation speaks to another Stripe."""
    for connection in connections.listed(work):
        if connection.active and connection.base_url == work.ports.settings.stripe_sandbox_url:
            if not connections.webhook_secrets(work, connection.id):
                connections.set_webhook_secret(work, connection.id, f"whsec_{secrets.token_urlsafe(24)}")
            newest, *older = connections.receiver(work, connection.id).secrets
            url = f"{address}/webhooks/stripe/{connection.id}"
            return [NewEndpoint(account, url, newest, old_secret="".join(older[:1]), id=f"we_sbx_{account}")]
    return []


def _add_company(work: Work, company: dict[str, Any]) -> None:
    with work.across_orgs("the demo company is made for all its organisations at once"):
        orgs = {facts["slug"]: reference.add_organisation(work, **facts) for facts in company["organisations"]}
        for person in company["people"]:
            email = f"{person['username']}@demo.tieout.example"
            person_id = security.add_person(work, person["username"], person["name"], email, company["password"])
            for slug, roles in person["roles"].items():
                for role in roles:
                    security.grant_role(work, person_id, role, orgs[slug])


def _equip(work: Work, slug: str, account: dict[str, Any], company: dict[str, Any]) -> None:
    connections.add(
        work,
        provider="stripe",
        name="Stripe sandbox",
        mode="test",
        base_url=work.ports.settings.stripe_sandbox_url,
        account="",
        secret=account["key"],
    )
    for own in company["bank_accounts"]:
        if own["organisation"] == slug:
            connections.add(work, provider="bank_file", name=own["name"], secret=json.dumps(own["holder"]))
    by_username = {person.username: person.id for person in security.people(work)}
    for person in company["people"]:
        for item_type in person.get("authority", {}).get(slug, []):
            approvals.grant_authority(
                work,
                person_id=by_username[person["username"]],
                item_type=item_type,
                currency=approvals.ANY_CURRENCY,
                limit_minor=None,
            )


def _seed_sandbox(settings: Settings, company: dict[str, Any]) -> None:
    accounts = [_account(facts) for facts in company["accounts"]]
    funds = [
        Funding(facts["account"], currency, to_api(currency, minor), reference=f"demo {currency}")
        for facts in company["accounts"]
        for currency, minor in facts["balances"].items()
    ]
    seed_sandbox(settings.data_dir / SANDBOX_FILE, accounts, funds)


def _account(facts: dict[str, Any]) -> NewAccount:
    banks = tuple(
        Bank(b["currency"].lower(), b["bank_name"], b["country"], f"00012345{b['last4']}") for b in facts["banks"]
    )
    return NewAccount(
        key=facts["key"], id=facts["account"], country=facts["country"], schedule=facts["schedule"], banks=banks
    )


def _company(path: Path) -> dict[str, Any]:
    try:
        company: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unavailable(
            "DEMO_DATA_MISSING",
            f"The demo company ({path}) is not there.",
            hint="Start from the checkout's folder, or set TIEOUT_DEMO=false.",
        ) from None
    return company
