"""Whoever pays or is paid: names, structured addresses and texts as a bank file may carry them.

Nothing is shortened or transliterated: "Müller" written as "Mueller" may be another account holder, and banks compare
the name with the account (verification of payee). What does not fit is refused, with the characters named.
Sources: ISO 20022 pain.001.001.09 (PostalAddress24) and EPC217-08 for characters, EPC132-08 for a name of 70.
"""

import re

from finops_core.kernel.provider import Address

NAME_MAX, STREET_MAX, BUILDING_MAX, POST_CODE_MAX, TOWN_MAX = 70, 70, 16, 16, 35
_SHOWN_MAX = 5
_STRANGE = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")

# ISO 3166-1 alpha-2, the 249 officially assigned codes.
_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_COUNTRIES.split())


def name_problem(name: str) -> str:
    """Why this cannot be an account holder's name, "" when it can; characters are not looked at."""
    if not name.strip():
        return "The account holder's name is missing."
    if len(name) > NAME_MAX:
        return f"The account holder's name has {len(name)} characters; a bank file carries {NAME_MAX}."
    return ""


def character_problem(what: str, text: str) -> str:
    """Which characters of a text a bank file cannot carry, in a sentence; "" when it can carry all of them."""
    strange = list(dict.fromkeys(_STRANGE.findall(text)))
    if not strange:
        return ""
    named = ", ".join(_named(character) for character in strange[:_SHOWN_MAX])
    more = f" and {len(strange) - _SHOWN_MAX} more" if len(strange) > _SHOWN_MAX else ""
    return f"{what} has characters that a bank file cannot carry: {named}{more}."


def _named(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"{character} ({code})" if character.isprintable() else code


def address_problems(address: Address) -> list[str]:
    """What an address lacks or has too much of, a sentence each; characters are not looked at."""
    found = []
    if not address.town.strip():
        found.append("The address has no town.")
    if not address.country:
        found.append("The address has no country.")
    elif address.country not in COUNTRIES:
        found.append(f"The address's country {address.country[:20]!r} is no code such as DE or US (ISO 3166).")
    limits = {
        "street": (address.street, STREET_MAX),
        "building": (address.building, BUILDING_MAX),
        "post code": (address.post_code, POST_CODE_MAX),
        "town": (address.town, TOWN_MAX),
    }
    for what, (text, longest) in limits.items():
        if len(text) > longest:
            found.append(f"The address's {what} has {len(text)} characters; a bank file carries {longest}.")
    return found


def address_texts(address: Address) -> dict[str, str]:
    """What of an address is free text, by its name in a sentence."""
    return {
        "The street": address.street,
        "The building": address.building,
        "The post code": address.post_code,
        "The town": address.town,
    }
