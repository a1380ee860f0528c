"""A bank's status report (ISO 20022 pain.002.001.10, and .03 that has the same shape here): what became of payments.

A report is read whole or not at all. Elements that would change its meaning and are not known where they stand are
faults; parts that say nothing of a status (parties, charges, the original transaction, supplementary data) are
skipped. What the bank says of a payment outranks what it says of the payment's block, and that outranks the group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from finops_core.adapters.bank_file import status_codes, status_tree
from finops_core.adapters.bank_file.status_tree import Node
from finops_core.kernel.faults import Fault
from finops_core.kernel.provider import PayoutStatus

NAMESPACES = tuple(f"urn:iso:std:iso:20022:tech:xsd:pain.002.001.{version}" for version in ("10", "03"))
ID_MAX, CODE_MAX, WORDS_MAX = 35, 4, 105
DETAIL_MAX, VALUE_MAX = 500, 80
ABOUT = "pain.001"

# Element -> what may stand in it, and whether it may stand there more than once.
_ONCE, _MANY = False, True
_LEVEL = {"StsRsnInf": _MANY, "NbOfTxsPerSts": _MANY}
_KNOWN: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        "Document": {"CstmrPmtStsRpt": _ONCE},
        "CstmrPmtStsRpt": {
            "GrpHdr": _ONCE,
            "OrgnlGrpInfAndSts": _ONCE,
            "OrgnlPmtInfAndSts": _MANY,
            "SplmtryData": _MANY,
        },
        "GrpHdr": dict.fromkeys(("MsgId", "CreDtTm", "InitgPty", "FwdgAgt", "DbtrAgt", "CdtrAgt"), _ONCE),
        "OrgnlGrpInfAndSts": {
            **dict.fromkeys(
                ("OrgnlMsgId", "OrgnlMsgNmId", "OrgnlCreDtTm", "OrgnlNbOfTxs", "OrgnlCtrlSum", "GrpSts"), _ONCE
            ),
            **_LEVEL,
        },
        "OrgnlPmtInfAndSts": {
            **dict.fromkeys(("OrgnlPmtInfId", "OrgnlNbOfTxs", "OrgnlCtrlSum", "PmtInfSts"), _ONCE),
            **_LEVEL,
            "TxInfAndSts": _MANY,
        },
        "TxInfAndSts": {
            **dict.fromkeys(("StsId", "OrgnlInstrId", "OrgnlEndToEndId", "OrgnlUETR", "TxSts"), _ONCE),
            **dict.fromkeys(("TrckrData", "AccptncDtTm", "AcctSvcrRef", "ClrSysRef", "OrgnlTxRef"), _ONCE),
            **dict.fromkeys(("StsRsnInf", "ChrgsInf", "SplmtryData"), _MANY),
        },
        "StsRsnInf": {"Orgtr": _ONCE, "Rsn": _ONCE, "AddtlInf": _MANY},
        "Rsn": {"Cd": _ONCE, "Prtry": _ONCE},
    }
)


@dataclass(frozen=True, slots=True)
class Told:
    """What the bank says of a group, a block or a payment.

    Attributes:
        code: ISO 20022's status, such as ``ACSC``.
        status: ours; None for ``PART``, which says nothing of any one payment.
        reason_code: ISO 20022's or the bank's own, "" when it gives none.
        reason: that in words.
        detail: the bank's own words.
    """

    code: str
    status: PayoutStatus | None
    reason_code: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """One payment that the report lists; ``told`` is None when only its block or group has a status."""

    end_to_end_id: str
    block_id: str
    told: Told | None
    line: int


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A status report, or what is wrong with one: with ``faults`` everything else is empty.

    Attributes:
        message_id: the report's own.
        original_message_id: the bank file that it is about.
        blocks: payment block (PmtInfId) -> what is said of it.
        payments: end-to-end id -> what is said of it, for those that the report lists, in its order.
    """

    message_id: str = ""
    original_message_id: str = ""
    group: Told | None = None
    blocks: Mapping[str, Told | None] = field(default_factory=dict)
    payments: Mapping[str, PaymentStatus] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def told_of(self, end_to_end_id: str, block_id: str) -> Told | None:
        """What holds for a payment of the original file, listed or not; None when the report leaves it open."""
        own = self.payments.get(end_to_end_id)
        for told in (own.told if own else None, self.blocks.get(block_id), self.group):
            if told is not None:
                return told if told.status else None
        return None


