"""The rules of the house, held over the whole project; each checker is also seen to find a planted fault."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests import house

CORE = house.ROOT / "finops_core"
# fmt: off
TOP_LEVEL = {
    ".ci", ".dockerignore", ".env.example", ".gitignore", ".streamlit", "CHANGELOG.md", "Dockerfile",
    "LICENSE", "Makefile", "README.md", "app.py", "compose.yaml", "data", "docs", "examples", "finops_core",
    "pages", "pyproject.toml", "requirements-dev.txt", "requirements.txt", "tests", "ui",
}
# fmt: on

# Who else may begin or commit: migrations, before any unit can be; the sandbox, whose store is not ours.
OWN_TRANSACTIONS = {
    "platform/work.py",
    "platform/schema.py",
    "adapters/stripe_sandbox/store.py",
}

# Rooms that are no areas: their files are named by what they hold.
ENGINE_ROOMS = {"adapters", "answers", "api", "catalog", "commands", "kernel", "platform", "worker"}
# Nouns of their own that an area has beside the vocabulary: its engine, or a second subject once `service` is full.
ENGINE_FILES: dict[str, set[str]] = {
    "approvals": {
        "authority",
        "departure",
        "finding",
        "notices",
    },
    "audit": {
        "finding",
        "heads",
        "naming",
        "outside",
        "proofs",
        "sealing",
        "verification",
    },
    "connections": {
        "trial",
    },
    "files": {
        "bundles",
        "comments",
        "finding",
        "incoming",
    },
    "insight": {
        "departure",
        "mine",
        "procedures",
        "record",
        "record_page",
        "search",
        "tables",
        "verify",
    },
    "ledger": {
        "activity",
        "booking",
        "chart",
        "drift",
        "guards",
        "holdings",
        "journal",
        "locking",
        "numbering",
        "own_books",
        "pending",
        "adjusting",
        "proposing",
        "reconciling",
        "records",
        "statements",
        "stopping",
        "timing",
    },
    "notifications": {
        "about_people",
        "addresses",
        "delivery",
        "dispatches",
        "dispatching",
        "endpoints",
        "envelopes",
        "letters",
        "outbox",
    },
    "operations": {
        "admission",
        "broker",
        "cells",
        "departure",
        "drafting",
        "engine",
        "finding",
        "intake",
        "intake_faults",
        "intake_records",
        "intake_table",
        "notices",
        "outcome",
        "registry",
        "runner",
        "same_file",
        "sandbox",
        "spreadsheets",
    },
    "parties": {
        "bank_details",
        "guards",
        "identities",
    },
    "payouts": {
        "attempts",
        "bank_columns",
        "bank_export",
        "bank_status",
        "bank_transfers",
        "batch",
        "bookkeeping",
        "comparison",
        "counting",
        "fees",
        "finding",
        "following",
        "history",
        "look_up",
        "meanwhile",
        "news",
        "notices",
        "pacing",
        "planning",
        "rehearsal",
        "rehearsing",
        "remedies",
        "repair",
        "repairing",
        "report",
        "results",
        "retrying",
        "returns",
        "rounds",
        "running",
        "settlement",
        "stage",
        "strays",
    },
    "reference": {
        "ecb",
        "exchanges",
    },
    "security": {
        "attempts",
        "directory",
        "grants",
        "links",
        "news",
        "own",
        "passwords",
        "roles",
        "second_factor",
        "sessions",
        "sign_in",
        "tidying",
        "tokens",
        "totp",
    },
    "upkeep": {
        "calendars",
        "checking",
        "demo",
        "deploying",
        "digest",
        "jobs",
        "outage",
        "scheduling",
    },
}
MONEY = ("finops_core/payouts/", "finops_core/approvals/", "kernel/money.py", "adapters/stripe_currencies.py")


def sources(*folders: str) -> list[Path]:
    """The project's Python files in these folders, relative to the root."""
    return [path for path in house.project_files() if path.suffix == ".py" and path.parts[0] in folders]


def findings(paths: list[Path], checker: Callable[[ast.Module], list[str]]) -> list[str]:
    """What a checker says about some files, each with its path."""
    return [f"{path}: {text}" for path in paths for text in checker(house.parsed(house.ROOT / path))]


