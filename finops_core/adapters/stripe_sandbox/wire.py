"""Form bodies as Stripe reads them, and answers as it writes them. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from finops_core.adapters.stripe_sandbox.refusals import Refusal

MAX_FIELDS = 1000
MAX_DEPTH = 6

# A parameter is a text, or a map of parameters: ``metadata[order]=1`` and ``created[gte]=5``. Lists
# (``expand[]=x``, ``expand[0]=x``) are maps whose keys are positions.
Param = str | dict[str, "Param"]
Params = dict[str, Param]
JsonObject = dict[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer before it is put on the wire."""

    status: int
    body: JsonObject
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The body as Stripe prints it: indented JSON."""
        return json.dumps(self.body, indent=2, ensure_ascii=False).encode()


def parse_form(text: str) -> Params:
    """Nested parameters of a form body or query string; ``Refusal`` (400) when they cannot be read."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Refusal(400, "The request's parameters could not be read.") from error
    params: Params = {}
    for name, value in pairs:
        _put(params, _parts(name), value)
    return params


def _parts(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [name]
    if not head or not rest.endswith("]"):
        raise Refusal(400, f"Invalid parameter name: {name[:100]}", param=name[:100])
    parts = [head, *rest[:-1].split("][")]
    if len(parts) > MAX_DEPTH:
        raise Refusal(400, f"Parameter nested too deeply: {name[:100]}", param=name[:100])
    return parts


def _put(params: Params, parts: list[str], value: str) -> None:
    here = params
    for part in parts[:-1]:
        inner = here.setdefault(part, {})
        if not isinstance(inner, dict):
            raise Refusal(400, f"Parameter given both as a value and as a map: {parts[0]}", param=parts[0])
        here = inner
    last = parts[-1] or str(len(here))
    if last in here:
        raise Refusal(400, f"Parameter given twice: {parts[0]}", param=parts[0])
    here[last] = value
