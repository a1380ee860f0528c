"""A part of a page that asks just when a whole run has ended: what that run told last is not lost."""

import asyncio
from unittest.mock import Mock

import pytest
import streamlit
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.script_data import ScriptData
from streamlit.runtime.scriptrunner import ScriptRunner, ScriptRunnerEvent
from streamlit.runtime.scriptrunner.script_cache import ScriptCache

from ui import late_events

PART = "the part that looks by itself"


@pytest.fixture(params=[True, False], ids=["kept", "as Streamlit has it"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(AppSession, "_create_scriptrunner", late_events._begin)
    if request.param:
        late_events.keep()
    return bool(request.param)


def test_what_a_run_told_last_reaches_the_browser(kept: bool, monkeypatch: pytest.MonkeyPatch):
    begun = Mock(spec=ScriptRunner)
    monkeypatch.setattr("streamlit.runtime.app_session.ScriptRunner", begun)

    async def the_part_asks_in_that_moment() -> list[ForwardMsg]:
        session = AppSession(ScriptData("app.py", is_hello=False), Mock(), ScriptCache(), None, {})
        ended = session._scriptrunner = Mock(spec=ScriptRunner)
        ended.request_rerun.return_value = False
        session._fragment_storage.register(PART, lambda: None)
        # Its last event stands in the queue, and is not handled yet
        last = ForwardMsg(page_profile={})
        session._on_scriptrunner_event(ended, ScriptRunnerEvent.ENQUEUE_FORWARD_MSG, forward_msg=last)
        session.request_rerun(ClientState(fragment_id=PART, is_auto_rerun=True))
        await asyncio.sleep(0.01)
        return session.flush_browser_queue()

    told = asyncio.run(the_part_asks_in_that_moment())

    # The fault is Streamlit's own. If "as Streamlit has it" fails here, it is mended there: ui/late_events.py can go.
    assert bool(told) is kept, streamlit.__version__
    assert begun.call_count == 1


@pytest.mark.parametrize("gone", ["the part", "the whole page"])
def test_a_part_that_has_gone_meanwhile_begins_nothing(gone: str, monkeypatch: pytest.MonkeyPatch):
    begun = Mock(spec=ScriptRunner)
    monkeypatch.setattr("streamlit.runtime.app_session.ScriptRunner", begun)
    monkeypatch.setattr(AppSession, "_create_scriptrunner", late_events._begin_later)

    async def it_goes_while_it_waits() -> None:
        session = AppSession(ScriptData("app.py", is_hello=False), Mock(), ScriptCache(), None, {})
        session._scriptrunner = Mock(spec=ScriptRunner)
        session._scriptrunner.request_rerun.return_value = False
        session._fragment_storage.register(PART, lambda: None)
        session.request_rerun(ClientState(fragment_id=PART, is_auto_rerun=True))
        if gone == "the part":
            session._fragment_storage.clear()
        else:
            session.shutdown()
        await asyncio.sleep(0.01)

    asyncio.run(it_goes_while_it_waits())

    assert begun.call_count == 0
