"""What the documents must say, read from the code: error codes and their kinds, tables and lists of the documents."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

KINDS = {
    "FinOpsError": "error",
    "Invalid": "invalid",
    "NotFound": "not_found",
    "NotAllowed": "not_allowed",
    "Conflict": "conflict",
    "PlanVoid": "conflict",
    "Unavailable": "unavailable",
    "Fault": "fault",
}
HOMES = {"finops_core.kernel.errors", "finops_core.kernel.faults"}
CODE = re.compile(r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$")
ROW = re.compile(
    r"^\| `(?P<code>[A-Z0-9_]+)` \| (?P<kind>[a-z_, ]+) \| (?P<means>.+?) \| (?P<act>.+?) \|$", re.MULTILINE
)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Codes:
    """The error codes of one module.

    Attributes:
        used: (code, kind) pairs.
        unclear: a sentence for each error whose code cannot be read from the source.
    """

    used: frozenset[tuple[str, str]]
    unclear: tuple[str, ...]


def links_of(text: str) -> list[str]:
    """Where a Markdown document's links lead inside the project, without anchors."""
    return LINK.findall(text)


def error_codes(tree: ast.Module) -> Codes:
    """Every code given to an error or a fault of the kernel in this module.

    A code may be a literal, a choice of literals, a constant of the module, or a parameter of a function that is
    called in the same module with one of these.
    """
    names = _imported_kinds(tree)
    used, unclear = set(), []
    for function, call in _calls(tree):
        kind = names.get(_word(call.func)) or _noted(call)
        if kind is None or any(keyword.arg is None for keyword in call.keywords):
            continue  # not an error; or Fault(**stored), which only reads back what was made elsewhere
        given = _argument(call, 0, "code")
        found = _texts(tree, function, given)
        used |= {(code, kind) for code in found}
        if not found or not all(CODE.match(code) for code in found):
            code = ast.unparse(given) if given else "none"
            unclear.append(f"line {call.lineno}: the code `{code}` cannot be read; write it as a literal")
    return Codes(frozenset(used), tuple(unclear))


def _noted(call: ast.Call) -> str | None:
    # Intake gathers its faults: `faults.add("CODE", "a sentence", …)`.
    code = call.args[0] if len(call.args) > 1 and _word(call.func) == "add" else None
    return "fault" if isinstance(code, ast.Constant) and CODE.match(str(code.value)) else None


def documented_codes(text: str) -> dict[str, set[str]]:
    """Code -> kinds, from the table of docs/errors.md."""
    return {row["code"]: set(row["kind"].split(", ")) for row in ROW.finditer(text)}


def glossary_terms(text: str) -> list[str]:
    """The terms of the glossary in the order they stand."""
    return re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE)


def floors(text: str) -> list[str]:
    """The rooms of the first block that begins with the command line, a floor a line."""
    block = text[text.index("\n__main__ ") :].partition("```")[0]
    return [re.split(r" {2,}", line)[0] for line in block.strip().splitlines()]


def environment_names(text: str) -> dict[str, str]:
    """Variable -> value of an example environment file, those commented out included."""
    return dict(re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


def _imported_kinds(tree: ast.Module) -> dict[str, str]:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in HOMES]
    names = {
        alias.asname or alias.name: KINDS[alias.name] for node in imports for alias in node.names if alias.name in KINDS
    }
    # An area's own error is a subclass and takes the code the same way.
    own = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return names | {node.name: names[_word(base)] for node in own for base in node.bases if _word(base) in names}


def _calls(tree: ast.AST, function: Function | None = None) -> Iterator[tuple[Function | None, ast.Call]]:
    """Every call, with the function it stands in."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield function, node
        yield from _calls(node, node if isinstance(node, Function) else function)


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    by_name = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    return by_name or (call.args[position] if position < len(call.args) else None)


def _texts(tree: ast.Module, function: Function | None, node: ast.expr | None) -> set[str]:
    """Every text an expression may be; empty when that cannot be told."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return _texts(tree, function, node.body) | _texts(tree, function, node.orelse)
    if isinstance(node, ast.Name):
        return _parameter(tree, function, node.id) or _constant(tree, node.id)
    return set()


def _parameter(tree: ast.Module, function: Function | None, name: str) -> set[str]:
    """What is given for a parameter wherever its function is called in this module."""
    if function is None:
        return set()
    parameters = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    if name not in [*parameters, *(argument.arg for argument in function.args.kwonlyargs)]:
        return set()
    shift = 1 if parameters[:1] == ["self"] else 0
    position = parameters.index(name) - shift if name in parameters else 99
    calls = [
        (caller, call)
        for caller, call in _calls(tree)
        if _word(call.func) == function.name and caller is not function  # a function that calls itself adds nothing
    ]
    return {text for caller, call in calls for text in _texts(tree, caller, _argument(call, position, name))}


def _constant(tree: ast.Module, name: str) -> set[str]:
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    return {
        text
        for node in assigned
        for target in node.targets
        if isinstance(target, ast.Name) and target.id == name
        for text in _texts(tree, None, node.value)
    }


def _word(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
