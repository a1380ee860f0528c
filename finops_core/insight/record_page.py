"""The record of an execution as one HTML file: no script, nothing from elsewhere, readable on paper."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def page(facts: Mapping[str, Any]) -> str:
    """The page. Every fact is escaped by the template, whatever somebody typed into a name or a comment."""
    people: Mapping[str, str] = facts["people"]
    trail = [{**json.loads(line["body"]), "position": line["position"]} for line in facts["audit"]["records"]]
    return _template().render(**facts, trail=trail, who=lambda person_id: people.get(person_id, person_id))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("finops_core.insight", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = _when
    environment.filters["said"] = _said
    return environment.get_template("record.html")


def _when(instant: str | None) -> str:
    """``2026-11-26T10:43:32.123456+00:00`` as ``2026-11-26 10:43:32 UTC``; everybody's clock is the same one."""
    return f"{instant[:10]} {instant[11:19]} UTC" if instant else ""


def _said(value: object) -> str:
    """A state's or verb's name as words."""
    return str(value).replace("_", " ").replace(".", ": ")
