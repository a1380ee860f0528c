"""Payouts by bank file: orders are kept sealed, written into one pain.001 document, and followed by pain.002 reports.

``payouts`` is the provider behind the port, ``status_report`` reads what the bank says afterwards. Nothing here
speaks to a bank: people carry the files. Standards: ISO 20022 pain.001.001.09 and pain.002.001.10, and the European
Payments Council's guidelines for SEPA credit transfers (EPC132-08, EPC217-08). See docs/decisions/0012-bank-files.md.

Nothing is imported here on purpose: the schema check alone costs 0.4 s at its first use.
"""
