"""The bank file itself: read back by plain means, it says exactly what was ordered, and always the same."""

import hashlib
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core.adapters.bank_file import document, orders, schema_check
from finops_core.adapters.bank_file.debtor import Debtor
from finops_core.adapters.bank_file.document import Heading
from finops_core.adapters.bank_file.outbox import Fragment
from finops_core.kernel.errors import Invalid
from finops_core.kernel.provider import Address, Creditor, Mode
from tests.adapters.bank import DEBTOR, FRIDAY, KUWAIT, NOW, PAYEE, TOKYO, key, order

DATA = Path(__file__).parent / "data" / "bank_file"
NS = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3, "ISK": 0, "HUF": 2}
SHA256 = "05440a7e84f695e7dbc6677082f43623cd7393881b76a5e8d648ae21d7d728e3"


def ours(**changes):
    told = {**DEBTOR, "address": Address(**DEBTOR["address"]), **changes}
    return Debtor(**told)


def fragment(number, made, created_at=NOW):
    return Fragment(key(number), "bank_1", created_at, orders.body_of(made))


def written(*made, debtor=None, heading=None):
    fragments = [fragment(number, each) for number, each in enumerate(made, start=1)]
    return document.write(debtor or ours(), fragments, heading or Heading("TEST-1", NOW, FRIDAY), Mode.TEST)


def tree(content):
    return ET.fromstring(content)[0]  # noqa: S314 - our own bytes, read by other means than our own


def text(element, path):
    return element.findtext("/".join(NS + part for part in path.split("/")), "")


def minor(amount, currency):
    scaled = Decimal(amount) * 10 ** DECIMALS[currency]
    assert scaled == int(scaled)
    return int(scaled)


def payments(content):
    """What a bank reads: end-to-end id, amount in minor units, currency, and who gets it."""
    found = []
    for each in tree(content).iter(f"{NS}CdtTrfTxInf"):
        amount = each.find(f"{NS}Amt/{NS}InstdAmt")
        place = [text(each, f"Cdtr/PstlAdr/{part}") for part in ("TwnNm", "Ctry", "StrtNm", "BldgNb", "PstCd")]
        payee = Creditor(
            text(each, "Cdtr/Nm"),
            text(each, "CdtrAcct/Id/IBAN"),
            text(each, "CdtrAgt/FinInstnId/BICFI"),
            Address(*place),
        )
        currency = amount.get("Ccy")
        found.append(
            (text(each, "PmtId/EndToEndId"), minor(amount.text, currency), currency, payee, text(each, "RmtInf/Ustrd"))
        )
    return found


def assert_sums_hold(content):
    """Counts and control sums of the header and of each block, added up again."""
    root = tree(content)
    everything = [Decimal(each.text) for each in root.iter(f"{NS}InstdAmt")]
    assert Decimal(text(root, "GrpHdr/CtrlSum")) == sum(everything)
    assert int(text(root, "GrpHdr/NbOfTxs")) == len(everything)
    for part in root.findall(f"{NS}PmtInf"):
        amounts = list(part.iter(f"{NS}InstdAmt"))
        assert Decimal(text(part, "CtrlSum")) == sum(Decimal(each.text) for each in amounts)
        assert int(text(part, "NbOfTxs")) == len(amounts)
        assert len({each.get("Ccy") for each in amounts}) == 1


def sample():
    """Five orders in three currencies, one of them in euro beyond SEPA."""
    dubai = Creditor("Gulf Example LLC", "AE070331234567890123456", "EBILAEAD", Address("Dubai", "AE"))
    return (
        order(1, amount_minor=12_345),
        order(2, "JPY", 150_000, creditor=TOKYO),
        order(3, "KWD", 1_234, creditor=KUWAIT, descriptor=""),
        order(4, amount_minor=99, creditor=dubai),
        order(5, amount_minor=5, creditor=replace(PAYEE, bic="")),
    )


def test_a_small_file_is_the_one_that_people_have_read():
    assert written(*sample()).decode() == (DATA / "sample.xml").read_text(encoding="utf-8")


def test_every_file_of_the_folder_is_used():
    assert sorted(path.name for path in DATA.iterdir()) == ["partly.pain002.xml", "sample.xml"]


def test_currencies_and_sepa_stand_in_blocks_of_their_own():
    root = tree(written(*sample()))

    told = [
        (
            text(part, "PmtInfId"),
            next(part.iter(f"{NS}InstdAmt")).get("Ccy"),
            text(part, "PmtTpInf/SvcLvl/Cd"),
            text(part, "ChrgBr"),
            text(part, "NbOfTxs"),
            text(part, "CtrlSum"),
        )
        for part in root.findall(f"{NS}PmtInf")
    ]
    assert told == [
        ("TEST-1-01", "EUR", "SEPA", "SLEV", "2", "123.50"),
        ("TEST-1-02", "EUR", "", "SHAR", "1", "0.99"),
        ("TEST-1-03", "JPY", "", "SHAR", "1", "150000"),
        ("TEST-1-04", "KWD", "", "SHAR", "1", "1.234"),
    ]
    assert text(root, "GrpHdr/CtrlSum") == "150125.724"


