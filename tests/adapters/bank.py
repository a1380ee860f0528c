"""Builders for bank files: our account, payees, orders, an office that pays by file, and status reports of its bank."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from finops_core.adapters.bank_file.outbox import OnceStore
from finops_core.adapters.bank_file.payouts import BankFilePayouts
from finops_core.adapters.file_store import FolderFileStore
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.provider import Address, Created, Creditor, PayoutOrder
from finops_core.platform.crypto import Vault
from finops_core.platform.ports import ProviderCredentials

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
FRIDAY = date(2026, 11, 27)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OUTBOX = "cn_harbour"
DEBTOR = {
    "name": "Harbour Example GmbH",
    "iban": "DE89370400440532013000",
    "bic": "COBADEFFXXX",
    "address": {"town": "Hamburg", "country": "DE", "street": "Am Sandtorkai", "building": "30", "post_code": "20457"},
}
PAYEE = Creditor(
    name="Atelier Exemple SARL",
    iban="FR1420041010050500013M02606",
    bic="PSSTFRPPPAR",
    address=Address("Paris", "FR", street="Rue de Rivoli", building="12 bis", post_code="75001"),
)
TOKYO = Creditor(
    name="Kabushiki Rei",
    iban="GB82WEST12345698765432",
    bic="WESTGB2L",
    address=Address("London", "GB", street="Moorgate", building="5"),
)
KUWAIT = Creditor(
    name="Example Trading W.L.L.",
    iban="KW81CBKU0000000000001234560101",
    bic="CBKUKWKW",
    address=Address("Kuwait City", "KW"),
)


def order(number: int = 1, currency: str = "EUR", amount_minor: int = 12_345, **changes: object) -> PayoutOrder:
    """An order to pay invoice ``number``."""
    made = PayoutOrder(
        account="",
        currency=currency,
        amount_minor=amount_minor,
        destination="",
        source_type="",
        method="standard",
        descriptor=f"Invoice {number}",
        metadata={"fod_item": f"ex_1:{number}", "fod_attempt": "1"},
        creditor=PAYEE,
    )
    return replace(made, **changes)


def key(number: int) -> str:
    """A key as the batch makes them."""
    return "fod-" + hashlib.sha256(str(number).encode()).hexdigest()[:40]


def credentials(**changes: object) -> ProviderCredentials:
    """Our account as a connection keeps it."""
    return ProviderCredentials("bank_file", json.dumps({**DEBTOR, **changes}), base_url="")


class Office:
    """A provider over a folder, with a clock that stands still."""

    def __init__(self, folder: Path, store: OnceStore | None = None, outbox: str = OUTBOX, **debtor: object) -> None:
        self.clock = ManualClock(NOW)
        self.store = store or FolderFileStore(folder)
        self.vault = Vault(b"k" * 32)
        self.provider = BankFilePayouts(credentials(**debtor), self.store, self.vault, self.clock, outbox=outbox)

    def submit(self, made: PayoutOrder, number: int = 1) -> object:
        """The answer to one order under the key of this number."""
        return self.provider.submit("", self.provider.request_body(made), key(number))

    def pay(self, *orders: PayoutOrder) -> list[str]:
        """The ids of new orders under the keys 1, 2, 3 …"""
        answers = [self.submit(made, number) for number, made in enumerate(orders, start=1)]
        assert all(isinstance(answer, Created) and not answer.replayed for answer in answers), answers
        return [answer.payout.id for answer in answers]

    def export(self, message_id: str = "TEST-1", day: date = FRIDAY) -> bytes:
        """The file of everything that waits; nothing is marked."""
        return self.provider.export(self.provider.waiting(), message_id, NOW, day)

    def send(self, message_id: str = "TEST-1") -> bytes:
        """Everything that waits leaves in one file."""
        waiting = self.provider.waiting()
        content = self.provider.export(waiting, message_id, NOW, FRIDAY)
        self.provider.mark_exported([each.id for each in waiting], message_id, content)
        return content


def report(
    body: str, *, version: str = "10", message_id: str = "TEST-1", group: str = "", about: str = "pain.001.001.09"
) -> bytes:
    """A status report; ``group`` and ``body`` are XML, and each element stands on a line of its own."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.{version}">
<CstmrPmtStsRpt>
<GrpHdr><MsgId>STATUS-1</MsgId><CreDtTm>2026-11-27T08:00:00Z</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId><OrgnlMsgNmId>{about}</OrgnlMsgNmId>{group}</OrgnlGrpInfAndSts>
{body}
</CstmrPmtStsRpt>
</Document>
""".encode()


def block(*payments: str, status: str = "", block_id: str = "TEST-1-01") -> str:
    """A payment block of a status report."""
    told = f"<PmtInfSts>{status}</PmtInfSts>" if status else ""
    lines = "\n".join(payments)
    return f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{block_id}</OrgnlPmtInfId>{told}\n{lines}\n</OrgnlPmtInfAndSts>"


def payment(end_to_end_id: str, status: str = "", reason: str = "", words: str = "") -> str:
    """One payment of a status report."""
    told = f"<TxSts>{status}</TxSts>" if status else ""
    why = f"<Rsn><Cd>{reason}</Cd></Rsn>" if reason else ""
    detail = f"<AddtlInf>{words}</AddtlInf>" if words else ""
    because = f"<StsRsnInf>{why}{detail}</StsRsnInf>" if why or detail else ""
    return f"<TxInfAndSts><OrgnlEndToEndId>{end_to_end_id}</OrgnlEndToEndId>{told}{because}</TxInfAndSts>"
