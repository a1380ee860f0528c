"""What people see when something goes wrong that no page expected: a sentence and a number, never a traceback."""

import logging

import streamlit as st

from finops_core import security
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.ids import new_id
from finops_core.platform import metrics
from finops_core.platform.db import is_away
from ui import widgets
from ui.session import the_desk

LOG = logging.getLogger("tieout.ui")
LOOK_AGAIN_S = 2
AWAY = (
    "**The database does not answer.**  \nWhat you did last may not have been kept: look before you do it again. "
    "This page comes back by itself as soon as the database does."
)


def _is_told_here(record: logging.LogRecord) -> bool:
    return "Uncaught app execution" in record.getMessage()


# Streamlit would log every error once more: without its number, with whatever secrets stand in it, refusals too.
logging.getLogger("streamlit.error_util").addFilter(lambda record: not _is_told_here(record))


def shown(error: Exception) -> bool:
    """Tell the person; ``st.App`` calls it for errors of scripts, fragments and callbacks. True: it has been shown."""
    if isinstance(error, FinOpsError):
        widgets.refusal(error)
        return True
    if is_away(error):
        LOG.warning("a page found no database: %s", type(error).__name__)
        st.warning(AWAY, icon=":material/cloud_off:")
        st.fragment(_look_again, run_every=LOOK_AGAIN_S)([True])
        return True
    number = new_id("err")
    metrics.ERRORS.labels("page").inc()
    LOG.error("unexpected error %s", number, exc_info=error)
    st.error(
        f"Something went wrong on our side. Nothing more was done. \n\nTell an administrator this number: `{number}`",
        icon=":material/error:",
    )
    return True


def _look_again(just_failed: list[bool]) -> None:
    """Draw the whole page anew once the database is back; ``just_failed``: not at once, while the error is told."""
    if just_failed:
        just_failed.clear()
    elif _is_back():
        st.rerun()


def _is_back() -> bool:
    try:
        with the_desk().read(security.visitor()):
            return True
    except Exception as error:
        if not is_away(error):
            raise
        return False
