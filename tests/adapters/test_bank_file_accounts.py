"""Our account and payees' accounts: what is no IBAN, BIC, name or address is said in words, and no number is shown."""

import json
from importlib.resources import files

import pytest

from finops_core.adapters.bank_file import accounts, parties
from finops_core.adapters.bank_file.debtor import Debtor
from finops_core.kernel.errors import Invalid
from finops_core.kernel.provider import Address
from tests.adapters.bank import DEBTOR

# Examples that the countries' own entries in the IBAN Registry, and banks' pages, give.
_REAL = """
DE89370400440532013000 GB82WEST12345698765432 FR1420041010050500013M02606 NL91ABNA0417164300 BE68539007547034
CH9300762011623852957 ES9121000418450200051332 IT60X0542811101000000123456 AT611904300234573201
PL61109010140000071219812874 NO9386011117947 SE4550000000058398257466 DK5000400440116243 FI2112345600000785
IE29AIBK93115212345678 PT50000201231234567890154 LU280019400644750000 GR1601101250000000012300695
MT84MALT011000012345MTLCAST001S SA0380000000608010167519 AE070331234567890123456 KW81CBKU0000000000001234560101
TR330006100519786457841326 BR1800360305000010009795493C1 MU17BOMM0101101030300200000MUR XK051212012345678906
LC55HEMM000100010012001200023015 SC18SSCB11010000000000001497USD MD24AG000225100013104168 VG96VPVG0000012345678901
QA58DOHB00001234567890ABCDEFG JO94CBJO0010000000000131000302 PK36SCBL0000001123456702 CZ6508000000192000145399
HR1210010051863000160 HU42117730161111101800000000 IS140159260076545510730339 LI21088100002324013AA
LV80BANK0000435195001 LT121000011101001000 MC5811222000010123456789030 RO49AAAA1B31007593840000
RS35260005601001611379 SI56263300012039086 SK3112000000198742637541 SM86U0322509800000000270100
UA213223130000026007233566001
"""
REAL = _REAL.split()


@pytest.mark.parametrize("iban", REAL)
def test_a_real_iban_is_one(iban):
    assert accounts.iban_problem(iban) == ""


@pytest.mark.parametrize("iban", REAL)
def test_two_exchanged_characters_or_one_lost_are_noticed(iban):
    exchanged = next(iban[:i] + iban[i + 1] + iban[i] + iban[i + 2 :] for i in range(4, 20) if iban[i] != iban[i + 1])

    assert accounts.iban_problem(exchanged) != ""
    assert accounts.iban_problem(iban[:-1]) != ""


@pytest.mark.parametrize(
    ("iban", "why"),
    [
        ("", "letters and digits"),
        ("DE89 3704 0044 0532 0130 00", "without spaces"),
        ("de89370400440532013000", "letters and digits"),
        ("US12345678901234567890", "US has none"),
        ("DE8937040044053201300", "22 characters, not 21"),
        ("DE8937040044053201300A", "do not stand where DE"),
        ("DE88370400440532013000", "check digits"),
        ("DE" + "9" * 5_000, "letters and digits"),
        ("DE\uff189370400440532013000", "letters and digits"),
        ("DE89370400440532013000\n", "letters and digits"),
    ],
    ids=lambda text: repr(text)[:30],
)
def test_what_is_no_iban_is_told_with_its_last_four_characters_only(iban, why):
    problem = accounts.iban_problem(iban)

    assert why in problem
    assert iban[4:12] == "" or iban[4:12] not in problem


def test_check_digits_that_are_never_given_out_do_not_pass():
    # Given an account whose right check digits are 02, written with 99, which leaves the same remainder
    bban = next(text for text in (f"{n:018d}" for n in range(2_000)) if accounts.iban_problem(f"DE02{text}") == "")

    assert "check digits" in accounts.iban_problem(f"DE99{bban}")


@pytest.mark.parametrize(("bic", "good"), [("DEUTDEFF", 1), ("DEUTDEFF500", 1), ("1234XK22", 1), ("NTSBDEB1XXX", 1)])
def test_a_bic_is_one(bic, good):
    assert bool(accounts.bic_problem(bic)) is not bool(good)


@pytest.mark.parametrize("bic", ["", "DEUTDEF", "DEUTDEFF5", "deutdeff", "DEUTZZFF", "DEUTDEFF 500", "DEUTDEFF\n"])
def test_what_is_no_bic_is_told(bic):
    assert accounts.bic_problem(bic).startswith("The BIC is not one")


