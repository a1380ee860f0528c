"""Bank account numbers: is this an IBAN (ISO 13616), is this a BIC (ISO 9362), and which rules does it pay by.

Each check gives a sentence, "" when all is well. A sentence never repeats the number, only its last four characters.
Whether the account exists, only its bank knows; check digits within a country's own part are not verified.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from finops_core.adapters.bank_file.parties import COUNTRIES
from finops_core.kernel.masking import mask

IBAN_MAX = 34
_IBAN = re.compile(r"([A-Z]{2})([0-9]{2})([A-Z0-9]{1,30})")
_BIC = re.compile(r"[A-Z0-9]{4}([A-Z]{2})[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_KOSOVO = "XK"  # not in ISO 3166, but in use for IBANs and BICs
_MODULUS = 97

# Where SEPA credit transfers reach, by the country code of the IBAN (EPC409-09, list of SEPA scheme countries, 2025).
_SEPA = """
AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE
SI SK SM VA
"""
SEPA_COUNTRIES = frozenset(_SEPA.split())

# Country -> how its own part (BBAN) is built: n digits, a capital letters, c either. Source: the IBAN Registry of
# SWIFT, the registration authority of ISO 13616 (89 countries), read from the table that the schwifty package (MIT)
# carries of it, neighbouring fields of one kind added up.
_REGISTRY = """
AD:8n12c AE:19n AL:8n16c AT:16n AZ:4a20c BA:16n BE:12n BG:4a6n8c BH:4a14c BI:23n BR:8c15n2c BY:4c4n16c CH:5n12c
CR:18n CY:8n16c CZ:20n DE:18n DJ:23n DK:14n DO:4c20n EE:16n EG:25n ES:20n FI:14n FK:2a12n FO:14n FR:10n11c2n
GB:4a14n GE:2a16n GI:4a15c GL:14n GR:7n16c GT:24c HN:4a20n HR:17n HU:24n IE:4a14n IL:19n IQ:4a15n IS:22n
IT:1a10n12c JO:4a4n18c KW:4a22c KZ:3n13c LB:4n20c LC:4a24c LI:5n12c LT:16n LU:3n13c LV:4a13c LY:21n MC:10n11c2n
MD:20c ME:18n MK:3n10c2n MN:16n MR:23n MT:4a5n18c MU:4a19n3a NI:4a20n NL:4a10n NO:11n OM:3n16c PK:4a16c PL:24n
PS:4a21c PT:21n QA:4a21c RO:4a16c RS:18n RU:14n15c SA:2n18c SC:4a20n3a SD:14n SE:20n SI:15n SK:20n SM:1a10n12c
SO:19n ST:21n SV:4a20n TL:19n TN:20n TR:6n16c UA:6n19c VA:18n VG:4a16n XK:16n YE:4a4n18c
"""
_CLASSES = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Z0-9]"}


def _pattern(structure: str) -> re.Pattern[str]:
    return re.compile("".join(f"{_CLASSES[kind]}{{{size}}}" for size, kind in re.findall(r"(\d+)([nac])", structure)))


_BBAN: Mapping[str, tuple[int, re.Pattern[str]]] = MappingProxyType(
    {
        entry[:2]: (sum(int(size) for size in re.findall(r"\d+", entry[3:])), _pattern(entry[3:]))
        for entry in _REGISTRY.split()
    }
)


IBAN_COUNTRIES = frozenset(_BBAN)


def iban_problem(iban: str) -> str:
    """Why this is no IBAN, in a sentence; "" when it is one. Written without spaces, in capitals."""
    match = _IBAN.fullmatch(iban)
    shown = mask(iban[:IBAN_MAX])
    if match is None:
        return f"{shown} is not an IBAN: a country, two check digits and up to 30 letters and digits, without spaces."
    country, _check, bban = match.groups()
    if country not in _BBAN:
        return f"{shown} is not an IBAN: {country} has none."
    length, pattern = _BBAN[country]
    if len(bban) != length:
        return f"{shown} is not an IBAN: for {country} it has {length + 4} characters, not {len(iban)}."
    if not pattern.fullmatch(bban):
        return f"{shown} is not an IBAN: letters and digits do not stand where {country} has them."
    if not _checks(iban):
        return f"{shown} is not an IBAN: its check digits do not fit, so at least one character is wrong."
    return ""


def _checks(iban: str) -> bool:
    # ISO 7064 mod 97-10: letters count as 10 to 35. 00, 01 and 99 would pass for 97, 98 and 02 but are never given out.
    digits = "".join(str(int(character, 36)) for character in iban[4:] + iban[:4])
    return int(digits) % _MODULUS == 1 and 2 <= int(iban[2:4]) <= 98  # noqa: PLR2004 - the range of ISO 13616


def bic_problem(bic: str) -> str:
    """Why this is no BIC, in a sentence; "" when it is one (8 or 11 characters, in capitals)."""
    match = _BIC.fullmatch(bic)
    if match is None:
        return "The BIC is not one: it has 8 or 11 capital letters and digits, such as DEUTDEFF or DEUTDEFF500."
    if match[1] not in COUNTRIES and match[1] != _KOSOVO:
        return f"The BIC is not one: its fifth and sixth letters, {match[1]}, are no country."
    return ""


def country_of(iban: str) -> str:
    """The country of an IBAN."""
    return iban[:2]


def is_sepa(currency: str, *ibans: str) -> bool:
    """Whether a transfer between these accounts is a SEPA credit transfer: in euro, and all of them within SEPA."""
    return currency == "EUR" and all(country_of(iban) in SEPA_COUNTRIES for iban in ibans)
