"""What a bank reports: read whole or not at all, whatever the bytes are."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core.adapters.bank_file import status_codes, status_tree
from finops_core.adapters.bank_file.status_report import StatusReport, read_status
from finops_core.kernel.provider import PayoutStatus
from tests.adapters.bank import Office, block, key, order, payment, report
from tests.adapters.test_bank_file_document import sample

DATA = Path(__file__).parent / "data" / "bank_file"
PAID, IN_TRANSIT, FAILED = PayoutStatus.PAID, PayoutStatus.IN_TRANSIT, PayoutStatus.FAILED
PARTLY = (DATA / "partly.pain002.xml").read_bytes()


def faults(content):
    """Code, line and element of each fault; a report with faults says nothing else."""
    told = read_status(content)
    assert told.faults
    assert told == StatusReport(faults=told.faults)
    return [(fault.code, fault.row, fault.column) for fault in told.faults]


def test_a_report_is_read_as_the_bank_means_it():
    told = read_status(PARTLY)

    assert told.faults == ()
    assert (told.message_id, told.original_message_id) == ("BANK-2026-11-27-0001", "TEST-1")
    assert (told.group.code, told.group.status) == ("PART", None)
    assert [(name, each.code) for name, each in told.blocks.items()] == [
        ("TEST-1-01", "ACSC"),
        ("TEST-1-02", "PART"),
        ("TEST-1-03", "ACSP"),
        ("TEST-1-04", "PART"),
    ]
    (listed,) = told.payments.values()
    assert (listed.told.status, listed.told.reason_code, listed.told.reason, listed.told.detail) == (
        FAILED,
        "AC04",
        "The account is closed.",
        "Account closed on 2026-10-01",
    )


def test_outcomes_of_our_orders_follow_from_payment_block_and_group(tmp_path):
    # Given the sample file, which left
    office = Office(tmp_path / "files")
    ids = office.pay(*sample())
    office.send()

    # When the bank's report comes back
    outcomes = office.provider.outcomes(read_status(PARTLY))

    # Then each order has what holds for it, and the one that the report leaves open has nothing
    assert outcomes.faults == ()
    assert outcomes.message_id == "TEST-1"
    told = {each.order_id: (each.told.status, each.told.code) for each in outcomes.found}
    assert told == {
        ids[0]: (PAID, "ACSC"),
        ids[4]: (PAID, "ACSC"),
        ids[3]: (FAILED, "RJCT"),
        ids[1]: (IN_TRANSIT, "ACSP"),
    }
    assert {each.end_to_end_id for each in outcomes.found} == {key(number)[:35] for number in (1, 2, 4, 5)}


@pytest.mark.parametrize(
    ("group", "status", "own", "expected"),
    [
        ("ACCP", "", "", IN_TRANSIT),
        ("ACCP", "ACSC", "", PAID),
        ("ACCP", "", "RJCT", FAILED),
        ("PART", "ACSC", "RJCT", FAILED),
        ("", "ACSC", "", PAID),
        ("", "", "ACCC", PAID),
        ("ACSC", "PART", "", None),
        ("PART", "", "", None),
        ("RJCT", "", "", FAILED),
        ("RJCT", "RJCT", "RJCT", FAILED),
        ("ACSP", "ACSP", "CANC", PayoutStatus.CANCELED),
    ],
)
def test_the_nearest_status_holds(group, status, own, expected):
    head = f"<GrpSts>{group}</GrpSts>" if group else ""
    lines = [payment("E1", own)] if own else []

    told = read_status(report(block(*lines, status=status), group=head))

    assert told.faults == ()
    found = told.told_of("E1", "TEST-1-01")
    assert (found.status if found else None) is expected


def test_a_listed_payment_without_a_status_has_that_of_its_block():
    told = read_status(report(block(payment("E1"), status="ACSC")))

    assert told.payments["E1"].told is None
    assert told.told_of("E1", "TEST-1-01").status is PAID


@pytest.mark.parametrize("version", ["10", "03"])
@pytest.mark.parametrize(("code", "status"), sorted(status_codes.STATUSES.items()))
def test_every_known_status_means_one_of_ours(version, code, status):
    told = read_status(report(block(payment("E1", code)), version=version))

    assert told.faults == ()
    assert told.payments["E1"].told.status is status


@pytest.mark.parametrize("code", ["AC01", "AC04", "AC06", "AG01", "AM04", "AM05", "BE04", "FF01", "MS03", "RR04"])
def test_common_reasons_are_told_in_words(code):
    told = read_status(report(block(payment("E1", "RJCT", code)))).payments["E1"].told

    assert told.reason_code == code
    assert told.reason.endswith(".")
    assert code not in told.reason


def test_unknown_own_and_absent_reasons_are_told_as_they_are():
    proprietary = "<StsRsnInf><Rsn><Prtry>HOUSE-7</Prtry></Rsn><AddtlInf>a</AddtlInf><AddtlInf>b</AddtlInf></StsRsnInf>"
    listed = payment("E2", "RJCT").replace("</TxInfAndSts>", f"{proprietary}</TxInfAndSts>")
    told = read_status(report(block(payment("E1", "RJCT", "ZZ99"), listed, payment("E3", "RJCT")))).payments

    assert [(each.told.reason_code, each.told.reason, each.told.detail) for each in told.values()] == [
        ("ZZ99", "The bank gives the reason ZZ99.", ""),
        ("HOUSE-7", "The bank gives the reason HOUSE-7.", "a b"),
        ("", "", ""),
    ]


def test_the_same_thing_said_twice_is_said_once():
    told = read_status(report(block(payment("E1", "RJCT", "AC04"), payment("E1", "RJCT", "AC04")) + block()))

    assert told.faults == ()
    assert len(told.payments) == 1


@pytest.mark.parametrize(
    ("body", "group", "expected"),
    [
        (block(payment("E1", "RJCT"), payment("E1", "ACSC")), "", [(8, "OrgnlEndToEndId")]),
        (block(payment("E1", "RJCT", "AC04"), payment("E1", "RJCT", "AC01")), "", [(8, "OrgnlEndToEndId")]),
        (
            f"{block(payment('E1', 'ACSC'))}\n{block(payment('E1', 'ACSC'), block_id='B2')}",
            "",
            [(10, "OrgnlEndToEndId")],
        ),
        (f"{block(status='ACSC')}\n{block(status='RJCT')}", "", [(9, "OrgnlPmtInfId")]),
        (block(payment("E1", "ACSC"), status="RJCT"), "", [(7, "TxSts")]),
        (block(payment("E1", "ACSC")), "RJCT", [(7, "TxSts")]),
        (block(status="ACSP"), "RJCT", [(6, "PmtInfSts")]),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(body, group, expected):
    head = f"<GrpSts>{group}</GrpSts>" if group else ""

    assert faults(report(body, group=head)) == [("BANK_STATUS_CONTRADICTS", *place) for place in expected]


def test_all_faults_are_told_at_once_with_their_lines():
    body = block(
        payment("", "ACSC"),
        payment("E2", "OKAY"),
        payment("x" * 36, "ACSC"),
        payment("E4", "ACSC").replace("<TxSts>", "<TxSts>RJCT</TxSts><TxSts>"),
        payment("E5", "ACSC").replace("TxSts", "Status"),
        payment("E6", "ACSC", words="w" * 106),
        payment("E7", "<b>ACSC</b>"),
        payment("E8", "PART"),
        "stray words",
    )

    assert sorted(faults(report(body))) == sorted(
        [
            ("BANK_STATUS_FIELD", 7, "OrgnlEndToEndId"),
            ("BANK_STATUS_CODE", 8, "TxSts"),
            ("BANK_STATUS_FIELD", 9, "OrgnlEndToEndId"),
            ("BANK_STATUS_FIELD", 10, "TxSts"),
            ("BANK_STATUS_FIELD", 11, "Status"),
            ("BANK_STATUS_FIELD", 12, "AddtlInf"),
            ("BANK_STATUS_FIELD", 13, "TxSts"),
            ("BANK_STATUS_CODE", 14, "TxSts"),
            ("BANK_STATUS_FIELD", 6, "OrgnlPmtInfAndSts"),
        ]
    )


def changed(old, new):
    content = report(block(payment("E1", "ACSC"))).decode()
    assert old in content
    return content.replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (changed("<GrpHdr>", "<GrpHeader>").replace(b"</GrpHdr>", b"</GrpHeader>"), ["FIELD", "FIELD"]),
        (changed("<MsgId>STATUS-1</MsgId>", ""), ["FIELD"]),
        (changed("<OrgnlMsgId>TEST-1</OrgnlMsgId>", ""), ["FIELD"]),
        (changed("<OrgnlMsgId>TEST-1</OrgnlMsgId>", "<OrgnlMsgId> </OrgnlMsgId>"), ["FIELD"]),
        (changed("pain.001.001.09", "pain.008.001.08"), ["FIELD"]),
        (changed("<OrgnlPmtInfId>TEST-1-01</OrgnlPmtInfId>", ""), ["FIELD"]),
        (changed("<TxSts>ACSC</TxSts>", ""), ["EMPTY"]),
        (changed("<TxSts>", '<TxSts xmlns="urn:other">'), ["NAMESPACE"]),
        (
            changed("<TxInfAndSts>", "<OrgnlTxRef><TxInfAndSts>").replace(
                b"</TxInfAndSts>", b"</TxInfAndSts></OrgnlTxRef>"
            ),
            ["FIELD"],
        ),
        (report("<TxInfAndSts/>"), ["FIELD"]),
        (report(""), ["EMPTY"]),
        (changed("<CstmrPmtStsRpt>", "<Report>").replace(b"</CstmrPmtStsRpt>", b"</Report>"), ["FIELD", "FIELD"]),
        (report(block(payment("E1", "acsc"))), ["CODE"]),
        (report(block(payment("E1", "ACSCACSC"))), ["FIELD", "CODE"]),
        (report(block(), group="<GrpSts>DONE</GrpSts>"), ["CODE"]),
        (changed("pain.002.001.10", "pain.002.001.99"), ["ROOT"]),
        (changed(' xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"', ""), ["ROOT"]),
        (b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"/>', ["ROOT"]),
        (b"<html/>", ["ROOT"]),
    ],
    ids=lambda value: value[0].lower() if isinstance(value, list) else "",
)
def test_each_kind_of_wrong_report_is_told(content, expected):
    told = [code.removeprefix("BANK_STATUS_") for code, _line, _column in faults(content)]

    assert told == expected


def test_what_says_nothing_of_a_status_is_skipped():
    foreign = '<SplmtryData><Envlp><x xmlns="urn:bank"><TxSts>RJCT</TxSts></x></Envlp></SplmtryData>'
    listed = payment("E1", "ACSC").replace("</TxInfAndSts>", f"<OrgnlTxRef><Any/></OrgnlTxRef>{foreign}</TxInfAndSts>")

    told = read_status(report(block(listed)))

    assert told.faults == ()
    assert told.payments["E1"].told.code == "ACSC"


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Document>&b;</Document>'
OUTSIDE = b'<?xml version="1.0"?>\n<!DOCTYPE x SYSTEM "file:///etc/hostname"><Document/>'
READS = b'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><Document>&y;</Document>'


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "XML", 1),
        (b"\x00", "XML", 1),
        (b"just words", "XML", 1),
        (b"<Document>\n<open>\n</Document>", "XML", 3),
        (b"<a/><b/>", "XML", 1),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "XML", None),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "XML", None),
        (b"<a>\xff</a>", "XML", 1),
        (b"<a>&y;</a>", "XML", 1),
        (BOMB, "UNSAFE", 1),
        (OUTSIDE, "UNSAFE", 2),
        (READS, "UNSAFE", 1),
        (b"<a>" * 65, "UNSAFE", 1),
        (b"<a>" * 200_000, "UNSAFE", 1),
        (b"<a>\n" + b" <b/>" * 250_001 + b"</a>", "UNSAFE", 2),
        (b" " * (status_tree.SIZE_MAX_BYTES + 1), "TOO_LARGE", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_hostile_bytes_are_told_apart_and_nothing_of_them_is_used(content, code, line):
    ((told, row, _column),) = faults(content)

    assert told == f"BANK_STATUS_{code}"
    assert line is None or row == line


def test_other_encodings_are_read():
    content = report(block(payment("E1", "RJCT", words="geändert"))).decode()

    for encoding in ("utf-16", "iso-8859-1"):
        told = read_status(content.replace("UTF-8", encoding, 1).encode(encoding))
        assert told.faults == ()
        assert told.payments["E1"].told.detail == "geändert"


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_a_report_with_faults(content):
    assert read_status(content).faults


@settings(deadline=None, max_examples=200)
@given(st.integers(0, len(PARTLY) - 1), st.integers(0, 255), st.integers(0, 60))
def test_a_report_with_bytes_changed_or_cut_out_never_breaks_the_reader(at, byte, cut):
    told = read_status(PARTLY[:at] + bytes([byte]) + PARTLY[at + cut :])

    # Either it is refused, or it says of each payment something that a bank can say
    assert told.faults or all(each.told is None or each.told.status for each in told.payments.values())
    assert not (told.faults and told.payments)


def sent(tmp_path, *made):
    office = Office(tmp_path / "files")
    office.pay(*made)
    office.send()
    return office.provider


def not_ours(outcomes):
    assert outcomes.found == ()
    return [(fault.code, fault.column, fault.value) for fault in outcomes.faults]


def test_a_report_on_something_we_did_not_send_changes_nothing(tmp_path):
    provider = sent(tmp_path, order(1))
    ours = key(1)[:35]
    mixed = report(block(payment(ours, "ACSC"), payment("E9", "ACSC")) + block(payment("E8", "ACSC"), block_id="B9"))

    assert not_ours(provider.outcomes(read_status(report(block(payment(ours, "ACSC")), message_id="TEST-9")))) == [
        ("BANK_STATUS_NOT_OURS", "OrgnlMsgId", "TEST-9")
    ]
    assert not_ours(provider.outcomes(read_status(mixed))) == [
        ("BANK_STATUS_NOT_OURS", "OrgnlPmtInfId", "B9"),
        ("BANK_STATUS_NOT_OURS", "OrgnlEndToEndId", "E9"),
        ("BANK_STATUS_NOT_OURS", "OrgnlEndToEndId", "E8"),
    ]


def test_a_report_with_faults_has_no_outcomes(tmp_path):
    outcomes = sent(tmp_path, order(1)).outcomes(read_status(BOMB))

    assert (outcomes.found, [fault.code for fault in outcomes.faults]) == ((), ["BANK_STATUS_UNSAFE"])


def test_a_payment_that_is_told_of_in_another_block_of_its_file_changes_nothing(tmp_path):
    provider = sent(tmp_path, order(1), order(2, "USD"))
    (left,) = provider.exports()
    (_, its_own), (other, another) = sorted(left.blocks.items(), key=lambda each: each[1])
    assert its_own != another

    told = provider.outcomes(read_status(report(block(payment(other, "ACSC"), block_id=its_own))))

    assert not_ours(told) == [("BANK_STATUS_NOT_OURS", "OrgnlEndToEndId", other)]
