"""Every screen, full, empty and failing, in both sizes and both schemes: fits, and keeps nobody out.

Each leaves its picture.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import axe
from tests.e2e.backstage import Backstage
from tests.e2e.screens import Screen
from tests.e2e.servers import bare_app
from tests.e2e.stations import EMPTY, FAILING, FULL, WHO, Stations, arrange
from tests.webapp import WebApp
from tests.world import running_world

# Some sixty screens are come to one after the other: on a machine that does much else, that takes its time.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(480)]
# Each size and each scheme: what fits is a matter of the size, what can be read of the scheme.
LOOKS = pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
# More faults than are shown without a frame, which scrolls by itself.
WRONG = "currency,maximum\n" + "".join(f"{letter}{letter},-1\n" for letter in "ABCDEFGHIJKL")


@pytest.fixture(scope="module")
def things(backstage: Backstage) -> dict[str, str]:
    return arrange(backstage)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebApp]:
    """The app over the demo company, where nothing has ever happened and no worker is."""
    folder: Path = tmp_path_factory.mktemp("quiet")
    with running_world(folder):
        pass
    with bare_app(folder) as app:
        yield app


@pytest.fixture
def walk(visit, size: str, scheme: str) -> Callable[..., Iterator[tuple[str, Screen]]]:
    """``walk(app, stations)`` comes to each of them in turn, as a link leads there."""

    def each(app: WebApp, stations: Stations, **things: str) -> Iterator[tuple[str, Screen]]:
        backstage, screens = Backstage(app), {}
        for station, (who, path) in stations.items():
            if who in screens:
                screens[who].move(path.format(**things))
            else:
                cookie = backstage.cookie(who) if who in WHO else ""
                screens[who] = visit(app, path.format(**things), cookie=cookie, size=size, scheme=scheme)
            yield station, screens[who]

    return each


def troubles(screen: Screen, station: str) -> list[str]:
    """What is wrong with a screen; its picture is kept."""
    screen.look(f"60-{station}")
    found = [f"too wide: {each}" for each in screen.too_wide()] + axe.faults(screen.page)
    low = screen.low_buttons() if screen.size == "phone" else []
    return found + [f"too low for a thumb: {each}" for each in low]


@LOOKS
def test_every_screen_fits_and_keeps_nobody_out(app, things, walk, enter, size: str, scheme: str):
    # Given something on every page, money in doubt, and a file full of faults
    ana = enter("ana", "run?operation=payouts.stripe_balance", size=size, scheme=scheme)
    ana.choose("wrong.csv", WRONG.encode())
    ana.press("Make the plan")
    ana.sees("things to mend in wrong.csv")

    # When each screen is looked at
    found = {"wrong-file": troubles(ana, "wrong-file")}
    found |= {station: troubles(screen, station) for station, screen in walk(app, FULL | FAILING, **things)}

    # Then nothing is in anybody's way
    assert {station: faults for station, faults in found.items() if faults} == {}


@LOOKS
def test_a_desk_where_nothing_has_happened_keeps_nobody_out(quiet, walk, size: str, scheme: str):
    found = {station: troubles(screen, station) for station, screen in walk(quiet, EMPTY)}

    assert {station: faults for station, faults in found.items() if faults} == {}
