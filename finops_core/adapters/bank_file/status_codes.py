"""ISO 20022's words for what became of a payment, in ours.

Sources: the external code sets ExternalPaymentTransactionStatus1Code, ExternalPaymentGroupStatus1Code and
ExternalStatusReason1Code (https://www.iso20022.org/catalogue-messages/additional-content-messages/external-code-sets).
Statuses are a closed list here: one that is not known must stop a file, not be guessed at. Reasons are open.
"""

from collections.abc import Mapping
from types import MappingProxyType

from finops_core.kernel.provider import PayoutStatus

PARTLY = "PART"
"""Of a group or block only: some of it was accepted, each payment tells for itself."""

STATUSES: Mapping[str, PayoutStatus] = MappingProxyType(
    {
        "ACCC": PayoutStatus.PAID,  # settled on the payee's account
        "ACSC": PayoutStatus.PAID,  # settled on our account
        "ACCP": PayoutStatus.IN_TRANSIT,  # customer profile checked
        "ACFC": PayoutStatus.IN_TRANSIT,  # funds checked
        "ACPD": PayoutStatus.IN_TRANSIT,  # cleared, not settled
        "ACSP": PayoutStatus.IN_TRANSIT,  # settlement in process
        "ACTC": PayoutStatus.IN_TRANSIT,  # authenticated and well-formed
        "ACWC": PayoutStatus.IN_TRANSIT,  # accepted with a change
        "ACWP": PayoutStatus.IN_TRANSIT,  # accepted, not posted yet
        "BLCK": PayoutStatus.IN_TRANSIT,  # held by the payee's bank
        "PATC": PayoutStatus.IN_TRANSIT,  # a signature is missing
        "PDNG": PayoutStatus.IN_TRANSIT,
        "RCVD": PayoutStatus.IN_TRANSIT,
        "CANC": PayoutStatus.CANCELED,
        "RJCT": PayoutStatus.FAILED,
    }
)

_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "AC01": "The account number is wrong.",
        "AC02": "Our account number is wrong.",
        "AC03": "The payee's account number is wrong.",
        "AC04": "The account is closed.",
        "AC05": "Our account is closed.",
        "AC06": "The account is blocked.",
        "AC07": "The payee's account is closed.",
        "AC14": "The payee's kind of account cannot take this payment.",
        "AG01": "This payment is forbidden on this kind of account.",
        "AG02": "The bank does not know this kind of operation.",
        "AG03": "The bank does not support this kind of payment.",
        "AGNT": "A bank on the way is wrong.",
        "AM01": "The amount is zero.",
        "AM02": "The amount is larger than allowed.",
        "AM03": "The currency is not allowed.",
        "AM04": "There is not enough money on our account.",
        "AM05": "The bank takes it for a duplicate.",
        "AM06": "The amount is smaller than the agreed minimum.",
        "AM07": "The amount is blocked by an authority.",
        "AM09": "The amount is not the agreed one.",
        "AM10": "The control sum of the file does not fit.",
        "AM11": "The currency is wrong or missing.",
        "AM12": "The amount is wrong or missing.",
        "AM14": "The amount is above the limit agreed with the bank.",
        "AM18": "The number of payments in the file does not fit.",
        "BE01": "The name does not belong to the account.",
        "BE04": "The payee's address is missing or incomplete.",
        "BE05": "The bank does not know who sends the file.",
        "BE06": "The bank does not know the payee.",
        "BE07": "Our address is missing or incomplete.",
        "CNOR": "The payee's bank cannot be reached this way.",
        "CUST": "We asked for it ourselves.",
        "DNOR": "Our bank cannot be reached this way.",
        "DT01": "The date is wrong.",
        "DU01": "The message id was used before.",
        "DU02": "The id of the payment block was used before.",
        "DU04": "The end-to-end id was used before.",
        "DUPL": "It is a duplicate of another payment.",
        "FF01": "The file is not in the form the bank wants.",
        "FOCR": "We asked for it to be taken back.",
        "FR01": "The bank suspects fraud.",
        "FRAD": "The bank suspects fraud.",
        "LEGL": "It is forbidden by law.",
        "MD07": "The account holder has died.",
        "MS02": "The payee refused without giving a reason.",
        "MS03": "The bank gives no reason.",
        "NARR": "The bank gives its reason in its own words.",
        "NOAS": "No answer came from the account holder.",
        "RC01": "The BIC is wrong or missing.",
        "RC03": "Our bank's identifier is wrong or missing.",
        "RC04": "The identifier of the payee's bank is wrong or missing.",
        "RR01": "A regulation asks for our account or identification.",
        "RR02": "A regulation asks for our name or address.",
        "RR03": "A regulation asks for the payee's name or address.",
        "RR04": "A regulation forbids it, or the bank must examine it.",
        "SL01": "Our bank does not offer this service.",
        "TM01": "It came after the bank's closing time.",
    }
)


def reason_words(code: str) -> str:
    """A bank's reason in words; "" for no code."""
    return _REASONS.get(code, f"The bank gives the reason {code}.") if code else ""
