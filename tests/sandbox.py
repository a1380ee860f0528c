"""A running Stripe sandbox for tests: in a thread (each answer checked against Stripe's schema) or as a process."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import requests
from jsonschema import Draft202012Validator

from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.adapters.stripe_sandbox.endpoints import NewEndpoint
from finops_core.adapters.stripe_sandbox.faults import Fault
from finops_core.adapters.stripe_sandbox.seeding import Funding
from finops_core.adapters.stripe_sandbox.server import SandboxServer, create_app, listen
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.webhook_faults import WebhookFault
from finops_core.kernel.clock import Clock
from finops_core.platform.ports import ProviderCredentials

KEY = "sk_test_sandboxOne0001"
ACCOUNT = "acct_sbx_one"
DATA = Path(__file__).parent / "adapters" / "data" / "stripe"
SECRET = "whsec_sandboxOne0001"
ALIVE_S = 20.0


@dataclass
class SandboxControl:
    """The sandbox's control endpoints."""

    url: str

    def post(self, name: str, body: object) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/_sandbox/{name}", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self) -> dict[str, Any]:
        return requests.get(f"{self.url}/_sandbox/state", timeout=10).json()

    def calls(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """The logged calls, oldest first; all of them unless a method or path is named."""
        logged = requests.get(f"{self.url}/_sandbox/calls?limit=10000", timeout=10).json()["calls"]
        return [call for call in logged if method in ("", call["method"]) and path in ("", call["path"])]

    def open(self, new: NewAccount | None = None, **changes: Any) -> None:
        """Open an account; the usual one (USD and EUR bank accounts, manual schedule) unless given."""
        self.post("account", asdict(new or usual_account(**changes)))

    def fund(self, amount: int, currency: str = "usd", account: str = ACCOUNT, **more: Any) -> None:
        """Pay money in, in Stripe's API units."""
        self.post("fund", asdict(Funding(account=account, currency=currency, amount=amount, **more)))

    def fault(self, *faults: Fault) -> None:
        self.post("faults", [asdict(fault) for fault in faults])

    def payouts(self, account: str = ACCOUNT) -> list[dict[str, Any]]:
        """Every payout that was ever made in an account, newest first."""
        return next(known["payouts"] for known in self.state()["accounts"] if known["account"] == account)

    def available(self, currency: str = "usd", account: str = ACCOUNT) -> int:
        """An available balance in API units."""
        known = next(known for known in self.state()["accounts"] if known["account"] == account)
        return next(line["amount"] for line in known["balance"]["available"] if line["currency"] == currency)

    def advance(self, seconds: float) -> None:
        self.post("clock", {"advance_s": seconds})

    def now(self) -> datetime:
        """What the sandbox's clock shows."""
        return datetime.fromisoformat(self.state()["now"])

    def transition(self, payout: str, *to: str, account: str = ACCOUNT, code: str = "", message: str = "") -> None:
        """Move a payout through these states by hand; code and message are a failure's."""
        for state in to:
            known = {"failure_code": code, "failure_message": message} if state == "failed" else {}
            self.post("transition", {"account": account, "payout": payout, "to": state, **known})

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change how the sandbox behaves by itself (``Conduct``); with ``account``, for that account alone."""
        return self.post("settings", changes)

    def endpoint(self, url: str, secret: str = SECRET, account: str = ACCOUNT, **more: Any) -> str:
        """Register a webhook endpoint whose secret is known; its id."""
        return str(self.post("endpoint", asdict(NewEndpoint(account, url, secret, **more)))["endpoint"])

    def webhook_fault(self, *faults: WebhookFault) -> None:
        self.post("webhook_faults", [asdict(fault) for fault in faults])

    def deliver(self, event: str = "") -> list[dict[str, Any]]:
        """Send what is due, or one event again, and wait for it; the deliveries that were tried."""
        return self.post("deliver", {"event": event} if event else {})["deliveries"]

    def deliveries(self) -> list[dict[str, Any]]:
        """Every delivery with its state, oldest first."""
        return requests.get(f"{self.url}/_sandbox/deliveries?limit=10000", timeout=10).json()["deliveries"]

    def settled(self) -> bool:
        """Whether nothing is waiting to be sent."""
        return all(delivery["state"] != "waiting" for delivery in self.deliveries())


def usual_account(**changes: Any) -> NewAccount:
    values: dict[str, Any] = {
        "key": KEY,
        "id": ACCOUNT,
        "banks": (Bank("usd", id="ba_sbx_usd"), Bank("eur", "EUROBANK", "DE", "DE000099998888", id="ba_sbx_eur")),
        **changes,
    }
    return NewAccount(**values)


@dataclass
class RunningSandbox:
    """A sandbox that listens; ``stop`` raises when an answer was not one of Stripe's."""

    url: str
    control: SandboxControl
    _stop: Callable[[], None]
    process: subprocess.Popen[str] | None = None
    witness: "Witness | None" = None
    database: Path = Path()

    def credentials(self, key: str = KEY, account: str = "") -> ProviderCredentials:
        return ProviderCredentials("stripe", key, self.url, account)

    def judge(self) -> None:
        """Raise when an answer since the last judgement was not one of Stripe's."""
        assert self.witness is not None
        self.witness.judge()

    def forgive(self) -> None:
        """Judge none of the answers so far: a fault has made one wrong on purpose."""
        assert self.witness is not None
        self.witness.answers.clear()

    @contextmanager
    def holding(self, method: str, path: str, nth: int = 1, *, executed: bool = True) -> Iterator["Held"]:
        """Hold one request up until the block ends: before it is executed, or before its answer leaves.

        Unlike a fault that delays, it waits for the test, however slow the machine is.
        """
        assert self.witness is not None
        held = Held(method, path, nth, executed=executed)
        self.witness.held.append(held)
        try:
            yield held
        finally:
            held.let_go()

    def stop(self) -> None:
        self._stop()


@dataclass
class Held:
    """A request that waits for a test, and who makes it.

    Attributes:
        nth: which matching request from now on.
        executed: whether it waits with its answer, not before it.
        port: the caller's port, once it is there.
    """

    method: str
    path: str
    nth: int
    executed: bool
    port: int = 0
    _gone: threading.Event = field(default_factory=threading.Event)

    def reached(self) -> bool:
        return self.port != 0

    def let_go(self) -> None:
        self._gone.set()

    def takes(self, scope: Mapping[str, Any]) -> bool:
        """Whether it is this request that waits."""
        if (scope.get("method"), scope.get("path")) != (self.method, self.path):
            return False
        self.nth -= 1
        return self.nth == 0

    async def wait(self, scope: Mapping[str, Any]) -> None:
        self.port = scope["client"][1]
        await asyncio.to_thread(self._gone.wait)


class Prompt(SandboxServer):
    """Leaves when it is told to, not at the next tenth of a second: tests start it a thousand times."""

    def leave(self) -> None:
        self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        await self._told.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)


