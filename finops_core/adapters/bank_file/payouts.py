"""Paying by bank file, as a ``PayoutProvider``: submitting stores an order, exporting hands orders to a person.

How a file leaves, so that no order can leave twice: ``export`` gives the bytes to look at, ``mark_exported`` fixes
them, and only then may they be handed out. Whoever dies in between finds the same bytes again by ``exported``.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime

from finops_core.adapters.bank_file import accounts, document, orders
from finops_core.adapters.bank_file.debtor import Debtor
from finops_core.adapters.bank_file.document import Heading
from finops_core.adapters.bank_file.outbox import Exported, Fragment, OnceStore, Outbox
from finops_core.adapters.bank_file.outcomes import Outcomes, outcomes_of
from finops_core.adapters.bank_file.status_report import StatusReport
from finops_core.kernel.business_days import NO_COUNTRY, add_business_days
from finops_core.kernel.clock import Clock
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotFound
from finops_core.kernel.masking import mask
from finops_core.kernel.provider import (
    AccountFacts,
    Answer,
    CancelAnswer,
    Canceled,
    Capabilities,
    Created,
    Mode,
    Movement,
    NotCanceled,
    OurFault,
    PayoutOrder,
    PayoutStatus,
    ProviderPayout,
    Rejected,
    RetryLater,
    Right,
    Scope,
    Unknown,
)
from finops_core.platform.crypto import Vault
from finops_core.platform.ports import ProviderCredentials

LOG = logging.getLogger("tieout.bank_file")
# The outbox forgets nothing; ten years is how long the desk keeps anything.
KEY_LIFETIME_S = 10 * 365 * 24 * 3600
RATE_PER_S = 10_000.0
RETRY_S = 5.0


class BankFilePayouts:
    """One bank account of ours from which files are paid; safe to use from several threads and processes.

    Args:
        credentials: ``secret`` is the account as JSON (``Debtor.from_text``); ``account`` its id, "" for one that
            follows from the number.
        store: keeps the outbox.
        vault: seals it.
        clock: gives orders their time.
        outbox: the folder of the outbox in the store, one for each connection.

    BANK_ACCOUNT_BAD when the credentials cannot be right. The mode is always test: live is refused (DECISIONS 17).
    """

    def __init__(
        self, credentials: ProviderCredentials, store: OnceStore, vault: Vault, clock: Clock, *, outbox: str
    ) -> None:
        self._debtor = Debtor.from_text(credentials.secret)
        self._account = credentials.account or f"bank_{vault.fingerprint(self._debtor.iban)}"
        self._outbox = Outbox(store, vault, outbox)
        self._clock = clock
        self._mode = Mode.TEST

    def __repr__(self) -> str:
        return f"BankFilePayouts(mode={self._mode.value!r}, account={self._account!r})"

    @property
    def debited(self) -> str:
        """The account that is paid from as people see it: its holder and its last four digits."""
        return f"{self._debtor.name} {mask(self._debtor.iban)}"

    def capabilities(self) -> Capabilities:
        """Every currency that bank accounts are held in; what became of an order only a status report tells."""
        return Capabilities(
            name="bank_file",
            key_lifetime_s=KEY_LIFETIME_S,
            can_cancel=True,
            rules=orders.RULES,
            descriptor_max=orders.REMITTANCE_MAX,
            tells_status=False,
            rate_per_s=RATE_PER_S,
        )

    def facts(self, account: str) -> AccountFacts:
        """The account itself: a file knows no balance. NotFound BANK_ACCOUNT_UNKNOWN for another one."""
        if not self._is_ours(account):
            raise NotFound(
                "BANK_ACCOUNT_UNKNOWN",
                f"{account[:40]!r} is not the bank account of this connection.",
                hint="Leave the account empty for the connection's own.",
            )
        return AccountFacts(
            account=self._account,
            mode=self._mode,
            payouts_enabled=True,
            balances=(),
            bank_accounts=(),
            schedule="manual",
            country=accounts.country_of(self._debtor.iban),
        )

    def _is_ours(self, account: str) -> bool:
        return account in ("", self._account)

    def problems_of(self, order: PayoutOrder) -> list[Invalid]:
        """Everything that keeps an order out of a bank file, for a plan that tells all of it at once."""
        return orders.problems_of(order, self._debtor.iban)

    def request_body(self, order: PayoutOrder) -> bytes:
        """The order as canonical bytes, to be kept sealed; raises the first of ``problems_of``."""
        for problem in self.problems_of(order):
            raise problem
        return orders.body_of(order)

    def submit(self, account: str, body: bytes, key: str) -> Answer:
        """Store an order once; never raises. The same key gives the same order, another body with it is our fault."""
        refusal = self._refusal(account, body, key)
        if refusal is not None:
            return refusal
        fragment = Fragment(key, account or self._account, self._clock.now(), body)
        try:
            stored, new = self._outbox.add(fragment)
            if not new and (stored.key, stored.account, stored.body) != (key, fragment.account, body):
                return OurFault("The key, or its first 35 characters, belongs to another order.")
            payout = self._payout(fragment) if new else self.get(account, stored.id)
            return Created(payout, request_id="", replayed=not new)
        except FinOpsError as error:
            return self._unsure(fragment.id, error)
        except Exception:
            LOG.exception("an order could not be stored")
            return Unknown("Storing the order broke off; it may have been stored.")

    def _refusal(self, account: str, body: bytes, key: str) -> Answer | None:
        if not self._is_ours(account):
            return Rejected("BANK_ACCOUNT_UNKNOWN", "This is not the bank account of the connection.", Scope.ROW)
        problem = orders.id_problem(orders.end_to_end_id(key))
        if problem or len(key) > orders.KEY_MAX:
            return OurFault(f"The key cannot be used, nothing was stored. {problem}".rstrip())
        try:
            order = orders.order_of(body)
        except ValueError:
            return OurFault("The stored request cannot be read; nothing was stored.")
        if not self._is_ours(order.account):
            return OurFault("The stored request is for another bank account; nothing was stored.")
        problems = self.problems_of(order)
        return Rejected(problems[0].code, problems[0].message, Scope.ROW) if problems else None

    def _unsure(self, fragment_id: str, error: FinOpsError) -> RetryLater | Unknown:
        try:
            there = self._outbox.holds(fragment_id)
        except (FinOpsError, OSError):
            there = True
        if there:
            return Unknown(f"The order is there, but may not have reached the disk ({error.code}).")
        return RetryLater(RETRY_S, f"The order could not be stored ({error.code}).")

    def find(self, account: str, metadata: Mapping[str, str], since: datetime) -> list[ProviderPayout]:
        """Every order stored since then whose metadata hold all of these pairs, newest first."""
        wanted = metadata.items()
        found = [
            fragment
            for fragment in self._fragments(account)
            if fragment.created_at >= since and wanted <= fragment.order.metadata.items()
        ]
        left, canceled = self._left(), self._outbox.canceled()
        found.sort(key=lambda fragment: (fragment.created_at, fragment.id), reverse=True)
        return [self._payout(each, left.get(each.id), canceled=each.id in canceled) for each in found]

    def _fragments(self, account: str) -> Iterator[Fragment]:
        # "" spans what was given to an earlier number of this connection too: those orders are as real.
        return (each for each in self._outbox.fragments() if account in ("", each.account))

    def _left(self) -> dict[str, Exported]:
        return {each: exported for exported in self._outbox.exports() for each in exported.ids}

    def get(self, account: str, payout_id: str) -> ProviderPayout:
        """One order as it stands, in transit once it left: a file tells no more. BANK_ORDER_UNKNOWN for none."""
        fragment = self._outbox.fragment(payout_id)
        if account not in ("", fragment.account):
            raise NotFound(
                "BANK_ORDER_UNKNOWN", "This bank account has no such order.", hint="Look for it in the list."
            )
        return self._payout(fragment, self._left().get(payout_id), canceled=self._outbox.is_canceled(payout_id))

    def cancel(self, account: str, payout_id: str, key: str) -> CancelAnswer:
        """Take an order back while it has not been exported; never raises."""
        try:
            with self._outbox.alone():
                payout = self.get(account, payout_id)
                if payout.status is PayoutStatus.IN_TRANSIT:
                    message = "The order has left in a bank file; only the bank can stop it now."
                    return NotCanceled("BANK_FILE_EXPORTED", message)
                self._outbox.cancel(payout_id, key, self._clock.now())
                return Canceled(self.get(account, payout_id))
        except NotFound as error:
            return NotCanceled(error.code, error.message)
        except FinOpsError as error:
            why = f"The outbox cannot be used now ({error.code})."
            return Unknown(why) if self._may_be_canceled(payout_id) else RetryLater(RETRY_S, why)
        except Exception:
            LOG.exception("an order could not be taken back")
            return Unknown("Taking the order back broke off.")

    def _may_be_canceled(self, payout_id: str) -> bool:
        try:
            return self._outbox.is_canceled(payout_id)
        except (FinOpsError, OSError):
            return True

    def statement(self, account: str, since: datetime) -> list[Movement]:  # noqa: ARG002 - the port's shape
        """Nothing: movements stand on the bank's statement, which is not read here."""
        return []

    def rights(self) -> Mapping[Right, bool]:
        """Nothing: a file has no key that may or may not."""
        return {}

    def waiting(self) -> tuple[Fragment, ...]:
        """The orders of this account that were neither exported nor taken back, oldest first."""
        gone = self._left().keys() | self._outbox.canceled()
        waiting = (each for each in self._fragments(self._account) if each.id not in gone)
        return tuple(sorted(waiting, key=lambda each: (each.created_at, each.id)))

    def export(self, fragments: Iterable[Fragment], message_id: str, created_at: datetime, execution_on: date) -> bytes:
        """One pain.001.001.09 of these orders, valid by its schema; nothing is stored.

        The same arguments give the same bytes, also after ``mark_exported``. Raises what ``document.write`` does,
        BANK_ORDER_CANCELED, BANK_FILE_DEBTOR for an order given to another bank account, and BANK_FILE_EXPORTED for
        an order that left in another message, or a message that left with other content.
        """
        chosen = tuple(fragments)
        content = document.write(self._debtor, chosen, Heading(message_id, created_at, execution_on), self._mode)
        self._require_exportable(chosen, message_id, content)
        return content

    def mark_exported(self, ids: Sequence[str], message_id: str, content: bytes) -> Exported:
        """From here on these orders have left in this message, and none can be taken back or leave in another one.

        A second time changes nothing. ``content`` is what ``export`` gave for them, else BANK_FILE_MISMATCH; otherwise
        refuses as ``export`` does.
        """
        chosen = [self._outbox.fragment(each) for each in ids]
        held = self._contents(content, chosen, message_id)
        exported = Exported(
            message_id=message_id,
            execution_on=held.heading.execution_on,
            exported_at=self._clock.now(),
            sha256=hashlib.sha256(content).hexdigest(),
            ids=tuple(sorted(each.id for each in chosen)),
            blocks=held.blocks,
        )
        with self._outbox.alone():
            self._require_exportable(chosen, message_id, content)
            known = self._outbox.export(message_id)
            if known is None:
                self._outbox.record(exported, content)
            return known or exported

    def _contents(self, content: bytes, chosen: Sequence[Fragment], message_id: str) -> document.Contents:
        """What a file holds, once it is sure that it is what we write for these orders, to the last byte."""
        try:
            held = document.read(content)
        except ValueError:
            held = None
        if (
            held is None
            or held.heading.message_id != message_id
            or document.write(self._debtor, chosen, held.heading, self._mode) != content
        ):
            message = "This is not the bank file of exactly these orders under this message id."
            raise Invalid("BANK_FILE_MISMATCH", message, hint="Export it again, then mark that one.")
        return held

    def exported(self, message_id: str) -> bytes:
        """The document that left under this id, to hand out again; BANK_FILE_UNKNOWN when none did."""
        known = self._outbox.export(message_id)
        if known is None:
            raise NotFound("BANK_FILE_UNKNOWN", "No bank file left under this message id.", hint="Look in the list.")
        return self._outbox.document(known)

    def exports(self) -> tuple[Exported, ...]:
        """Every message that left, oldest first."""
        return self._outbox.exports()

    def outcomes(self, report: StatusReport) -> Outcomes:
        """What a status report says of our orders, or every reason why it is not about them; changes nothing."""
        return outcomes_of(self._outbox.export(report.original_message_id), report)

    def _require_exportable(self, chosen: Sequence[Fragment], message_id: str, content: bytes) -> None:
        foreign = [each.id for each in chosen if each.account != self._account]
        if foreign:
            message = f"{len(foreign)} of the orders were given to another bank account than the present one."
            raise Conflict(
                "BANK_FILE_DEBTOR", message, hint="Take them back and have them approved again.", ids=foreign
            )
        known = self._outbox.export(message_id)
        if known is not None and known.sha256 != hashlib.sha256(content).hexdigest():
            message = f"A bank file {message_id} was exported before with other content."
            raise Conflict("BANK_FILE_EXPORTED", message, hint="Use another message id, or download that one again.")
        left, canceled = self._left(), self._outbox.canceled()
        twice = [each.id for each in chosen if each.id in left and left[each.id].message_id != message_id]
        if twice:
            message = f"{len(twice)} of the orders left in another bank file already, {left[twice[0]].message_id}."
            raise Conflict("BANK_FILE_EXPORTED", message, hint="Choose orders that still wait.", ids=twice)
        if any(each.id in canceled for each in chosen):
            raise Conflict("BANK_ORDER_CANCELED", "One of the orders was taken back.", hint="Choose the others.")

    def _payout(self, fragment: Fragment, left: Exported | None = None, *, canceled: bool = False) -> ProviderPayout:
        order = fragment.order
        status = PayoutStatus.IN_TRANSIT if left else PayoutStatus.CANCELED if canceled else PayoutStatus.PENDING
        day = left.execution_on if left else fragment.created_at.date()
        iban = order.creditor.iban if order.creditor else ""
        return ProviderPayout(
            id=fragment.id,
            status=status,
            amount_minor=order.amount_minor,
            currency=order.currency,
            created_at=fragment.created_at,
            arrival_on=expected_arrival(day),
            destination=order.destination or mask(iban),
            metadata=dict(order.metadata),
            mode=self._mode,
        )


def expected_arrival(paid_on: date) -> date:
    """When the money should be there, told of a plan and of its orders alike (an estimate).

    The next weekday after the bank was, or could be, asked to pay (Directive 2015/2366, article 83).
    """
    return add_business_days(paid_on, 1, NO_COUNTRY)
