"""Orders as one pain.001.001.09 document, and what of it must be known again later. Pure, and always the same bytes.

Layout: a group header, then one payment block per currency; euro payments within SEPA have a block of their own,
since they differ in service level and charges (EPC132-08: SEPA, SLEV). Amounts are whole minor units written with a
dot; no float and no rounding on the way. Addresses are structured, as ISO 20022 payments need from November 2026 on.
"""

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from defusedxml.ElementTree import fromstring

from finops_core.adapters.bank_file import accounts, orders, schema_check
from finops_core.adapters.bank_file.debtor import Debtor
from finops_core.adapters.bank_file.outbox import Fragment
from finops_core.kernel import currencies
from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import Money
from finops_core.kernel.provider import Address, Creditor, Mode, PayoutOrder

TEST_PREFIX = "TEST-"
MESSAGE_ID_MAX = 35
AHEAD_MAX_DAYS = 366
_NS = f"{{{schema_check.NAMESPACE}}}"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SHORT_ID = 18


@dataclass(frozen=True, slots=True)
class Heading:
    """What a message says of itself.

    Attributes:
        message_id: 1 to 35 characters, never used before; begins with ``TEST-`` in test mode, and only there: no real
            bank should take a test file for a real one.
        created_at: aware; written in UTC, without fractions of a second.
        execution_on: the day on which the bank is to carry the payments out.
    """

    message_id: str
    created_at: datetime
    execution_on: date


class _Block(NamedTuple):
    currency: str
    sepa: bool
    payments: list[tuple[Fragment, PayoutOrder, Creditor]]


def write(debtor: Debtor, fragments: Iterable[Fragment], heading: Heading, mode: Mode) -> bytes:
    """The document of these orders; their order of mention does not matter.

    Raises Invalid BANK_MESSAGE_ID_BAD, BANK_FILE_DATE_BAD, BANK_FILE_EMPTY, BANK_FILE_TWICE, what
    ``orders.problems_of`` finds, and BANK_FILE_INVALID for a document that the schema refuses: it is not given out.
    """
    _require_heading(heading, mode)
    ordered = sorted(fragments, key=lambda fragment: (fragment.created_at, fragment.end_to_end_id))
    blocks = _blocks(debtor, ordered)
    content = _text_of(_document(debtor, heading, blocks, len(ordered)))
    broken = schema_check.violations(content)
    if broken:
        raise Invalid(
            "BANK_FILE_INVALID",
            "The bank file would not keep the rules of pain.001.001.09, so it is not given out.",
            hint="This is a mistake of the program or of the bank account's settings: tell an administrator.",
            broken=broken,
        )
    return content


def _require_heading(heading: Heading, mode: Mode) -> None:
    identifier, test = heading.message_id, heading.message_id.startswith(TEST_PREFIX)
    problem = orders.id_problem(identifier)
    if not problem and test is not (mode is Mode.TEST):
        problem = f"It must {'' if mode is Mode.TEST else 'not '}begin with {TEST_PREFIX} in {mode.value} mode."
    if problem:
        message = f"{identifier[:MESSAGE_ID_MAX]!r} cannot be the id of a bank file. {problem}"
        raise Invalid("BANK_MESSAGE_ID_BAD", message, hint="Choose another one.")
    if heading.created_at.tzinfo is None:
        raise Invalid("BANK_FILE_DATE_BAD", "The instant of a bank file needs a time zone.", hint="Give it in UTC.")
    # A day's grace: west of Greenwich it is still yesterday when the UTC date changes.
    created_on = heading.created_at.astimezone(UTC).date()
    if not created_on - timedelta(days=1) <= heading.execution_on <= created_on + timedelta(days=AHEAD_MAX_DAYS):
        message = f"The bank cannot be asked to pay on {heading.execution_on}."
        raise Invalid("BANK_FILE_DATE_BAD", message, hint="Choose today, or a day within the next year.")


def _blocks(debtor: Debtor, fragments: Sequence[Fragment]) -> list[_Block]:
    if not fragments:
        raise Invalid("BANK_FILE_EMPTY", "A bank file needs at least one order.", hint="Choose orders to export.")
    if len({fragment.end_to_end_id for fragment in fragments}) < len(fragments):
        message = "An order was given twice, or two orders share their end-to-end id."
        raise Invalid("BANK_FILE_TWICE", message, hint="Give each order once.")
    found: dict[tuple[bool, str], _Block] = {}
    for fragment in fragments:
        order = fragment.order
        problems = orders.problems_of(order, debtor.iban)
        if problems or order.creditor is None:
            raise problems[0]
        sepa = accounts.is_sepa(order.currency, debtor.iban, order.creditor.iban)
        block = found.setdefault((not sepa, order.currency), _Block(order.currency, sepa, []))
        block.payments.append((fragment, order, order.creditor))
    return [found[key] for key in sorted(found)]