def test_sepa_is_euro_between_sepa_countries():
    german, french, turkish = "DE89370400440532013000", "FR1420041010050500013M02606", "TR330006100519786457841326"

    assert accounts.is_sepa("EUR", german, french)
    assert not accounts.is_sepa("USD", german, french)
    assert not accounts.is_sepa("EUR", german, turkish)
    assert not accounts.is_sepa("EUR", turkish, french)


def test_the_countries_are_those_of_iso_3166():
    listed = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    codes = {line.split("\t")[0] for line in listed.splitlines() if not line.startswith("#")}

    assert codes == parties.COUNTRIES
    assert {entry for entry in accounts.SEPA_COUNTRIES if entry not in codes} == set()


def test_every_sepa_country_has_ibans():
    assert {country for country in accounts.SEPA_COUNTRIES if "none" in accounts.iban_problem(f"{country}02X")} == set()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Müller", "ü (U+00FC)"),
        ("A & B", "& (U+0026)"),
        ("two\nlines", "U+000A"),
        ("Жшщю", "Ж (U+0416), ш (U+0448), щ (U+0449), ю (U+044E)"),
        ("@#$%&*", "@ (U+0040), # (U+0023), $ (U+0024), % (U+0025), & (U+0026) and 1 more"),
        ("a\ud800", "U+D800"),
        ("<b>", "< (U+003C), > (U+003E)"),
    ],
)
def test_characters_that_cannot_be_carried_are_named(text, named):
    assert parties.character_problem("The name", text) == (
        f"The name has characters that a bank file cannot carry: {named}."
    )


def test_the_characters_of_sepa_can_be_carried():
    assert parties.character_problem("The name", "abc XYZ 019 / - ? : ( ) . , ' +") == ""


@pytest.mark.parametrize("name", ["", "   ", "x" * 71])
def test_a_name_that_is_missing_or_too_long_is_told(name):
    assert parties.name_problem(name) != ""


def test_every_fault_of_an_address_is_told_at_once():
    problems = parties.address_problems(Address("", "XX", street="s" * 71, building="b" * 17, post_code="p" * 17))

    assert len(problems) == 5
    assert parties.address_problems(Address("t" * 36, "")) == [
        "The address has no country.",
        "The address's town has 36 characters; a bank file carries 35.",
    ]


def test_our_account_is_read():
    debtor = Debtor.from_text(json.dumps(DEBTOR))

    assert debtor.iban == "DE89370400440532013000"
    assert debtor.address == Address("Hamburg", "DE", "Am Sandtorkai", "30", "20457")
    assert debtor.iban not in repr(debtor)


def test_an_address_may_be_only_town_and_country():
    assert (
        Debtor.from_text(json.dumps({**DEBTOR, "address": {"town": "Hamburg", "country": "DE"}})).address.street == ""
    )


def test_everything_wrong_with_our_account_is_told_at_once_and_no_number():
    text = json.dumps(
        {
            "name": "Härbour",
            "iban": "DE88370400440532013000",
            "bic": "COBA",
            "address": {"town": " ", "country": "GE RM", "street": "Straße"},
        }
    )

    with pytest.raises(Invalid) as caught:
        Debtor.from_text(text)

    assert caught.value.code == "BANK_ACCOUNT_BAD"
    for words in ("check digits", "The BIC", "no town", "'GE RM'", "ä (U+00E4)", "ß (U+00DF)"):
        assert words in str(caught.value)
    assert "37040044" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a JSON object"),
        ("sk_test_123", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("[" * 9_000, "not a JSON object"),
        ('{"name": "' + "x" * 20_000 + '"}', "not a JSON object"),
        ("{}", "'name' is missing"),
        ('{"name": 5}', "'name' is not a text"),
        ('{"address": []}', "'address' is missing"),
        ('{"address": {"town": ["x"]}}', "'town' is not a text"),
        ('{"address": {"city": "x"}}', "'city' of the address is not known"),
        ('{"number": "1"}', "'number' is not known"),
    ],
    ids=lambda text: repr(text)[:30],
)
def test_a_text_that_is_no_account_is_refused_in_words(text, why):
    with pytest.raises(Invalid) as caught:
        Debtor.from_text(text)

    assert caught.value.code == "BANK_ACCOUNT_BAD"
    assert why in caught.value.message