def test_each_block_names_our_account_and_the_day():
    for part in tree(written(*sample())).findall(f"{NS}PmtInf"):
        assert text(part, "DbtrAcct/Id/IBAN") == DEBTOR["iban"]
        assert text(part, "DbtrAgt/FinInstnId/BICFI") == DEBTOR["bic"]
        assert text(part, "Dbtr/Nm") == DEBTOR["name"]
        assert text(part, "Dbtr/PstlAdr/TwnNm") == "Hamburg"
        assert text(part, "ReqdExctnDt/Dt") == "2026-11-27"
        assert text(part, "PmtMtd") == "TRF"


def iban(country, bban):
    """An IBAN with its check digits, by the standard's own recipe."""
    digits = "".join(str(int(character, 36)) for character in f"{bban}{country}00")
    return f"{country}{98 - int(digits) % 97:02d}{bban}"


LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=4, max_size=4)
DIGITS = [st.text("0123456789", min_size=size, max_size=size) for size in range(25)]
IBANS = st.one_of(
    DIGITS[18].map(lambda bban: iban("DE", bban)),
    st.tuples(LETTERS, DIGITS[10]).map(lambda parts: iban("NL", "".join(parts))),
    st.tuples(LETTERS, DIGITS[14]).map(lambda parts: iban("GB", "".join(parts))),
    DIGITS[19].map(lambda bban: iban("AE", bban)),
)
ALLOWED = "abcxyzABCXYZ0189/-?:().,'+ "


def texts(longest, least=0):
    wanted = st.text(ALLOWED, min_size=least, max_size=longest)
    return wanted.filter(lambda made: made.strip()) if least else wanted


