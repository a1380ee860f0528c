"""What no linter holds: checkers of the house rules, each a pure function from a parsed file to what is wrong with it.

A finding is a sentence with its line. `tests/test_house.py` runs them over the project, and over planted faults.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES, PAGE_LINES, FUNCTION_LINES = 450, 130, 80

# One vocabulary of file names in every area.
AREA_FILES = {"__init__", "rules", "models", "queries", "service", "operations", "checks"}
COMMITTING = {"begin", "begin_nested", "commit"}
ASSERTING = re.compile(r"^(assert|check|expect|verify|raises$|warns$|fail$|until$|wait_(for|until)$|sees$)")
SKIPPING = {"skip", "skipif", "xfail", "importorskip"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def project_files(root: Path = ROOT) -> list[Path]:
    """Every file that is, or will be, under version control; relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    names = (Path(name) for name in listing.split("\0") if name)
    return sorted({name for name in names if (root / name).is_file()})


def commits(tree: ast.Module) -> list[str]:
    """Transactions that are begun or committed here: only `platform/work.py` does, but for a short list."""
    return [
        f"line {call.lineno}: .{call.func.attr}() belongs to platform/work.py"
        for call in _calls(tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr in COMMITTING
    ]


def drawing_inside_units(tree: ast.Module) -> list[str]:
    """Uses of `st` inside a `with ….work(…)` or `….read(…)`: a rerun would cut the transaction short."""
    return [
        f"line {node.lineno}: st is used while a unit is open"
        for block in ast.walk(tree)
        if isinstance(block, ast.With | ast.AsyncWith) and any(_opens_a_unit(item.context_expr) for item in block.items)
        for statement in block.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and node.id == "st"
    ]


def unguarded_page(tree: ast.Module) -> list[str]:
    """A page whose first statement, after docstring and imports, is not a call of `open_page`."""
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom) or _is_text(statement):
            continue
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Call) and _name(value.func) == "open_page":
            return []
        return [f"line {statement.lineno}: a page starts with open_page(…)"]
    return ["the page never calls open_page(…)"]


def too_long(tree: ast.Module, lines: int, limit: int = FILE_LINES) -> list[str]:
    """A file or functions past their size."""
    found = [f"{lines} lines; at most {limit}: does it want a second noun?"] if lines > limit else []
    for node in _functions(tree):
        size = (node.end_lineno or node.lineno) - node.lineno + 1
        if size > FUNCTION_LINES:
            found.append(f"line {node.lineno}: {node.name} has {size} lines; at most {FUNCTION_LINES}")
    return found


def floats(tree: ast.Module) -> list[str]:
    """`float(…)` and arithmetic with a float literal, where money is counted."""
    calls = [call for call in _calls(tree) if _name(call.func) == "float"]
    sums = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp | ast.AugAssign | ast.UnaryOp | ast.Compare)
        and any(isinstance(child, ast.Constant) and isinstance(child.value, float) for child in _operands(node))
    ]
    return [f"line {node.lineno}: money is never a float" for node in [*calls, *sums]]


def impure_rules(tree: ast.Module) -> list[str]:
    """Imports of a `rules.py` from the core that are neither of the kernel nor another area's `rules`."""
    found = []
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        for name in _imported(node):
            parts = name.split(".")
            if parts[0] == "finops_core" and parts[1:2] != ["kernel"] and parts[2:3] != ["rules"]:
                found.append(f"line {node.lineno}: rules may not import {name}")
    return found


def strange_names(files: list[str], extra: set[str]) -> list[str]:
    """File names of an area that are neither of the one vocabulary nor of its own short list."""
    known = AREA_FILES | extra
    return [f"{name}.py is no name of the vocabulary" for name in files if name not in known]


def tests_that_prove_nothing(tree: ast.Module) -> list[str]:
    """Test functions without anything that could fail on purpose, and tests that are skipped."""
    hollow = [
        f"line {node.lineno}: {node.name} asserts nothing"
        for node in _functions(tree)
        if node.name.startswith("test") and not _asserts(node)
    ]
    skipped = [
        f"line {node.lineno}: no test is skipped"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in SKIPPING and "pytest" in ast.unparse(node.value)
    ]
    return hollow + skipped


def machine_paths(text: str) -> list[str]:
    """Mentions of folders that exist on one machine only."""
    pattern = re.compile(r"(?<![\w.-])/(?:work|root)/|\.\./shared\b")
    return [
        f"line {number}: names a folder of one machine"
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def unpinned(text: str) -> list[str]:
    """Lines of a requirements file that are not `name==version`, with or without a marker: no index, no path."""
    pin = re.compile(r"^[a-z0-9][a-z0-9._-]*==[^\s;]+( ; [^/]+)?$")
    return [line for line in text.splitlines() if not line.startswith("#") and not pin.match(line)]


def _opens_a_unit(node: ast.expr) -> bool:
    # Whoever gives it: the desk itself, or the page's own `here.work()`.
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"work", "read"}


def _asserts(function: Function) -> bool:
    return any(
        isinstance(node, ast.Assert) or (isinstance(node, ast.Call) and ASSERTING.match(_name(node.func)))
        for node in ast.walk(function)
    )


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    home = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return [f"{home}{alias.name}" for alias in node.names]


def _operands(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child.operand if isinstance(child, ast.UnaryOp) else child


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _name(node: ast.expr) -> str:
    """The last word of what is called: `pytest.raises` gives `raises`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
