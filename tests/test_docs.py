"""The documents say what the code does: error codes, settings, the glossary."""

import ast
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from pydantic import AliasChoices

from finops_core.platform.settings import Settings
from tests import documents, house

DOCS, README = house.ROOT / "docs", house.ROOT / "README.md"

# These hand on, by this expression, a code that was raised, and so is read, elsewhere.
PASSING_ON = {
    ("finops_core/operations/intake_faults.py", "code"),
    ("finops_core/payouts/bank_transfers.py", "problem.code"),
    ("finops_core/payouts/planning.py", "problems[0].code"),
    ("finops_core/payouts/running.py", "code"),
    ("finops_core/worker/supervisor.py", "code"),
}


def codes_of_the_project() -> tuple[dict[str, set[str]], list[str]]:
    """Code -> kinds over all product code, and where a code cannot be read."""
    used: dict[str, set[str]] = defaultdict(set)
    unclear: list[str] = []
    for path in house.project_files():
        if path.suffix == ".py" and path.parts[0] in {"finops_core", "ui", "pages", "app.py"}:
            found = documents.error_codes(house.parsed(house.ROOT / path))
            for code, kind in found.used:
                used[code].add(kind)
            unclear += [f"{path}: {text}" for text in found.unclear if not _handed_on(path, text)]
    return used, unclear


def _handed_on(path: Path, told: str) -> bool:
    return any(str(path) == file and f" the code `{code}` cannot" in told for file, code in PASSING_ON)


def documented() -> dict[str, set[str]]:
    return documents.documented_codes((DOCS / "errors.md").read_text(encoding="utf-8"))


def test_every_error_code_is_documented_with_its_kinds():
    used, _unclear = codes_of_the_project()
    written = documented()

    missing = {code: kinds for code, kinds in used.items() if written.get(code) != kinds}
    assert missing == {}


def test_every_documented_code_exists():
    used, _unclear = codes_of_the_project()

    assert set(documented()) - set(used) == set()


def test_every_code_can_be_read_from_the_source():
    _used, unclear = codes_of_the_project()

    assert unclear == []


def test_error_codes_stand_in_alphabetical_order():
    assert list(documented()) == sorted(documented())


def setting_names() -> dict[str, str]:
    """Environment variable -> field."""
    names = {}
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        assert not isinstance(alias, AliasChoices)
        names[str(alias) if alias else f"TIEOUT_{field.upper()}"] = field
    return names


def test_every_setting_stands_in_the_example_with_its_default(monkeypatch: pytest.MonkeyPatch):
    # Given the example file and settings without any environment
    example = documents.environment_names((house.ROOT / ".env.example").read_text(encoding="utf-8"))
    names = setting_names()
    for name in names:
        monkeypatch.delenv(name, raising=False)
    defaults = Settings(_env_file=None)

    # When its lines are read as an environment (an empty value stands for "none")
    for name, value in example.items():
        if value:
            monkeypatch.setenv(name, value)

    # Then it names every setting and nothing else, and changes nothing
    assert set(example) == set(names)
    assert Settings(_env_file=None) == defaults


def test_the_glossary_is_sorted_and_says_each_term_once():
    terms = documents.glossary_terms((DOCS / "glossary.md").read_text(encoding="utf-8"))

    assert len(terms) > 40
    assert terms == sorted(set(terms), key=str.casefold)


def test_the_readme_leads_to_every_document_and_no_link_of_a_document_leads_nowhere():
    links = {path: documents.links_of(path.read_text(encoding="utf-8")) for path in (README, *DOCS.rglob("*.md"))}
    dead = [f"{path}: {link}" for path, found in links.items() for link in found if not (path.parent / link).exists()]

    assert {path.name for path in DOCS.glob("*.md")} - {link.removeprefix("docs/") for link in links[README]} == set()
    assert dead == []


def test_the_readme_shows_the_floors_that_the_contract_holds():
    told = tomllib.loads((house.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = told["tool"]["importlinter"]["contracts"][0]["layers"]
    names = [" | ".join(room.strip("() ") for room in layer.split("|")) for layer in layers]

    assert documents.floors(README.read_text(encoding="utf-8")) == names


def test_links_are_read_without_their_anchors_and_without_the_webs():
    assert documents.links_of("[a](b.md#c), ![d](e/f.png) [g](https://h.example) [i](#j)") == ["b.md", "e/f.png"]


def test_codes_are_read_however_they_are_given():
    # Given literals, a choice, a constant, a helper's parameter, an own subclass, a fault and a name that is not ours
    source = """
from finops_core.kernel.errors import Conflict, Invalid, NotFound
from finops_core.kernel.faults import Fault
from elsewhere import Unavailable
GONE = "ROW_GONE"
class Broken(Invalid): ...
def helper(code, message):
    return Conflict(code, message)
def f(late):
    Unavailable("NOT_OURS")
    helper("FROM_HELPER", "…")
    Fault(**stored)
    Fault(message="…", code="CELL_BAD")
    raise Broken("LATE" if late else "EARLY", "…")
    raise NotFound(GONE, "…")
"""

    # When the codes are read
    found = documents.error_codes(ast.parse(source))

    # Then each is there with its kind
    assert found.unclear == ()
    assert found.used == {
        ("FROM_HELPER", "conflict"),
        ("CELL_BAD", "fault"),
        ("LATE", "invalid"),
        ("EARLY", "invalid"),
        ("ROW_GONE", "not_found"),
    }


@pytest.mark.parametrize("code", ["table[key]", "f'{x}_BAD'", "'lower case'", "unknown"])
def test_a_code_that_cannot_be_read_is_found(code: str):
    source = f"from finops_core.kernel.errors import Invalid\nraise Invalid({code}, 'x')"

    assert documents.error_codes(ast.parse(source)).unclear != ()


def test_a_row_of_the_table_is_read():
    table = "| code | kind | what it means | what to do |\n|---|---|---|---|\n| `A_B` | fault, invalid | x | y |\n"

    assert documents.documented_codes(table) == {"A_B": {"fault", "invalid"}}
