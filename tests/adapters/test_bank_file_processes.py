"""The outbox between processes: killed at the worst moment, two at once, a full disk."""

import subprocess
import sys
import threading
from datetime import timedelta
from functools import partial

import pytest

from finops_core.adapters.file_store import FolderFileStore
from finops_core.kernel.errors import Conflict
from finops_core.kernel.provider import Canceled, Created, NotCanceled, PayoutStatus
from tests.adapters.bank import FRIDAY, LONG_AGO, NOW, OUTBOX, Office, order
from tests.processes import ROOT, kill

ORDERS = 60

pytestmark = pytest.mark.slow


def clerk(folder, manner="plain", amount=100, first=1, last=1):
    """A clerk that is ready and waits for the word."""
    words = [str(word) for word in (folder, manner, amount, first, last)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.bank_clerk", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(folder):
    (folder / "go").touch()


def answers(process):
    told = process.communicate(timeout=60)[0].split()
    assert process.returncode == 0
    return told


def stored(folder):
    return [path for path in (folder / "files").rglob("*") if path.is_file()]


def test_an_order_whose_clerk_was_killed_before_the_answer_is_found_and_not_stored_again(tmp_path):
    # Given a clerk that stored an order and was killed before it could say so
    process = clerk(tmp_path, "stall")
    go(tmp_path)
    assert process.stdout.readline() == "stored\n"
    kill(process)
    process.stdout.close()

    # When the next one looks
    office = Office(tmp_path / "files")
    (payout,) = office.provider.find("", {"fod_item": "ex_1:1", "fod_attempt": "1"}, NOW - timedelta(hours=1))

    # Then the order is there, and sending it again changes nothing
    assert (payout.amount_minor, payout.status) == (100, PayoutStatus.PENDING)
    again = office.submit(order(amount_minor=100))
    assert isinstance(again, Created)
    assert again.replayed
    assert len(stored(tmp_path)) == 1


def test_two_clerks_with_the_same_orders_store_each_of_them_once(tmp_path):
    # Given two processes with the same keys and orders
    clerks = [clerk(tmp_path, last=ORDERS) for _ in range(2)]

    # When they start at once
    go(tmp_path)
    told = [answers(process) for process in clerks]

    # Then each order is new for one of them, and there is one file for each
    assert [sorted(pair) for pair in zip(*told, strict=True)] == [["again", "new"]] * ORDERS
    assert len(stored(tmp_path)) == ORDERS
    assert len(Office(tmp_path / "files").provider.find("", {}, LONG_AGO)) == ORDERS


def test_two_clerks_with_other_amounts_under_the_same_keys_store_one_of_them(tmp_path):
    clerks = [clerk(tmp_path, amount=amount, last=ORDERS) for amount in (100, 101)]

    go(tmp_path)
    told = [answers(process) for process in clerks]

    # Then each key has the amount of the clerk that was told it is new
    assert [sorted(pair) for pair in zip(*told, strict=True)] == [["OurFault", "new"]] * ORDERS
    kept = {
        int(payout.metadata["fod_item"].removeprefix("ex_1:")): payout.amount_minor
        for payout in Office(tmp_path / "files").provider.find("", {}, LONG_AGO)
    }
    assert kept == {number: 100 + pair.index("new") for number, pair in enumerate(zip(*told, strict=True), start=1)}


def test_a_full_disk_stores_nothing_and_says_so(tmp_path):
    full = clerk(tmp_path, "full", last=3)
    go(tmp_path)

    assert answers(full) == ["RetryLater"] * 3
    assert stored(tmp_path) == []
    # and once there is room, the same orders are stored
    assert answers(clerk(tmp_path, last=3)) == ["new"] * 3


def test_what_is_stored_already_is_recognised_on_a_full_disk(tmp_path):
    go(tmp_path)
    assert answers(clerk(tmp_path, last=2)) == ["new"] * 2

    assert answers(clerk(tmp_path, "full", last=3)) == ["again", "again", "RetryLater"]


def together(*verbs):
    """What each verb gave or raised, all started at once in threads of their own."""
    told = [None] * len(verbs)
    gate = threading.Barrier(len(verbs))

    def run(place, verb):
        gate.wait()
        try:
            told[place] = verb()
        except Conflict as refusal:
            told[place] = refusal

    threads = [threading.Thread(target=run, args=(place, verb)) for place, verb in enumerate(verbs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return told


def test_of_taking_back_and_exporting_at_once_exactly_one_happens(tmp_path):
    for turn in range(1, 21):
        office, other = Office(tmp_path / "files"), Office(tmp_path / "files")
        payout_id = office.submit(order(turn), turn).payout.id
        content = office.export(f"TEST-{turn}")
        canceled, exported = together(
            partial(other.provider.cancel, "", payout_id, "c"),
            partial(office.provider.mark_exported, [payout_id], f"TEST-{turn}", content),
        )
        took_back = isinstance(canceled, Canceled)
        assert took_back or isinstance(canceled, NotCanceled)
        assert isinstance(exported, Conflict) is took_back
        status = office.provider.get("", payout_id).status
        assert status is (PayoutStatus.CANCELED if took_back else PayoutStatus.IN_TRANSIT)


def test_two_exports_at_once_never_hold_the_same_order(tmp_path):
    for turn in range(10):
        folder = tmp_path / str(turn)
        office, other = Office(folder), Office(folder)
        office.pay(order(1), order(2), order(3))
        all_three = office.provider.waiting()
        sets = (all_three[:2], all_three[1:])
        contents = [office.provider.export(each, f"TEST-{place}", NOW, FRIDAY) for place, each in enumerate(sets)]
        told = together(
            partial(office.provider.mark_exported, [each.id for each in sets[0]], "TEST-0", contents[0]),
            partial(other.provider.mark_exported, [each.id for each in sets[1]], "TEST-1", contents[1]),
        )

        left = [each for exported in office.provider.exports() for each in exported.ids]
        assert len(left) == len(set(left)) == 2
        assert sum(isinstance(each, Conflict) for each in told) == 1


def test_the_outbox_is_free_again_when_its_holder_is_killed(tmp_path):
    # Given a process that holds the outbox and is killed
    script = (
        "import sys, time, pathlib\n"
        "from finops_core.adapters.file_store import FolderFileStore\n"
        "with FolderFileStore(pathlib.Path(sys.argv[1])).alone(sys.argv[2]):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(600)\n"
    )
    words = [str(tmp_path / "files"), f"{OUTBOX}/outbox"]
    holder = subprocess.Popen([sys.executable, "-c", script, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    store = FolderFileStore(tmp_path / "files")
    with pytest.raises(Exception, match="Somebody else"), store.alone(f"{OUTBOX}/outbox", wait_s=0.1):
        pass

    kill(holder)
    holder.stdout.close()

    # Then the next one gets it
    office = Office(tmp_path / "files")
    (payout_id,) = office.pay(order())
    assert isinstance(office.provider.cancel("", payout_id, "c"), Canceled)