ADDRESSES = st.builds(
    Address,
    town=texts(35, 1),
    country=st.sampled_from(["DE", "FR", "US", "JP"]),
    street=texts(70),
    building=texts(16),
    post_code=texts(16),
)
CREDITORS = st.builds(Creditor, name=texts(70, 1), iban=IBANS, bic=st.just("WESTGB2L"), address=ADDRESSES)
ORDERS = st.builds(
    lambda currency, amount_minor, descriptor, creditor: order(
        1, currency, amount_minor, descriptor=descriptor, creditor=creditor
    ),
    currency=st.sampled_from(sorted(DECIMALS)),
    amount_minor=st.one_of(st.integers(1, 200), st.integers(1, 99_999_999_999)),
    descriptor=texts(140),
    creditor=CREDITORS,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(ORDERS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_orders_are_read_back_to_the_minor_unit(made, chance):
    content = written(*made)

    wanted = [
        (key(number)[:35], each.amount_minor, each.currency, each.creditor, each.descriptor)
        for number, each in enumerate(made, start=1)
    ]
    assert sorted(payments(content), key=repr) == sorted(wanted, key=repr)
    assert_sums_hold(content)
    assert schema_check.violations(content) == []
    # and in whatever order they are given, the bytes are the same
    fragments = [fragment(number, each) for number, each in enumerate(made, start=1)]
    chance.shuffle(fragments)
    assert document.write(ours(), fragments, Heading("TEST-1", NOW, FRIDAY), Mode.TEST) == content


def test_amounts_are_plain_decimals():
    content = written(
        order(1, "USD", 2**53 - 1), order(2, "JPY", 10**14), order(3, "KWD", 1), order(4, amount_minor=10)
    )

    told = {each.get("Ccy"): each.text for each in tree(content).iter(f"{NS}InstdAmt")}
    assert told == {"USD": "90071992547409.91", "JPY": "100000000000000", "KWD": "0.001", "EUR": "0.10"}
    assert_sums_hold(content)


def test_orders_stand_in_the_order_they_came():
    later, earlier = fragment(1, order(1), NOW + timedelta(seconds=1)), fragment(2, order(2), NOW)

    content = document.write(ours(), [later, earlier], Heading("TEST-1", NOW, FRIDAY), Mode.TEST)

    assert [each[4] for each in payments(content)] == ["Invoice 2", "Invoice 1"]


def test_the_instant_is_written_in_utc_without_fractions():
    berlin = datetime(2026, 11, 26, 10, 30, 15, 999_999, tzinfo=timezone(timedelta(hours=1)))

    content = written(order(), heading=Heading("TEST-1", berlin, FRIDAY))

    assert text(tree(content), "GrpHdr/CreDtTm") == "2026-11-26T09:30:15Z"


@pytest.mark.parametrize("message_id", ["TEST-1", "TEST-" + "x" * 30, "TEST-a/b"])
def test_block_ids_are_unique_and_fit(message_id):
    content = written(*sample(), heading=Heading(message_id, NOW, FRIDAY))

    blocks = [text(part, "PmtInfId") for part in tree(content).findall(f"{NS}PmtInf")]
    assert len(set(blocks)) == 4
    assert max(map(len, blocks)) <= 35
    assert not set(blocks) & set(
        document.read(written(*sample(), heading=Heading("TEST-2", NOW, FRIDAY))).blocks.values()
    )


@pytest.mark.parametrize(
    "message_id", ["", "M-1", "test-1", "TEST-" + "x" * 31, "TEST-ä", "TEST-/", "TEST-a b", "TEST_1"]
)
def test_a_message_id_that_a_bank_or_test_mode_would_not_take_is_refused(message_id):
    with pytest.raises(Invalid) as caught:
        written(order(), heading=Heading(message_id, NOW, FRIDAY))

    assert caught.value.code == "BANK_MESSAGE_ID_BAD"


def test_a_real_file_may_not_look_like_a_test():
    fragments = [fragment(1, order())]

    assert document.write(ours(), fragments, Heading("M-1", NOW, FRIDAY), Mode.LIVE)
    with pytest.raises(Invalid) as caught:
        document.write(ours(), fragments, Heading("TEST-1", NOW, FRIDAY), Mode.LIVE)
    assert caught.value.code == "BANK_MESSAGE_ID_BAD"


@pytest.mark.parametrize(
    ("created_at", "day"),
    [
        (NOW, date(2026, 11, 24)),
        (NOW, date(2027, 11, 28)),
        (NOW, date.max),
        (NOW.replace(tzinfo=None), FRIDAY),
    ],
)
def test_a_day_that_no_bank_can_pay_on_is_refused(created_at, day):
    with pytest.raises(Invalid) as caught:
        written(order(), heading=Heading("TEST-1", created_at, day))

    assert caught.value.code == "BANK_FILE_DATE_BAD"


def test_yesterday_by_utc_may_be_today_elsewhere():
    assert written(order(), heading=Heading("TEST-1", NOW, date(2026, 11, 25)))


def test_a_file_without_orders_or_with_one_twice_is_refused():
    with pytest.raises(Invalid) as empty:
        written()
    with pytest.raises(Invalid) as twice:
        document.write(ours(), [fragment(1, order())] * 2, Heading("TEST-1", NOW, FRIDAY), Mode.TEST)

    assert (empty.value.code, twice.value.code) == ("BANK_FILE_EMPTY", "BANK_FILE_TWICE")


def test_an_order_that_does_not_fit_our_account_any_more_is_refused():
    abroad = ours(iban="TR330006100519786457841326", bic="TCZBTR2A")

    with pytest.raises(Invalid) as caught:
        written(order(creditor=replace(PAYEE, bic="")), debtor=abroad)

    assert caught.value.code == "BANK_BIC_BAD"


@pytest.mark.parametrize(
    "changes",
    [{"name": "x" * 141}, {"name": ""}, {"iban": "de89"}, {"bic": "COBA"}, {"address": Address("", "Germany")}],
)
def test_a_document_against_the_schema_is_never_given_out(changes):
    # Given an account that went past its own checks
    with pytest.raises(Invalid) as caught:
        written(order(creditor=replace(PAYEE, bic="WESTGB2L")), debtor=ours(**changes))

    # Then only the places are told, not what stands there
    assert caught.value.code == "BANK_FILE_INVALID"
    assert "/Document/CstmrCdtTrfInitn" in str(caught.value.context["broken"])
    assert not any(str(value) in str(caught.value.context) for value in changes.values() if value)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (">123.45</InstdAmt>", ">123,45</InstdAmt>"),
        (">123.45</InstdAmt>", ">1e2</InstdAmt>"),
        (">123.45</InstdAmt>", ">-1.00</InstdAmt>"),
        ('Ccy="EUR"', 'Ccy="eur"'),
        ("SLEV", "OURS"),
        ("<PmtMtd>TRF</PmtMtd>", ""),
        ("<TwnNm>Paris</TwnNm>", "<TwnNm></TwnNm>"),
        ("<Ctry>FR</Ctry>", "<Ctry>FRA</Ctry>"),
        ("2026-11-27", "27.11.2026"),
        ("<StrtNm>Rue de Rivoli</StrtNm>", "<Strasse>Rue de Rivoli</Strasse>"),
        ("pain.001.001.09", "pain.001.001.03"),
    ],
)
def test_the_schema_finds_what_is_wrong(good, bad):
    content = written(order())
    changed = content.decode().replace(good, bad, 1).encode()

    assert changed != content
    assert schema_check.violations(content) == []
    assert schema_check.violations(changed) != []


def test_the_schema_is_the_official_one():
    content = schema_check.SCHEMA.read_bytes()

    assert hashlib.sha256(content).hexdigest() == SHA256
    assert SHA256 in schema_check.SCHEMA.with_name("NOTICE.txt").read_text(encoding="utf-8")
    assert f'targetNamespace="{schema_check.NAMESPACE}"'.encode() in content


def test_a_thousand_orders_leave_in_one_file():
    made = [order(number, ("EUR", "JPY", "KWD")[number % 3], number * 7_919 % 10**6 + 1) for number in range(1, 1_001)]

    content = written(*made)

    assert len(payments(content)) == 1_000
    assert_sums_hold(content)
    assert not re.search(rb"<(CtrlSum|InstdAmt[^>]*)>[^<]*[eE]", content)
