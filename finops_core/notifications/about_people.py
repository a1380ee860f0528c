"""News of people's accounts, told to the person whom it is about. Heard through ``catalog.LISTENERS``."""

from finops_core.notifications.rules import Kind
from finops_core.notifications.service import notify
from finops_core.platform.work import Work
from finops_core.security import SecondFactorReset


def on_second_factor_reset(work: Work, event: SecondFactorReset) -> None:
    """Whoever did not ask for it must learn of it: from now on a password alone opens their account."""
    notify(
        work,
        [event.person_id],
        Kind.SECOND_FACTOR_RESET,
        once=f"second_factor.reset:{event.person_id}:{event.at.isoformat()}",
        title="Your second factor was reset by an administrator",
        body="Set up a new one. If you did not ask for it, tell another administrator now.",
        page="me",
    )
