"""Every verb from a screen, over the API and on the command line: the same answer, and the same refusal.

The screen's side is the verb as pages call it, in a unit of the person's own; tests/pages draw the screens themselves.
"""

from collections.abc import Iterator

import pytest

from tests.api.v1.programs import open_office
from tests.processes import ROOT
from tests.surfaces import books, executions, parties, payouts, pending, periods, rates, requests, schedules
from tests.surfaces.places import Place
from tests.surfaces.ways import Case, by_api, by_command, by_screen, comparable, refusal_of

pytestmark = pytest.mark.slow
CASES = {
    **executions.CASES,
    **payouts.CASES,
    **requests.CASES,
    **books.CASES,
    **pending.CASES,
    **periods.CASES,
    **rates.CASES,
    **schedules.CASES,
    **parties.CASES,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_office(tmp_path_factory.mktemp("office"), plan_expires_s=7 * 24 * 3600) as office:
        yield Place(office, tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("name", list(CASES))
def test_a_verb_gives_the_same_answer_and_the_same_refusal_on_all_three_surfaces(place: Place, name: str):
    case = CASES[name]

    # What is changed is made anew for each; looks and refusals change nothing.
    shared = case.given(place) if case.code or not case.writes else None

    answers = [ask(place, case, shared or case.given(place)) for ask in (by_screen, by_api, by_command)]
    screen, api, cli = (comparable(answer, case) for answer in answers)

    assert screen.get("code", "") == case.code
    assert api == screen
    assert cli == screen
    if case.code:
        on_screen, by_program, at_terminal = (refusal_of(answer) for answer in answers)
        assert by_program == at_terminal
        assert on_screen[0] in {"", by_program[0]}, "a page that draws nothing says nothing"


def procedures() -> list[tuple[str, ...]]:
    """(to do, command, route, page) of each row of the operator's table."""
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    part = text.split("## The ledger, procedure by procedure")[1].split("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| ") and "`" in line]
    return [tuple(cell.strip().strip("`") for cell in row.strip("|").split("|")) for row in rows]


@pytest.mark.parametrize("row", procedures(), ids=lambda row: row[0])
def test_each_procedure_of_the_operator_is_one_that_is_carried_out_here(row: tuple[str, ...]):
    """Its command with its switches, its route and its page: the cases above do it by both, and draw alike."""
    _, command, route, page = row
    words = [word for word in command.split() if word == command.split()[0] or word.startswith("--")]
    method, path = route.split()

    def does(case: Case) -> bool:
        known = case.cli.split()
        same_command = known[0] == words[0] and {*words[1:]} - {"--limit", "--reason"} <= {*known}
        return not case.code and same_command and (case.api[0], bare(case.api[1])) == (method, bare(path))

    assert [name for name, case in CASES.items() if does(case)], "no case does this"
    assert f'"{page}"' in (ROOT / "pages" / "ledger.py").read_text(encoding="utf-8")


def bare(path: str) -> str:
    """A route without what is asked of it."""
    return path.split("?", maxsplit=1)[0]
