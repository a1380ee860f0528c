"""What happened to somebody's account, told upwards so that they learn of it whoever did it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from finops_core.kernel.job import Event


class Change(StrEnum):
    """What was changed: by it somebody can act in the person's name, or the person can do more than before."""

    PASSWORD_BY_LINK = "password_by_link"  # noqa: S105 - the name of a change
    TOKEN_ISSUED = "token_issued"  # noqa: S105 - likewise
    ADDRESS = "address"
    SECOND_FACTOR_OFF = "second_factor_off"
    ROLE_GRANTED = "role_granted"


@dataclass(frozen=True, slots=True)
class AccountChanged(Event):
    """Something was changed that the person must learn of.

    Attributes:
        org_id: in which of their organisations they are told.
        about: the role's title, or the token's name; "" for the others.
        former: the mail address until now, which is told as well; "" when there was none or it is the same.
    """

    org_id: str
    person_id: str
    what: Change
    at: datetime
    about: str = ""
    former: str = field(default="", repr=False)