def test_only_the_unit_of_work_commits():
    product = sources("finops_core", "ui", "pages", "app.py")
    own = {Path("finops_core") / name for name in OWN_TRANSACTIONS}

    assert findings([path for path in product if path not in own], house.commits) == []


def test_screens_draw_nothing_while_a_unit_is_open():
    assert findings(sources("pages", "ui"), house.drawing_inside_units) == []


def test_toasts_are_drawn_in_one_place():
    # Drawn anywhere else they are lost whenever the page is drawn anew at once.
    drawn = [path for path in sources("pages", "ui") if "st.toast(" in (house.ROOT / path).read_text("utf-8")]

    assert drawn == [Path("ui/toasts.py")]


def test_every_page_opens_with_its_permission():
    assert findings(sources("pages"), house.unguarded_page) == []


def test_no_pages_folder_stands_beside_the_shell():
    # Streamlit would serve its files without the shell, and so without sign-in.
    assert not (house.ROOT / "ui" / "pages").exists()


def test_no_screen_has_the_name_of_a_library():
    """While a page is drawn Streamlit looks into ui/ first: what is imported then would be the screen of that name."""
    libraries = set(packages_distributions()) | sys.stdlib_module_names
    found = {path.stem for folder in ("ui", "pages") for path in (house.ROOT / folder).glob("*.py")} & libraries

    # Python's own is loaded by Streamlit before any page is drawn.
    assert found == {"html"}


def test_files_and_functions_keep_their_size():
    def sizes(path: Path) -> list[str]:
        lines = (house.ROOT / path).read_text(encoding="utf-8").count("\n")
        limit = house.PAGE_LINES if path.parts[0] == "pages" else house.FILE_LINES
        return [f"{path}: {text}" for text in house.too_long(house.parsed(house.ROOT / path), lines, limit)]

    product = [path for path in sources("finops_core", "ui", "pages", "app.py") if "versions" not in path.parts]
    assert [text for path in product for text in sizes(path)] == []


def test_money_is_never_a_float():
    money = [
        path
        for path in sources("finops_core")
        if any(part in str(path) for part in MONEY) or ("operations" in path.parts and "money" in path.stem)
    ]

    assert money
    assert findings(money, house.floats) == []


def test_rules_import_only_the_kernel_and_other_rules():
    assert findings([path for path in sources("finops_core") if path.name == "rules.py"], house.impure_rules) == []


def test_areas_share_one_vocabulary_of_file_names():
    found = []
    for area in sorted({path.parts[1] for path in sources("finops_core") if len(path.parts) > 2} - ENGINE_ROOMS):
        names = [path.stem for path in sources("finops_core") if path.parts[1] == area]
        extra = ENGINE_FILES.get(area, set())
        found += [f"{area}: {text}" for text in house.strange_names(names, extra)]

    assert found == []


def test_every_test_asserts_something_and_none_is_skipped():
    tests = [path for path in sources("tests") if path.name.startswith("test_")]

    assert findings(tests, house.tests_that_prove_nothing) == []


def test_the_top_level_holds_only_its_fixed_names():
    assert {path.parts[0] for path in house.project_files()} - TOP_LEVEL == set()


def test_no_file_names_a_folder_of_one_machine():
    found = []
    for path in house.project_files():
        text = (house.ROOT / path).read_bytes()
        if b"\0" not in text:
            found += [f"{path}: {finding}" for finding in house.machine_paths(text.decode("utf-8", "replace"))]

    assert found == []


