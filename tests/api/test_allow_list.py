"""Every route needs authentication, but for a list; each entry of the list is held against what the route does."""

from pathlib import Path

from starlette.routing import Mount, Route

from finops_core import api
from finops_core.api import v1
from finops_core.api.routes import OPEN_ROUTES
from finops_core.desk import Desk, open_desk
from tests.desks import settings_for

OPEN = {
    ("POST", "/session/begin"),
    ("POST", "/session/end"),
    ("GET", "/manifest.webmanifest"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("POST", "/webhooks/stripe/{connection}"),
}


def no_desk() -> Desk:
    raise AssertionError("making the list of routes opens nothing")


def offered() -> set[tuple[str, str]]:
    found = set()
    for route in api.routes(no_desk):
        if isinstance(route, Mount):
            assert route.path == v1.PREFIX, "a mount would hide its routes; those of the API are tried in test_v1_door"
            continue
        assert isinstance(route, Route)
        found |= {(method, route.path) for method in route.methods or () if method != "HEAD"}
    return found


def test_the_routes_that_answer_without_a_sign_in_are_these_and_no_others():
    assert OPEN_ROUTES == OPEN
    assert offered() - OPEN_ROUTES == set(), "a new route asks for a session, or is put on the list with its reason"
    assert OPEN_ROUTES - offered() == set(), "the list names no route that is gone"


def test_none_of_the_routes_has_a_name_of_streamlits_or_of_a_page():
    reserved = {"_stcore", "media", "component", "static", "app"}
    pages = {path.stem for path in (Path(__file__).parents[2] / "pages").glob("*.py")}

    assert {path.split("/")[1] for _, path in offered()} & (reserved | pages) == set()


def test_making_the_routes_opens_no_database(tmp_path: Path):
    settings = settings_for(tmp_path / "never")

    api.routes(lambda: open_desk(settings))

    assert not (tmp_path / "never").exists()
