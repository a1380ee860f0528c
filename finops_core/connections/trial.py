"""Asking the provider about a connection: what its key is worth, and whose a new one is. Changes nothing there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from finops_core.connections import queries, rules, service
from finops_core.kernel.actor import Actor, worker_actor
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, Unavailable
from finops_core.kernel.provider import AccountFacts, Mode, Right
from finops_core.platform.ports import ProviderCredentials
from finops_core.platform.work import Units

COPY_ANEW = "Copy it once more from the provider's own page."


@dataclass(frozen=True, slots=True)
class Trial:
    """What a test found.

    Attributes:
        passed: the key is accepted, in the mode the connection says, and may do all that payouts need.
        problem: why not, in the user's words; "" when it passed.
        hint: what can be done about it.
        rights: right -> whether the key has it; those that could not be found out are left out.
        skew_s: how far this machine's clock is ahead of the provider's, in seconds; None when it does not tell.
    """

    passed: bool
    problem: str
    rights: Mapping[str, bool]
    account: str = ""
    mode: str = ""
    schedule: str = ""
    currencies: tuple[str, ...] = ()
    banks: int = 0
    skew_s: int | None = None
    hint: str = ""


def try_connection(units: Units, actor: Actor, connection_id: str) -> Trial:
    """Ask the provider what this connection is worth, and keep the answer. Needs CONNECTIONS_ADMINISTER."""
    with units.read(actor) as reading:
        connection = queries.one_of_all(reading, connection_id)
    # Whoever administers connections may have one tried, but not take its key out.
    with units.read(worker_actor(actor.org_id)) as reading:
        credentials = queries.credentials(reading, connection_id)
    provider = units.ports.provider(credentials)
    rights = provider.rights()
    try:
        facts = provider.facts("")
        heard_at = units.ports.clock.now()
    except FinOpsError as error:
        problem, hint = _unheard(error, rights)
        trial = Trial(passed=False, problem=problem, rights=_words(rights), hint=hint)
    else:
        skew_s = None if facts.told_at is None else round((heard_at - facts.told_at).total_seconds())
        problem, hint = _problem(connection, facts, rights)
        trial = Trial(
            passed=not problem,
            problem=problem,
            rights=_words(rights),
            account=facts.account,
            mode=facts.mode.value,
            schedule=facts.schedule,
            currencies=tuple(balance.currency for balance in facts.balances),
            banks=len(facts.bank_accounts),
            skew_s=skew_s,
            hint=hint,
        )
    with units.work(actor) as work:
        told = {**asdict(trial), "currencies": list(trial.currencies), "rights": dict(trial.rights)}
        service.note_test(work, connection_id, passed=trial.passed, told=told)
    return trial


def replace_key(units: Units, actor: Actor, connection_id: str, secret: str) -> None:
    """Put another key of the same account in the place of the old one; see ``service.replace_secret``.

    It is tried first, for the old one is gone at once: ``CONNECTION_KEY_UNKNOWN`` when the provider does not know it or
    tells it nothing, ``CONNECTION_KEY_UNTRIED`` when the provider does not answer, and ``CONNECTION_OTHER_ACCOUNT``
    when payouts were made from one account and it opens another: they could not be looked up with it, and would seem
    never made.
    """
    with units.read(actor) as reading:
        connection = queries.one_of_all(reading, connection_id)
    opens = _opened(units, connection, secret.strip())
    with units.work(actor) as work:
        # Read anew: the first payout may have left while the provider was asked.
        problem = rules.another_account(queries.one_of_all(work, connection_id).provider_account, opens)
        if problem:
            raise Conflict("CONNECTION_OTHER_ACCOUNT", problem, hint=rules.OTHER_ACCOUNT_HINT)
        service.replace_secret(work, connection_id, secret)


def _opened(units: Units, connection: queries.ConnectionView, secret: str) -> str:
    """The account that a key opens, as the provider says."""
    service.checked_secret(connection.provider, secret, Mode.TEST)
    given = ProviderCredentials(connection.provider, secret, connection.base_url, connection.account, connection.id)
    try:
        return units.ports.provider(given).facts("").account
    except Unavailable as error:
        raise Unavailable(
            "CONNECTION_KEY_UNTRIED",
            "The key could not be tried: the provider gave no usable answer.",
            hint="The old one stays. Try again once the provider answers.",
        ) from error
    except FinOpsError as error:
        raise Invalid(
            "CONNECTION_KEY_UNKNOWN",
            "The provider does not know this key, or does not let it read the account.",
            hint=f"The old one stays. {COPY_ANEW}",
        ) from error


def _unheard(error: FinOpsError, rights: Mapping[Right, bool]) -> tuple[str, str]:
    """Why the provider told nothing: a key without a single right is one that it does not know."""
    if rights and not any(rights.values()):
        return "The provider does not know this key, or lets it do nothing.", f"{COPY_ANEW[:-1]}, and replace it here."
    return error.message, error.hint


def _problem(connection: queries.ConnectionView, facts: AccountFacts, rights: Mapping[Right, bool]) -> tuple[str, str]:
    """What is wrong, and what to do; two empty texts when nothing is."""
    if facts.mode is not connection.mode:
        told = f"The provider says {facts.mode.value} mode; this connection is for {connection.mode.value} mode."
        return told, f"Replace the key with one of {connection.mode.value} mode."
    other = rules.another_account(connection.provider_account, facts.account)
    if other:
        return other, rules.OTHER_ACCOUNT_HINT
    missing = [right.value for right, allowed in rights.items() if not allowed]
    if missing:
        return f"The key may not: {', '.join(missing)}.", "Give the key these rights at the provider, then test again."
    if not facts.payouts_enabled:
        hint = "Look at the account at the provider: it says there what it asks for first."
        return "The provider has switched payouts off for this account.", hint
    return "", ""


def _words(rights: Mapping[Right, bool]) -> dict[str, bool]:
    return {right.value: allowed for right, allowed in rights.items()}
