"""Payouts that move as time passes: in transit after a while, then paid, or returned by the bank, when they arrive.

Done before each request that could see it and by the server in the background, so that events come without anybody
asking. What has become due while the sandbox was away happens now, as news does: history is never written backwards.
"""

import sqlite3

from finops_core.adapters.stripe_sandbox import conduct, payout_steps, seeding
from finops_core.adapters.stripe_sandbox.store import Store

AT_ONCE = 100


def pass_time(store: Store) -> bool:
    """Move some of what is due, of all accounts, in a transaction of its own; False when nothing was due."""
    if not conduct.something_moves(store):
        return False
    due = _due(store, "", AT_ONCE)
    if not due:
        return False
    with store.transaction():
        _move(store, due)
    return True


def catch_up(store: Store, account: str = "") -> None:
    """Move all that is due of one account, or of all, inside a transaction of the caller."""
    if not conduct.something_moves(store):
        return
    while due := _due(store, account, AT_ONCE):
        _move(store, due)


def _due(store: Store, account: str, limit: int) -> list[sqlite3.Row]:
    now_s, waits_s = store.now_s(), conduct.current(store).in_transit_after_s
    rows = store.connection.execute(
        "SELECT * FROM (SELECT seq, id, account, status, destination FROM payout "
        "WHERE status = 'pending' AND created <= ? UNION ALL SELECT seq, id, account, status, destination FROM payout "
        "WHERE status = 'in_transit' AND arrival_date <= ?) WHERE ? IN ('', account) ORDER BY seq",
        (now_s - waits_s, now_s, account),
    )
    moving: dict[str, bool] = {}
    due: list[sqlite3.Row] = []
    for row in rows:
        owner = row["account"]
        if owner not in moving:
            moving[owner] = conduct.for_account(store, owner).moves_by_itself
        if moving[owner]:
            due.append(row)
        if len(due) >= limit:
            break
    return due


def _move(store: Store, due: list[sqlite3.Row]) -> None:
    for row in due:
        call = seeding.control_call(store, row["account"], (row["id"],))
        if row["status"] == "pending":
            payout_steps.transition(call, "in_transit")
        else:
            payout_steps.transition(call, "failed" if payout_steps.bank_failure(call, row["destination"]) else "paid")
