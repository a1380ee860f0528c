"""Everything that can be commented on: for each kind, the read by which its own area lets a person see one of them."""

from collections.abc import Mapping
from typing import Any

from finops_core import approvals, files, operations, parties, payouts
from finops_core.platform.ports import Subject


def _execution(reading: Any, id_: str) -> str:
    return operations.execution(reading, id_).id


def _approval(reading: Any, id_: str) -> str:
    return approvals.request_view(reading, id_).id


def _payout(reading: Any, id_: str) -> str:
    return payouts.one(reading, id_).id


def _file(reading: Any, id_: str) -> str:
    return files.one(reading, id_).id


def _party(reading: Any, id_: str) -> str:
    return parties.party(reading, id_).id


SUBJECTS: Mapping[str, Subject] = {
    "execution": _execution,
    "approval": _approval,
    "payout": _payout,
    "file": _file,
    "party": _party,
}