def _document(debtor: Debtor, heading: Heading, blocks: Sequence[_Block], count: int) -> ET.Element:
    document = ET.Element("Document", xmlns=schema_check.NAMESPACE)
    message = ET.SubElement(document, "CstmrCdtTrfInitn")
    header = ET.SubElement(message, "GrpHdr")
    _add(header, "MsgId", heading.message_id)
    _add(header, "CreDtTm", heading.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _add(header, "NbOfTxs", str(count))
    _add(header, "CtrlSum", _control_sum(blocks))
    _add(ET.SubElement(header, "InitgPty"), "Nm", debtor.name)
    for number, block in enumerate(blocks, start=1):
        _add_block(message, debtor, heading, block, number)
    return document


def _add_block(message: ET.Element, debtor: Debtor, heading: Heading, block: _Block, number: int) -> None:
    part = ET.SubElement(message, "PmtInf")
    _add(part, "PmtInfId", _block_id(heading.message_id, number))
    _add(part, "PmtMtd", "TRF")
    _add(part, "NbOfTxs", str(len(block.payments)))
    _add(part, "CtrlSum", _control_sum([block]))
    if block.sepa:
        _add(ET.SubElement(ET.SubElement(part, "PmtTpInf"), "SvcLvl"), "Cd", "SEPA")
    _add(ET.SubElement(part, "ReqdExctnDt"), "Dt", heading.execution_on.isoformat())
    _add_party(part, "Dbtr", debtor.name, debtor.address)
    _add(ET.SubElement(ET.SubElement(part, "DbtrAcct"), "Id"), "IBAN", debtor.iban)
    _add(ET.SubElement(ET.SubElement(part, "DbtrAgt"), "FinInstnId"), "BICFI", debtor.bic)
    _add(part, "ChrgBr", "SLEV" if block.sepa else "SHAR")
    for fragment, order, creditor in block.payments:
        _add_payment(part, fragment.end_to_end_id, order, creditor)


def _add_payment(part: ET.Element, end_to_end_id: str, order: PayoutOrder, creditor: Creditor) -> None:
    payment = ET.SubElement(part, "CdtTrfTxInf")
    _add(ET.SubElement(payment, "PmtId"), "EndToEndId", end_to_end_id)
    amount = _add(ET.SubElement(payment, "Amt"), "InstdAmt", Money(order.amount_minor, order.currency).plain())
    amount.set("Ccy", order.currency)
    if creditor.bic:
        _add(ET.SubElement(ET.SubElement(payment, "CdtrAgt"), "FinInstnId"), "BICFI", creditor.bic)
    _add_party(payment, "Cdtr", creditor.name, creditor.address)
    _add(ET.SubElement(ET.SubElement(payment, "CdtrAcct"), "Id"), "IBAN", creditor.iban)
    if order.descriptor:
        _add(ET.SubElement(payment, "RmtInf"), "Ustrd", order.descriptor)


def _add_party(parent: ET.Element, role: str, name: str, address: Address) -> None:
    party = ET.SubElement(parent, role)
    _add(party, "Nm", name)
    place = ET.SubElement(party, "PstlAdr")
    parts = {
        "StrtNm": address.street,
        "BldgNb": address.building,
        "PstCd": address.post_code,
        "TwnNm": address.town,
        "Ctry": address.country,
    }
    for tag, text in parts.items():
        if text:
            _add(place, tag, text)


def _add(parent: ET.Element, tag: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, tag)
    element.text = text
    return element


def _control_sum(blocks: Sequence[_Block]) -> str:
    """The sum of all amounts whatever their currency, as the standard wants it, in as many decimals as any has."""
    decimals = max(currencies.exponent(block.currency) for block in blocks)
    total = sum(
        order.amount_minor * 10 ** (decimals - currencies.exponent(block.currency))
        for block in blocks
        for _fragment, order, _creditor in block.payments
    )
    whole, rest = divmod(total, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}" if decimals else str(whole)


def _block_id(message_id: str, number: int) -> str:
    # Banks want it unique like the message's own id, in the same 35 characters.
    suffix = f"-{number:02d}"
    if len(message_id) + len(suffix) > MESSAGE_ID_MAX:
        message_id = f"{message_id[:_SHORT_ID]}-{hashlib.sha256(message_id.encode()).hexdigest()[:12]}"
    return message_id + suffix


def _text_of(document: ET.Element) -> bytes:
    ET.indent(document)
    return f"{_HEAD}{ET.tostring(document, encoding='unicode')}\n".encode()


@dataclass(frozen=True, slots=True)
class Contents:
    """What a document of ours holds: its heading, and end-to-end id -> payment block."""

    heading: Heading
    blocks: dict[str, str]


def read(content: bytes) -> Contents:
    """Look into a document that ``write`` made; ValueError when it is none."""
    try:
        message = fromstring(content)[0]
        heading = Heading(
            message_id=message.findtext(f"{_NS}GrpHdr/{_NS}MsgId", ""),
            created_at=datetime.fromisoformat(message.findtext(f"{_NS}GrpHdr/{_NS}CreDtTm", "")),
            execution_on=date.fromisoformat(message.findtext(f"{_NS}PmtInf/{_NS}ReqdExctnDt/{_NS}Dt", "")),
        )
        blocks = {
            str(payment.text): part.findtext(f"{_NS}PmtInfId", "")
            for part in message.iter(f"{_NS}PmtInf")
            for payment in part.iter(f"{_NS}EndToEndId")
        }
        return Contents(heading, blocks)
    except (ET.ParseError, IndexError) as error:
        raise ValueError("not a document of ours") from error
