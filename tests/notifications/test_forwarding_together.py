"""Who tells, who forwards and who administers at the same time wait for each other, never for ever."""

import threading
from collections.abc import Callable

import pytest

from finops_core import notifications
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.notifications import DISPATCH_JOB, DispatchState
from finops_core.platform import queue
from tests.listener import OK, raw, said
from tests.notifications.outpost import Outpost

TIMES = 25


@pytest.mark.slow
def test_telling_forwarding_and_administering_at_once_lose_nothing(outpost: Outpost):
    # Given two endpoints, one of which refuses now and then
    first, second = outpost.add("/one"), outpost.add("/two")
    outpost.listener.answers = [said(503) if number % 5 == 0 else raw(OK) for number in range(TIMES)]
    broken: list[Exception] = []

    def often(act: Callable[[int], object]) -> threading.Thread:
        def run() -> None:
            for number in range(TIMES):
                try:
                    act(number)
                except FinOpsError as refused:  # somebody else was quicker
                    if refused.code not in {"ENDPOINT_STATE", "LEASE_LOST"}:
                        broken.append(refused)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                    broken.append(error)

        return threading.Thread(target=run)

    def forwards(number: int) -> None:
        with outpost.area.work(worker_actor("")) as work:
            queue.enqueue(work, DISPATCH_JOB, {}, org_id="")
        claim = outpost.claimed(f"worker {number}")
        if claim is not None:
            outpost.carry(claim)

    def administers(number: int) -> None:
        with outpost.area.work(outpost.adam) as work:
            notifications.roll_secret(work, first.endpoint_id)
            notifications.pause_endpoint(work, second.endpoint_id)
        with outpost.area.work(outpost.adam) as work:
            notifications.resume_endpoint(work, second.endpoint_id)

    # When they all do that at once
    told = [often(lambda number, who=who: outpost.tell(f"{who} {number}")) for who in range(2)]  # type: ignore[misc]
    threads = [*told, often(forwards), often(forwards), often(administers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then nothing broke, and in the end everything has arrived
    assert broken == []
    for _ in range(10):
        outpost.later(3600)
        outpost.round()
    assert {each.state for each in outpost.log()} == {DispatchState.SENT}
    assert len(outpost.log()) == len(set(outpost.listener.ids)) == 4 * TIMES