def test_requirements_are_exact_and_the_tools_share_the_versions_of_the_app():
    run, dev = (
        (house.ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements-dev.txt")
    )
    versions = [{line.split(" ;")[0] for line in text.splitlines() if "==" in line} for text in (run, dev)]

    assert house.unpinned(run) + house.unpinned(dev) == []
    assert versions[0] - versions[1] == set()


PLANTED = {
    "a commit": (house.commits, "connection.commit()", "connection.execute(x)"),
    "a transaction of its own": (house.commits, "with engine.begin() as c: pass", "with desk.work(a) as w: pass"),
    "drawing in a unit": (
        house.drawing_inside_units,
        "with desk.work(actor) as work:\n    st.write(1)",
        "with desk.work(actor) as work:\n    x = f(work)\nst.write(x)",
    ),
    "drawing in a page's own reading": (
        house.drawing_inside_units,
        "with here.read() as reading:\n    if x:\n        st.error('no')",
        "with open(path) as file:\n    st.write(file.read())",
    ),
    "a page that only imports": (house.unguarded_page, '"""Doc."""\nimport st', '"""D."""\nimport st\nopen_page(P.X)'),
    "a page that draws first": (
        house.unguarded_page,
        "import streamlit as st\nst.title('x')\nopen_page(P.X)",
        "from ui.session import open_page\npage = open_page(P.X)\nst.title('x')",
    ),
    "a float": (house.floats, "x = float(amount)", "x = int(amount)"),
    "a float factor": (house.floats, "x = amount_minor * 0.5", "timeout_s = 0.5"),
    "a negative float added": (house.floats, "x += -0.1", "x += -1"),
    "rules that query": (
        house.impure_rules,
        "from finops_core.approvals import service",
        "from finops_core.approvals import rules\nfrom finops_core.kernel.errors import Invalid",
    ),
    "rules that take another area's face": (
        house.impure_rules,
        "from finops_core.approvals import decide",
        "from finops_core.approvals.rules import State\nimport re",
    ),
    "a hollow test": (house.tests_that_prove_nothing, "def test_x():\n    f()", "def test_x():\n    assert f()"),
    "a skipped test": (
        house.tests_that_prove_nothing,
        "@pytest.mark.skipif(True)\ndef test_x():\n    assert f()",
        "def test_x():\n    with pytest.raises(Invalid):\n        f()",
    ),
}


@pytest.mark.parametrize(("checker", "bad", "good"), PLANTED.values(), ids=list(PLANTED))
def test_a_planted_fault_is_found(checker: Callable[[ast.Module], list[str]], bad: str, good: str):
    assert checker(ast.parse(bad))
    assert checker(ast.parse(good)) == []


def test_a_long_file_and_a_long_function_are_found():
    long_function = "def f():\n" + "    x = 1\n" * house.FUNCTION_LINES

    assert len(house.too_long(ast.parse(long_function), house.FILE_LINES + 1)) == 2
    assert house.too_long(ast.parse("x = 1"), house.FILE_LINES) == []


def test_a_strange_file_name_is_found():
    assert house.strange_names(["rules", "utils"], set()) == ["utils.py is no name of the vocabulary"]


def test_a_machine_path_is_found():
    slash = "/"

    assert house.machine_paths(f"see {slash}root{slash}notes and\nalso {slash}work{slash}x") != []
    assert house.machine_paths("a framework/part, https://example.org/work and data/work/x") == []


@pytest.mark.parametrize("line", ["flask", "flask>=3", "--index-url https://example.org", "flask @ file:///tmp/x"])
def test_an_inexact_requirement_is_found(line: str):
    assert house.unpinned(f"# comment\nflask==3.1 ; sys_platform == 'win32'\n{line}\n") == [line]


VIOLATIONS = {
    "platform/planted_upward.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import finops_core.desk\n",
    "platform/planted_outside.py": "import streamlit\nimport stripe\n",
    "reference/rules.py": "from finops_core.reference import service\n",
    "kernel/planted_a.py": "from finops_core.kernel import planted_b\n",
    "kernel/planted_b.py": "from finops_core.kernel import planted_a\n",
    "utilities/__init__.py": "",
}


@pytest.mark.slow
def test_every_contract_of_the_floors_is_broken_by_a_planted_import(tmp_path: Path):
    # Given a copy of the core with an import against each contract, one of them for types only
    shutil.copy(house.ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(CORE, tmp_path / "finops_core")
    for name, text in VIOLATIONS.items():
        (tmp_path / "finops_core" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "finops_core" / name).write_text(text)

    # When the linter looks at it
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=tmp_path, check=False, capture_output=True, text=True)

    # Then no contract is kept
    assert done.returncode == 1
    assert "Contracts: 0 kept" in done.stdout
    assert "finops_core.utilities" in done.stdout
