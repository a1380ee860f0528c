"""Programs at the API: batches from upload to the bank, small reports, and somebody who only reads."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.sandbox import SandboxControl
from tests.soak.tally import Tally

HARBOUR = "acct_sbx_harbour"
PAYOUT, TOTALS = "payouts.stripe_balance", "reporting.csv_totals"
PAUSE_S, LOOK_S, READ_S = 3.0, 0.7, 0.5
PATIENCE_S = 240.0
REJECTED_EVERY, RETURNED_EVERY, TOTALS_EVERY = 9, 7, 3
READ = ("me", "operations", "executions?limit=20", "executions?mine=true&state=completed", "log")
LATER = {429, 500, 502, 503}


class Client:
    """One token. A call that finds nobody there is made again under the same key until it is answered."""

    def __init__(self, url: str, secret: str, tally: Tally) -> None:
        self._url, self._tally = f"{url}/api/v1", tally
        self._line = requests.Session()
        # A line of its own for each call: one that rests is closed by the server, maybe under the next call.
        self._line.headers.update({"Authorization": f"Bearer {secret}", "Connection": "close"})

    def call(self, method: str, path: str, key: str = "", **given: Any) -> dict[str, Any]:
        """The answer's JSON."""
        headers = {"Idempotency-Key": key} if key else {}
        until = time.monotonic() + PATIENCE_S
        while True:
            trouble = ""
            try:
                answer = self._line.request(method, f"{self._url}/{path}", headers=headers, timeout=30, **given)
            except requests.RequestException as error:
                trouble = type(error).__name__
            else:
                self._tally.count("API calls")
                if answer.status_code < 400:
                    return answer.json()
                trouble = f"{answer.status_code} {answer.json().get('code', '')}"
                if answer.status_code not in LATER:
                    raise RuntimeError(f"{method} {path}: {answer.text}")
            self._tally.fault(f"an API call without an answer ({trouble})")
            if time.monotonic() > until or self._tally.over.is_set():
                raise TimeoutError(path)
            time.sleep(1)


@dataclass
class Trade:
    """What was ordered, to be held against what the provider has paid.

    ``approved``: by execution, currency and amount of each row as the approver saw it. ``latest``: a number to look at.
    """

    ana: Client
    ben: Client
    sandbox: SandboxControl
    tally: Tally
    approved: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    returned: int = 0
    latest: str = ""
    broken: list[str] = field(default_factory=list)
    # Asked to come to an end: what was begun is finished, nothing is begun.
    closing: threading.Event = field(default_factory=threading.Event)

    def batches(self) -> None:
        """One after the other: file, plan, approval, payouts, bank; every so often rejected, or sent back."""
        for number in itertools.count():
            if self.closing.wait(PAUSE_S):
                return
            execution = self._submitted(number)
            if number % REJECTED_EVERY == REJECTED_EVERY - 1:
                self._decide(execution, "rejected", number)
                self.rejected.add(execution["id"])
                continue
            plan = self.ana.call("GET", f"executions/{execution['id']}/plan")
            self.approved[execution["id"]] = [
                (row["currency"].lower(), row["amount_minor"]) for row in plan["rows"] if row["amount_minor"]
            ]
            self._decide(execution, "approved", number)
            ended = self._awaited(execution["id"], lambda seen: seen["final"])
            self.tally.count(f"batches {ended['state']}")
            self._bank(execution["id"], number)

    def reports(self) -> None:
        """CSV totals, which need no approval."""
        for number in itertools.count():
            if self.closing.wait(PAUSE_S * TOTALS_EVERY):
                return
            content = f"currency,amount\nEUR,{number}.50\nUSD,{number}.25\n"
            file = self._upload(content, f"totals-{number}")
            made = self._drafted(TOTALS, file, f"totals-{number}-draft")
            self.ana.call("POST", f"executions/{made['id']}/submit", f"totals-{number}-submit", json={})
            ended = self._awaited(made["id"], lambda seen: seen["final"])
            self.tally.count(f"reports {ended['state']}")

    def reading(self) -> None:
        """A program that asks for one thing after the other."""
        for what in itertools.cycle(
            ("me", "operations", "executions?limit=20", "executions?mine=true&state=completed", "log")
        ):
            if self.closing.wait(READ_S):
                return
            if what == "log" and not self.latest:
                continue
            self.ana.call("GET", f"executions/{self.latest}/log" if what == "log" else what)

    def _submitted(self, number: int) -> dict[str, Any]:
        cents = f"{10 + number // 100}.{number % 100:02d}"
        file = self._upload(f"currency,maximum\nUSD,{cents}\nEUR,{cents}\nGBP,{cents}\n", f"batch-{number}")
        made = self._drafted(PAYOUT, file, f"batch-{number}-draft")
        ready = self._awaited(made["id"], lambda seen: seen["state"] == "ready")
        self.latest = made["number"]
        asked = {"plan_hash": ready["plan_hash"]}
        return self.ana.call("POST", f"executions/{made['id']}/submit", f"batch-{number}-submit", json=asked)

    def _upload(self, content: str, name: str) -> str:
        given = {"data": content.encode(), "params": {"name": f"{name}.csv"}}
        return str(self.ana.call("POST", "files", f"{name}-file", **given)["id"])

    def _drafted(self, operation: str, file: str, key: str) -> dict[str, Any]:
        asked = {"operation": operation, "parameters": {}, "file": file}
        return self.ana.call("POST", "executions", key, json=asked)

    def _decide(self, execution: dict[str, Any], decision: str, number: int) -> None:
        request = self.ben.call("GET", f"approvals/{execution['approval']}")
        known = {"content_hash": request["content_hash"], "seen": request["others"] or []}
        asked = {"decision": decision, "comment": "in the soak", **known}
        self.ben.call("POST", f"approvals/{request['id']}/decide", f"batch-{number}-decide", json=asked)

    def _awaited(self, execution_id: str, there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while True:
            seen = self.ana.call("GET", f"executions/{execution_id}")
            if there(seen):
                return seen
            if time.monotonic() > until or (seen["final"] and not there(seen)):
                raise RuntimeError(f"{seen['number']} is {seen['state']}: {seen['message']} {seen['hint']}")
            time.sleep(LOOK_S)

    def _bank(self, execution_id: str, number: int) -> None:
        """The payouts reach the bank, which sends one back every so often; the sandbox tells the desk of each step."""
        mine = [each for each in self.sandbox.payouts(HARBOUR) if each["metadata"].get("fod_exec") == execution_id]
        for place, each in enumerate(mine):
            comes_back = place == 0 and number % RETURNED_EVERY == RETURNED_EVERY - 1
            self.sandbox.transition(each["id"], "in_transit", account=HARBOUR)
            if comes_back:
                told = {"code": "account_closed", "message": "The bank account has been closed."}
                self.sandbox.transition(each["id"], "failed", account=HARBOUR, **told)
                self.returned += 1
            else:
                self.sandbox.transition(each["id"], "paid", account=HARBOUR)
            self.tally.count("news sent by the bank", 2)

    def set_out(self) -> list[threading.Thread]:
        """Each in a thread."""
        threads = [
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__, daemon=True)
            for work in (self.batches, self.reports, self.reading)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told in the report; the others go on
            self.broken.append(f"{work.__name__}: {type(error).__name__}: {error}")
