"""The log: who did what to which thing, provably unchanged."""

from finops_core.audit.finding import find
from finops_core.audit.outside import Finding
from finops_core.audit.proofs import Inclusion, inclusion
from finops_core.audit.queries import (
    AuditFacets,
    AuditFilter,
    AuditView,
    Page,
    Thing,
    counts,
    facets,
    of_installation,
    of_object,
    records,
    steps,
    thing,
    trail,
)
from finops_core.audit.sealing import seal
from finops_core.audit.service import export_rows, note_verified, record, record_many
from finops_core.audit.verification import Standing, Verification, standing, verify

__all__ = [
    "AuditFacets",
    "AuditFilter",
    "AuditView",
    "Finding",
    "Inclusion",
    "Page",
    "Standing",
    "Thing",
    "Verification",
    "counts",
    "export_rows",
    "facets",
    "find",
    "inclusion",
    "note_verified",
    "of_installation",
    "of_object",
    "record",
    "record_many",
    "records",
    "seal",
    "standing",
    "steps",
    "thing",
    "trail",
    "verify",
]
