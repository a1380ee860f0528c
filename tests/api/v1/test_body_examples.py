"""Every JSON body that the API asks for is shown by examples, and what they show is what it describes."""

from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from finops_core.api.v1.app import bare

DOCUMENT: dict[str, Any] = bare().openapi()
JSON = "application/json"


def bodies() -> dict[str, Mapping[str, Any]]:
    """The schema of each JSON body, by its address."""
    return {
        f"{method} {path}": asked["requestBody"]["content"][JSON]["schema"]
        for path, methods in DOCUMENT["paths"].items()
        for method, asked in methods.items()
        if JSON in asked.get("requestBody", {}).get("content", {})
    }


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object behind references; of one that may be left out, what it is when it is there."""
    if "$ref" in schema:
        return resolved(DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    if "anyOf" in schema:
        return resolved(next(each for each in schema["anyOf"] if each.get("type") != "null"))
    return schema


def shown(schema: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The examples of each field that has any."""
    return {name: field["examples"] for name, field in resolved(schema)["properties"].items() if "examples" in field}


def wrong(schema: Mapping[str, Any], value: object) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    return [error.message for error in validator.iter_errors(value)]


BODIES = bodies()


@pytest.mark.parametrize("asked", BODIES)
def test_each_required_field_of_a_body_has_an_example(asked: str):
    schema = BODIES[asked]

    missing = set(resolved(schema).get("required", [])) - shown(schema).keys()

    assert missing == set()
    assert shown(schema), "a body that needs nothing shows at least what it may hold"


@pytest.mark.parametrize("asked", BODIES)
def test_what_a_body_shows_is_what_it_describes(asked: str):
    schema = BODIES[asked]
    examples = shown(schema)

    body = {name: values[0] for name, values in examples.items()}
    fields = resolved(schema)["properties"]

    assert wrong(schema, body) == []
    assert [told for name, values in examples.items() for each in values for told in wrong(fields[name], each)] == []


def test_an_example_that_is_not_as_described_is_seen():
    assert wrong(BODIES["post /ledger/periods"], {"reason": "a look", "from_on": "October", "to_on": "2026-10-31"})
    assert wrong(BODIES["post /ledger/stops"], {"reason": "asked", "width": "everything"})
