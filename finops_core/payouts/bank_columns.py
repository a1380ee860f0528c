"""The columns of a list of payees, and what can be said of them from the file alone: told at the upload, all at once.

A cell is refused for what would keep its order out of a bank file, in the words of the bank file's own rules, and for
nothing else: a file that was stored must still be readable when it is paid. What needs our own account is for the plan.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from finops_core.adapters.bank_file import accounts, orders, parties
from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Column
from finops_core.operations import cells

IBAN_CELL, COUNTRY_CELL = 42, 2
"""An IBAN may be written in groups."""


def plain_iban(cell: str) -> str:
    """An IBAN as banks keep it: without spaces, in capitals."""
    return cell.replace(" ", "").upper()


def check(row: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """What takes two cells: the amount's decimals by its currency, and a BIC where banks cannot do without."""
    found: list[tuple[str, str]] = []
    amount, currency, iban = row.get("amount"), row.get("currency"), row.get("iban")
    if amount and currency:
        try:
            Money.parse(str(amount), str(currency))
        except Invalid as error:
            found.append(("amount", error.message))
    if currency and iban and not row.get("bic") and not accounts.is_sepa(str(currency), plain_iban(str(iban))):
        found.append(("bic", "Outside SEPA the payee's BIC is needed."))
    return found


def _currency(cell: str) -> str:
    code = cells.currency(cell)
    if code not in orders.RULES:
        raise ValueError(f"A bank file cannot pay {code}; use a currency that bank accounts are held in.")
    return code


def _amount(cell: str) -> str:
    amount = cells.decimal_amount(cell)
    if amount.startswith("-") or not amount.strip("0."):
        raise ValueError("Must be more than zero.")
    return amount


def _judged(longest: int, problem: Callable[[str], str]) -> Callable[[str], str]:
    """A reader of text that the bank file's own rules have looked at."""
    read = cells.text(longest)

    def judged(cell: str) -> str:
        text = read(cell)
        if told := problem(text):
            raise ValueError(told)
        return text

    return judged


def _written(what: str, longest: int) -> Callable[[str], str]:
    """A reader of text with the characters that a bank file can carry."""
    return _judged(longest, lambda text: parties.character_problem(what, text))


def _country_problem(text: str) -> str:
    known = text.upper() in parties.COUNTRIES
    return "" if known else f"“{text}” is no country's code such as DE or US (ISO 3166)."


COLUMNS = (
    Column("name", _written("The name", 70), required=True, description="Who is paid, up to 70 characters."),
    Column(
        "iban",
        _judged(IBAN_CELL, lambda text: accounts.iban_problem(plain_iban(text))),
        required=True,
        description="Their account; spaces do not matter.",
    ),
    Column(
        "bic",
        _judged(11, lambda text: accounts.bic_problem(text.upper())),
        description="Their bank; may be left empty for euro payments.",
    ),
    Column("currency", _currency, required=True, description="ISO 4217 code, such as EUR."),
    Column("amount", _amount, required=True, description="More than zero, with a dot."),
    Column("reference", _written("The reference", 140), description="What they see on their statement."),
    Column("street", _written("The street", 70), description="Of their address."),
    Column("building", _written("The building", 16), description="House number."),
    Column("post_code", _written("The post code", 16)),
    Column("town", _written("The town", 35), required=True, description="Banks ask for town and country."),
    Column(
        "country",
        _judged(COUNTRY_CELL, _country_problem),
        required=True,
        description="ISO 3166 code, such as DE.",
    ),
)
