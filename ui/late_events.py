"""What a page's run tells last reaches the browser.

Streamlit forgets the last events of a run that has just ended when a part that looks by itself asks in that moment: a
new run is begun before those events were handled, and whatever comes from another run than the newest is dropped. The
page then stays half drawn, a closed drawer open, or a part stops looking; seen with 1.67. Here the part waits until
they are handled.
"""

from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

_begin = AppSession._create_scriptrunner


def _begin_later(session: AppSession, asked: RerunData) -> None:
    if asked.fragment_id and session._scriptrunner is not None:
        # A run that takes no more requests has sent its events: they stand in the loop's queue before this call.
        session._event_loop.call_soon(_ask_again, session, asked)
    else:
        _begin(session, asked)


def _ask_again(session: AppSession, asked: RerunData) -> None:
    if session._state == AppSessionState.SHUTDOWN_REQUESTED:
        return
    # The page drawn since may have begun another run, or have no such part any more.
    taken = session._scriptrunner is not None and session._scriptrunner.request_rerun(asked)
    if not taken and session.has_fragment(str(asked.fragment_id)):
        _begin(session, asked)


def keep() -> None:
    """From now on, in this process."""
    AppSession._create_scriptrunner = _begin_later  # type: ignore[assignment, method-assign]
