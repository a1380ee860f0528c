"""The pages and the menu a role sees. Hiding a page is a courtesy: the page and every verb ask for themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import streamlit as st

from finops_core.kernel.permissions import Permission
from ui import html

PAGES_FOLDER = Path(__file__).parents[1] / "pages"


@dataclass(frozen=True, slots=True)
class Room:
    """One page: ``any_of`` lists permissions of which one puts it into the menu; ``path`` is its address.

    A page with none is everybody's and stands in no menu.
    """

    file: str
    title: str
    icon: str
    section: str
    path: str
    any_of: tuple[Permission, ...]
    help: str


ROOMS: tuple[Room, ...] = (
    Room("home.py", "Home", "home", "", "", (Permission.HOME_VIEW,), "Five figures and what needs you."),
    Room(
        "notices.py",
        "Notices",
        "notifications",
        "",
        "notices",
        (Permission.HOME_VIEW,),
        "What you were told, how you want to be told, and what became of your mail.",
    ),
    Room(
        "search.py",
        "Search",
        "search",
        "",
        "search",
        (Permission.HOME_VIEW,),
        "Anything by number, id, amount, payee, account, file or person.",
    ),
    Room(
        "work.py",
        "My work",
        "checklist",
        "Work",
        "work",
        (Permission.HOME_VIEW,),
        "What waits for you, and what became of what you began.",
    ),
    Room(
        "run.py",
        "Upload & run",
        "upload_file",
        "Work",
        "run",
        (Permission.OPERATIONS_RUN,),
        "Choose an operation, give it a file, see its plan before anything happens.",
    ),
    Room(
        "operations.py",
        "Operations",
        "menu_book",
        "Work",
        "operations",
        (Permission.OPERATIONS_RUN, Permission.OPERATIONS_ADMINISTER, Permission.EXECUTIONS_VIEW_ALL),
        "What can be run: procedure, versions, who may, and how it went.",
    ),
    Room(
        "executions.py",
        "Executions",
        "play_circle",
        "Work",
        "executions",
        (Permission.EXECUTIONS_VIEW_OWN, Permission.EXECUTIONS_VIEW_ALL, Permission.APPROVALS_VIEW),
        "What ran, what runs, what came of it.",
    ),
    Room(
        "payouts.py",
        "Money in flight",
        "flight_takeoff",
        "Work",
        "payouts",
        (Permission.EXECUTIONS_VIEW_OWN, Permission.EXECUTIONS_VIEW_ALL, Permission.APPROVALS_VIEW),
        "Every payout from the call to the bank: on its way, late, in doubt, come back.",
    ),
    Room(
        "files.py",
        "Files",
        "folder_open",
        "Work",
        "files",
        (Permission.FILES_VIEW_OWN, Permission.FILES_VIEW_ALL),
        "What was uploaded and made: versions, hashes, where each is used.",
    ),
    Room(
        "approvals.py",
        "Approvals",
        "task_alt",
        "Decide",
        "approvals",
        (Permission.APPROVALS_VIEW,),
        "Requests that wait for a second person.",
    ),
    Room(
        "ledger.py",
        "Ledger",
        "account_balance",
        "Control",
        "ledger",
        (Permission.LEDGER_VIEW,),
        "The books: trial balance, every entry with its document, each account's statement.",
    ),
    Room(
        "parties.py",
        "Parties",
        "contacts",
        "Control",
        "parties",
        (Permission.PARTY_VIEW,),
        "Whom we deal with: bank details that two people agree to, identity, and our own accounts.",
    ),
    Room(
        "audit.py",
        "Audit",
        "policy",
        "Control",
        "audit",
        (Permission.AUDIT_VIEW,),
        "Who did what, when, and its proof.",
    ),
    Room(
        "records.py",
        "Records",
        "table_rows",
        "Control",
        "records",
        (Permission.AUDIT_VIEW,),
        "The rows of every table you may look into, with what is confidential masked.",
    ),
    Room(
        "people.py",
        "People",
        "group",
        "Administration",
        "people",
        (Permission.PEOPLE_ADMINISTER,),
        "Who works here, by which roles; invitations, resets, and who had access when.",
    ),
    Room(
        "connections.py",
        "Connections",
        "cable",
        "Administration",
        "connections",
        (Permission.CONNECTIONS_ADMINISTER,),
        "The providers of the organisation: their keys, tests and news.",
    ),
    Room(
        "forwarding.py",
        "Forwarding",
        "webhook",
        "Administration",
        "forwarding",
        (Permission.CONNECTIONS_ADMINISTER,),
        "Webhooks and Slack channels that notices are sent on to, and what became of each.",
    ),
    Room(
        "health.py",
        "Health",
        "monitor_heart",
        "Administration",
        "health",
        (Permission.HEALTH_VIEW,),
        "Database, worker, queue, log, and the checks that must always hold.",
    ),
    Room("me.py", "Me", "account_circle", "", "me", (), "Your profile, password, second factor and sessions."),
)


def all_pages() -> list[st.Page]:
    """Every page, for a visitor who is not signed in: registered so that the address is kept, none of them run."""
    return [_page(room, seen=True) for room in ROOMS]


def rooms_for(held: frozenset[Permission]) -> tuple[Room, ...]:
    """The pages somebody with these permissions finds in the menu."""
    return tuple(room for room in ROOMS if any(permission in held for permission in room.any_of))


def menu(held: frozenset[Permission]) -> Mapping[str, Sequence[st.Page]]:
    """The menu by sections. Pages outside the role stay reachable by address and say so themselves."""
    seen = rooms_for(held)
    sections: dict[str, list[st.Page]] = {}
    for room in ROOMS:
        sections.setdefault(room.section, []).append(_page(room, seen=room in seen))
    return sections


def go(path: str, **query: str) -> NoReturn:
    """Leave this page for another one of the desk, in the organisation this tab is drawn for."""
    room = next(room for room in ROOMS if room.path == path)
    st.switch_page(PAGES_FOLDER / room.file, query_params=html.addressed(query))


def _page(room: Room, *, seen: bool) -> st.Page:
    return st.Page(
        PAGES_FOLDER / room.file,
        title=room.title,
        icon=f":material/{room.icon}:",
        url_path=room.path or None,
        default=not room.path,
        visibility="visible" if seen else "hidden",
        help=room.help,
    )
