"""A payout order as bytes: what is stored before a call, sent with it and kept in the outbox. Pure.

The same order gives the same bytes (RFC 8785), and bytes that are not exactly what ``body_of`` makes are not read.
"""

import json
import re

from finops_core.adapters.bank_file import accounts, parties
from finops_core.kernel import currencies
from finops_core.kernel.canonical import canonical_bytes
from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import MAX_MINOR, Money
from finops_core.kernel.provider import Address, Creditor, CurrencyRule, PayoutOrder

REMITTANCE_MAX = 140
END_TO_END_MAX = 35
KEY_MAX = 255
SEPA_MAX_MINOR = 99_999_999_999
"""The largest SEPA credit transfer, 999,999,999.99 EUR (EPC125-05, AT-T002)."""

# Units of account, funds and complementary currencies of ISO 4217: counted in, but held in no bank account.
_NOT_TRANSFERRED = frozenset(("BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW", "XAD"))
_ID = re.compile(r"[A-Za-z0-9\-?:().,'+]+(?:/[A-Za-z0-9\-?:().,'+]+)*")
_VERSION = "1"

RULES = {
    code: CurrencyRule(currency=code, step_minor=1, minimum_minor=1)
    for code in currencies.codes()
    if code not in _NOT_TRANSFERRED
}


def end_to_end_id(key: str) -> str:
    """What the bank calls the order by: the first 35 characters of its key."""
    return key[:END_TO_END_MAX]


def id_problem(identifier: str) -> str:
    """Why a bank would not take this as an identifier, "" when it would (EPC132-08: no / at the ends, no //)."""
    if len(identifier) > END_TO_END_MAX or not _ID.fullmatch(identifier):
        return (
            f"It must have 1 to {END_TO_END_MAX} letters (a-z), digits or / - ? : ( ) . , ' + and no / at its start, "
            "at its end or twice in a row."
        )
    return ""


def body_of(order: PayoutOrder) -> bytes:
    """The order as canonical JSON, amounts as texts."""
    creditor, address = order.creditor, order.creditor.address if order.creditor else None
    return canonical_bytes(
        {
            "v": _VERSION,
            "account": order.account,
            "currency": order.currency,
            "amount_minor": str(order.amount_minor),
            "destination": order.destination,
            "source_type": order.source_type,
            "method": order.method,
            "descriptor": order.descriptor,
            "metadata": dict(order.metadata),
            "creditor": creditor and {"name": creditor.name, "iban": creditor.iban, "bic": creditor.bic},
            "address": address and {name: getattr(address, name) for name in Address.__slots__},
        }
    )


def order_of(body: bytes) -> PayoutOrder:
    """Read what ``body_of`` made; ValueError for anything else."""
    try:
        told = json.loads(body)
        order = PayoutOrder(
            **{name: told[name] for name in ("account", "currency", "destination", "source_type", "method")},
            descriptor=told["descriptor"],
            amount_minor=int(told["amount_minor"]),
            metadata=dict(told["metadata"]),
            creditor=told["creditor"] and Creditor(**told["creditor"], address=Address(**told["address"])),
        )
        same = body_of(order) == body
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("not an order") from error
    if not same:
        raise ValueError("not an order in its canonical form")
    return order


def problems_of(order: PayoutOrder, debtor_iban: str) -> list[Invalid]:
    """Everything that keeps an order out of a bank file, as errors to raise or to show; empty when it can be sent.

    BANK_CURRENCY_UNSUPPORTED, BANK_AMOUNT_BAD, BANK_CREDITOR_MISSING, BANK_PAYEE_OURS, BANK_IBAN_BAD, BANK_BIC_BAD,
    BANK_NAME_BAD, BANK_ADDRESS_BAD, BANK_REMITTANCE_LONG and BANK_CHARACTERS_BAD.
    """
    creditor = order.creditor
    if creditor is None:
        message = "The order does not say whom to pay."
        missing = Invalid("BANK_CREDITOR_MISSING", message, hint="Give the payee's name, IBAN and address.")
        return [*_amount_problems(order, sepa=False), missing, *_remittance_problems(order)]
    sepa = accounts.is_sepa(order.currency, debtor_iban, creditor.iban)
    return [
        *_own_problems(creditor, debtor_iban),
        *_amount_problems(order, sepa=sepa),
        *_account_problems(creditor, sepa=sepa),
        *_party_problems(creditor),
        *_remittance_problems(order),
    ]


def _own_problems(creditor: Creditor, debtor_iban: str) -> list[Invalid]:
    if creditor.iban != debtor_iban:
        return []
    message = "The payee's account is the very one that this file is paid from."
    return [Invalid("BANK_PAYEE_OURS", message, hint="Ask the payee for theirs, or leave the row out.")]


def _amount_problems(order: PayoutOrder, *, sepa: bool) -> list[Invalid]:
    if order.currency not in RULES:
        message = f"A bank file cannot pay {order.currency[:20]!r}."
        return [Invalid("BANK_CURRENCY_UNSUPPORTED", message, hint="Use a currency that bank accounts are held in.")]
    longest = SEPA_MAX_MINOR if sepa else MAX_MINOR
    if type(order.amount_minor) is int and 0 < order.amount_minor <= longest:
        return []
    least, most = Money(1, order.currency), Money(longest, order.currency)
    message = f"A bank file pays whole minor units from {least.plain()} to {most}."
    return [Invalid("BANK_AMOUNT_BAD", message, hint="Correct the amount.", amount_minor=str(order.amount_minor))]


def _account_problems(creditor: Creditor, *, sepa: bool) -> list[Invalid]:
    found = []
    if problem := accounts.iban_problem(creditor.iban):
        found.append(Invalid("BANK_IBAN_BAD", f"The payee's account: {problem}", hint="Ask the payee for it again."))
    # Within SEPA banks route by the IBAN alone; elsewhere they cannot.
    if creditor.bic or not sepa:
        problem = accounts.bic_problem(creditor.bic) if creditor.bic else "Outside SEPA the payee's BIC is needed."
        if problem:
            found.append(Invalid("BANK_BIC_BAD", problem, hint="The payee's bank tells it."))
    return found


def _party_problems(creditor: Creditor) -> list[Invalid]:
    found = []
    if problem := parties.name_problem(creditor.name):
        found.append(Invalid("BANK_NAME_BAD", problem, hint="Give it as the payee's bank knows it."))
    hint = "Give town and country in fields of their own."
    found += [Invalid("BANK_ADDRESS_BAD", why, hint=hint) for why in parties.address_problems(creditor.address)]
    texts = {"The name": creditor.name, **parties.address_texts(creditor.address)}
    return [*found, *_character_problems(texts)]


def _remittance_problems(order: PayoutOrder) -> list[Invalid]:
    found = _character_problems({"The text for the payee": order.descriptor})
    if len(order.descriptor) > REMITTANCE_MAX:
        message = (
            f"The text for the payee has {len(order.descriptor)} characters; a bank file carries {REMITTANCE_MAX}."
        )
        found.append(Invalid("BANK_REMITTANCE_LONG", message, hint="Shorten it."))
    return found


def _character_problems(texts: dict[str, str]) -> list[Invalid]:
    hint = "Write it with a-z, A-Z, 0-9, spaces and / - ? : ( ) . , ' + as the payee's bank does."
    problems = (parties.character_problem(what, text) for what, text in texts.items())
    return [Invalid("BANK_CHARACTERS_BAD", problem, hint=hint) for problem in problems if problem]