def start_sandbox(folder: Path, port: int = 0, clock: Clock | None = None) -> RunningSandbox:
    """A sandbox in a thread of this process; its database is ``stripe-sandbox.sqlite`` in the folder."""
    database = folder / "stripe-sandbox.sqlite"
    store = Store(database, clock)
    witness = Witness(create_app(store))
    listener = listen(port)
    server = Prompt(store, app=witness)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive())
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def stop() -> None:
        if thread.is_alive():
            server.leave()
        thread.join(ALIVE_S)
        assert not thread.is_alive(), "the sandbox did not stop"
        store.close()
        listener.close()
        witness.judge()

    return RunningSandbox(url, SandboxControl(url), stop, witness=witness, database=database)


def start_sandbox_process(
    folder: Path, port: int = 0, parent_pid: int | None = None, *, moves_by_itself: bool = False
) -> RunningSandbox:
    """A sandbox as a process of its own, for tests that kill it; the same database as the one in a thread."""
    program = (
        "import sys; from pathlib import Path; from finops_core.adapters.stripe_sandbox.server import serve; "
        "serve(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) or None, moves_by_itself=sys.argv[4] == 'yes')"
    )
    database, moves = str(folder / "stripe-sandbox.sqlite"), "yes" if moves_by_itself else "no"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(port), database, str(parent_pid or 0), moves],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().removeprefix("Stripe sandbox on ").strip()
    assert url, "the sandbox did not start"

    def stop() -> None:
        process.terminate()
        process.wait(ALIVE_S)
        assert process.stdout is not None
        process.stdout.close()

    return RunningSandbox(url, SandboxControl(url), stop, process)


def wait_until(holds: Callable[[], bool], seconds: float = ALIVE_S) -> None:
    """Return once it holds; fail when it never does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@dataclass
class Witness:
    """An ASGI layer that keeps what Stripe's endpoints answered, to be judged by Stripe's own types.

    Requests that a test holds wait in it.
    """

    app: Any
    answers: list[tuple[str, bytes]] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        body = bytearray()
        waiting = next((each for each in self.held if each.takes(scope)), None)
        if waiting is not None and not waiting.executed:
            receive = await _received(receive)
            await waiting.wait(scope)

        async def watched(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and waiting is not None and waiting.executed:
                await waiting.wait(scope)
            if message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                # Kept before it is sent: the client may ask for the judgement as soon as it has the answer.
                if not message.get("more_body") and scope["path"].startswith("/v1/"):
                    self.answers.append((f"{scope['method']} {scope['path']}", bytes(body)))
            await send(message)

        await self.app(scope, receive, watched)

    def judge(self) -> None:
        """Raise for an answer that is JSON but not Stripe's. Bodies that a fault has spoilt are no JSON."""
        given, self.answers = self.answers, []
        for asked, body in given:
            try:
                document = json.loads(body)
            except ValueError:
                continue
            wrong = faults_of(document)
            assert not wrong, f"{asked}: {wrong}"


async def _received(receive: Any) -> Any:
    """A request that has arrived: it can be read even when its sender has gone."""
    whole = await receive()
    while whole.get("more_body"):
        more = await receive()
        whole = {**more, "body": whole["body"] + more.get("body", b"")}
    arrived = [whole]

    async def read() -> Any:
        return arrived.pop() if arrived else await receive()

    return read


def faults_of(document: Mapping[str, Any]) -> list[str]:
    """What in an object of Stripe's is not as its published types have it; unknown fields count."""
    if document.get("deleted") is True:
        # What Stripe answers to DELETE, for every kind of object.
        return [] if set(document) == {"id", "object", "deleted"} else [f"deleted: {sorted(document)}"]
    kind = str(document.get("object", "error_response"))
    wrong = [f"{kind}: {error.json_path}: {error.message[:200]}" for error in _validator(kind).iter_errors(document)]
    nested = list(document["data"]) if kind == "list" else []
    if kind == "event":
        nested = [document["data"]["object"]]
    return wrong + [fault for inner in nested for fault in faults_of(inner)]


@cache
def _validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator({**_strict_schema(), "$ref": f"#/$defs/{kind}"})


@cache
def _strict_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((DATA / "stripe_objects.schema.json").read_text(encoding="utf-8"))
    for definition in schema["$defs"].values():
        definition["additionalProperties"] = False
    return schema