def read_status(content: bytes) -> StatusReport:
    """Read a status report; never raises, whatever the bytes are.

    Faults, with their line in ``row`` and their element in ``column``: those of ``status_tree.parse``, and
    BANK_STATUS_ROOT, BANK_STATUS_NAMESPACE, BANK_STATUS_FIELD, BANK_STATUS_CODE, BANK_STATUS_CONTRADICTS and
    BANK_STATUS_EMPTY.
    """
    tree = status_tree.parse(content)
    if isinstance(tree, Fault):
        return StatusReport(faults=(tree,))
    if tree.name != "Document" or tree.namespace not in NAMESPACES:
        message = "This is no payment status report: it must be a pain.002.001.10 (or .03) document."
        return StatusReport(
            faults=(Fault("BANK_STATUS_ROOT", message, tree.line, tree.name, tree.namespace[:VALUE_MAX]),)
        )
    reading = _Reading(tree.namespace)
    report = reading.report(tree)
    return StatusReport(faults=tuple(reading.faults)) if reading.faults else report


class _Reading:
    """One report while it is read; gathers what is wrong."""

    def __init__(self, namespace: str) -> None:
        self.faults: list[Fault] = []
        self._namespace = namespace

    def report(self, document: Node) -> StatusReport:
        """The report; it counts only when no fault was found."""
        self._check(document)
        message = self._one(document, "CstmrPmtStsRpt")
        header, original = self._one(message, "GrpHdr"), self._one(message, "OrgnlGrpInfAndSts")
        about = self._text(original, "OrgnlMsgNmId", ID_MAX)
        if about and not about.startswith(ABOUT):
            self._fault_field(original, "OrgnlMsgNmId", f"This report is about a {about}, not about a {ABOUT}.")
        group = self._told(original, "GrpSts")
        blocks, payments = self._blocks(_all(message, "OrgnlPmtInfAndSts"), group)
        if not self.faults and not any((group, *blocks.values(), *(each.told for each in payments.values()))):
            self.faults.append(Fault("BANK_STATUS_EMPTY", "The report has no status.", document.line))
        return StatusReport(
            message_id=self._text(header, "MsgId", ID_MAX),
            original_message_id=self._text(original, "OrgnlMsgId", ID_MAX),
            group=group,
            blocks=MappingProxyType(blocks),
            payments=MappingProxyType(payments),
        )

    def _check(self, node: Node) -> None:
        """Everything in the report stands where it may, as often as it may."""
        known = _KNOWN[node.name]
        seen: set[str] = set()
        if node.text.strip():
            self._fault_field(node, node.name, "Text stands between elements.", node.text.strip())
        for child in node.children:
            if child.namespace != self._namespace:
                message = f"{child.name[:VALUE_MAX]} belongs to another namespace than the report."
                space = child.namespace[:VALUE_MAX]
                self.faults.append(Fault("BANK_STATUS_NAMESPACE", message, child.line, child.name[:VALUE_MAX], space))
            elif child.name not in known:
                self._fault_field(child, child.name, f"{child.name[:VALUE_MAX]} has no place in {node.name}.")
            elif child.name in seen and not known[child.name]:
                self._fault_field(child, child.name, f"{child.name} stands twice in {node.name}.")
            elif child.name in _KNOWN:
                self._check(child)
            seen.add(child.name)

    def _blocks(
        self, nodes: Sequence[Node], group: Told | None
    ) -> tuple[dict[str, Told | None], dict[str, PaymentStatus]]:
        blocks: dict[str, Told | None] = {}
        payments: dict[str, PaymentStatus] = {}
        for node in nodes:
            block_id = self._text(node, "OrgnlPmtInfId", ID_MAX)
            told = self._told(node, "PmtInfSts")
            if blocks.setdefault(block_id, told) != told:
                self._contradicts(node, "OrgnlPmtInfId", block_id, "the same block with another status stands above")
            self._under(node, "PmtInfSts", block_id, told, group)
            for each in _all(node, "TxInfAndSts"):
                self._payment(each, block_id, (told, group), payments)
        return blocks, payments

    def _payment(
        self, node: Node, block_id: str, above: tuple[Told | None, Told | None], payments: dict[str, PaymentStatus]
    ) -> None:
        identifier = self._text(node, "OrgnlEndToEndId", ID_MAX)
        payment = PaymentStatus(identifier, block_id, self._told(node, "TxSts"), node.line)
        other = payments.setdefault(identifier, payment)
        if (other.block_id, other.told) != (payment.block_id, payment.told):
            self._contradicts(node, "OrgnlEndToEndId", identifier, "it stands above with another status or block")
        for told in above:
            self._under(node, "TxSts", identifier, payment.told, told)

    def _under(self, node: Node, element: str, identifier: str, told: Told | None, above: Told | None) -> None:
        """A rejected group has no payment that was not rejected."""
        if above and above.status is PayoutStatus.FAILED and told and told.status is not PayoutStatus.FAILED:
            self._contradicts(node, element, identifier, f"it is {told.code} in something that was rejected as a whole")

    def _contradicts(self, node: Node, element: str, identifier: str, why: str) -> None:
        message = f"The report contradicts itself: {why}."
        self.faults.append(Fault("BANK_STATUS_CONTRADICTS", message, node.line, element, identifier[:VALUE_MAX]))

    def _told(self, node: Node | None, element: str) -> Told | None:
        """The status of a level and its reason; None when it has no status."""
        code = self._text(node, element, CODE_MAX, required=False)
        if not code:
            return None
        status = status_codes.STATUSES.get(code)
        if status is None and (code != status_codes.PARTLY or element == "TxSts"):
            line = _all(node, element)[0].line
            message = f"{code[:VALUE_MAX]} is no status that is known here, so nobody can say what it means."
            self.faults.append(Fault("BANK_STATUS_CODE", message, line, element, code[:VALUE_MAX]))
        reasons = [self._reason(each) for each in _all(node, "StsRsnInf")]
        reason_code = next((reason for reason, _words in reasons if reason), "")
        detail = " ".join(words for _reason, words in reasons if words)
        return Told(code, status, reason_code, status_codes.reason_words(reason_code), detail[:DETAIL_MAX])

    def _reason(self, node: Node) -> tuple[str, str]:
        reasons = _all(node, "Rsn")
        codes = [
            self._text(reason, name, longest, required=False)
            for reason in reasons
            for name, longest in (("Cd", CODE_MAX), ("Prtry", ID_MAX))
        ]
        words = [self._plain(each, WORDS_MAX) for each in _all(node, "AddtlInf")]
        return next((code for code in codes if code), ""), " ".join(words)

    def _one(self, node: Node | None, name: str) -> Node | None:
        found = next(iter(_all(node, name)), None)
        if found is None and node is not None:
            self._fault_field(node, name, f"{name} is missing in {node.name}.")
        return found

    def _text(self, node: Node | None, name: str, longest: int, *, required: bool = True) -> str:
        found = next(iter(_all(node, name)), None)
        text = self._plain(found, longest) if found else ""
        if required and not text and node is not None:
            self._fault_field(found or node, name, f"{name} is missing in {node.name}.")
        return text

    def _plain(self, node: Node, longest: int) -> str:
        text = node.text.strip()
        if node.children:
            self._fault_field(node, node.name, f"{node.name} has elements in it where only text may stand.")
        if len(text) > longest:
            self._fault_field(node, node.name, f"{node.name} has more than {longest} characters.", text)
        return text

    def _fault_field(self, node: Node | None, element: str, message: str, value: str = "") -> None:
        line = node.line if node else None
        self.faults.append(Fault("BANK_STATUS_FIELD", message, line, element[:VALUE_MAX], value[:VALUE_MAX]))


def _all(node: Node | None, name: str) -> list[Node]:
    return [child for child in node.children if child.name == name] if node else []
