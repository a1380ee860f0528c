"""What people see when something goes wrong that no page expected: a sentence and a number, never a traceback."""

import logging

import streamlit as st

from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.ids import new_id
from finops_core.platform import metrics
from ui import widgets

LOG = logging.getLogger("tieout.ui")


def shown(error: Exception) -> bool:
    """Tell the person; ``st.App`` calls it for errors of scripts, fragments and callbacks. True: it has been shown."""
    if isinstance(error, FinOpsError):
        widgets.refusal(error)
        return True
    number = new_id("err")
    metrics.ERRORS.labels("page").inc()
    LOG.error("unexpected error %s", number, exc_info=error)
    st.error(
        f"Something went wrong on our side. Nothing more was done. \n\nTell an administrator this number: `{number}`",
        icon=":material/error:",
    )
    return True
