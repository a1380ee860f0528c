"""Our own bank account, from which the payouts of a bank file are made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

from finops_core.adapters.bank_file import accounts, parties
from finops_core.kernel.errors import Invalid
from finops_core.kernel.provider import Address

TEXT_MAX = 10_000
_EXAMPLE = '{"name": …, "iban": …, "bic": …, "address": {"town": …, "country": …, "street": …, …}}'
_ADDRESS = tuple(field.name for field in fields(Address))


@dataclass(frozen=True, slots=True)
class Debtor:
    """The account holder, the account and its bank. ``iban`` is never shown."""

    name: str
    iban: str
    bic: str
    address: Address

    def __repr__(self) -> str:
        return f"Debtor(iban=…{self.iban[-4:]})"

    @classmethod
    def from_text(cls, text: str) -> "Debtor":
        """Read ``{"name", "iban", "bic", "address": {"town", "country", "street", "building", "post_code"}}``.

        Street, building and post code may be left out. Raises Invalid BANK_ACCOUNT_BAD that says everything that is
        wrong, in words, and repeats no number.
        """
        problems: list[str] = []
        told = _object(text, problems)
        debtor = cls(
            name=_text(told, "name", problems),
            iban=_text(told, "iban", problems),
            bic=_text(told, "bic", problems),
            address=_address(told, problems),
        )
        problems += [f"The field {name[:40]!r} is not known." for name in told if name not in _FIELDS]
        hint = f"Give the account as JSON: {_EXAMPLE}." if problems else "Correct what is named here."
        problems = problems or _wrong_with(debtor)
        if problems:
            raise Invalid("BANK_ACCOUNT_BAD", "The bank account cannot be used. " + " ".join(problems), hint=hint)
        return debtor


_FIELDS = tuple(field.name for field in fields(Debtor))


def _object(text: str, problems: list[str]) -> Mapping[str, object]:
    try:
        told = json.loads(text) if len(text) <= TEXT_MAX else None
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        return told
    problems.append("It is not a JSON object.")
    return {}


def _text(told: Mapping[str, object], name: str, problems: list[str], *, required: bool = True) -> str:
    value = told.get(name, "")
    if not isinstance(value, str):
        problems.append(f"The field {name!r} is not a text.")
    elif required and name not in told:
        problems.append(f"The field {name!r} is missing.")
    else:
        return value  # an empty one is told in the words of people, by ``_wrong_with``
    return ""


def _address(told: Mapping[str, object], problems: list[str]) -> Address:
    value = told.get("address")
    if not isinstance(value, dict):
        problems.append("The field 'address' is missing, or not an object.")
        return Address(town="", country="")
    problems += [f"The field {name[:40]!r} of the address is not known." for name in value if name not in _ADDRESS]
    required = ("town", "country")
    return Address(**{name: _text(value, name, problems, required=name in required) for name in _ADDRESS})


def _wrong_with(debtor: Debtor) -> list[str]:
    texts = {"The name": debtor.name, **parties.address_texts(debtor.address)}
    found = [
        accounts.iban_problem(debtor.iban) if debtor.iban else "The IBAN is missing.",
        accounts.bic_problem(debtor.bic) if debtor.bic else "The BIC is missing.",
        parties.name_problem(debtor.name),
        *parties.address_problems(debtor.address),
        *(parties.character_problem(what, text) for what, text in texts.items()),
    ]
    return [problem for problem in found if problem]
