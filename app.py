"""Starts Tieout: ``streamlit run app.py`` serves screens, cookie routes and health check, and starts the worker."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from finops_core.kernel.loading import uncollected

with uncollected():
    import streamlit as st
    from pydantic import ValidationError
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    from finops_core import start
    from finops_core.api import Envelope, routes
    from finops_core.platform import logs
    from finops_core.platform.settings import Settings, what_is_wrong
    from ui import errors, late_events
    from ui.session import the_desk

# While a page is being drawn, whoever comes back from the database has to ask for the interpreter. A provider's news
# does so two dozen times; Python's own five milliseconds for each would be most of its time.
SWITCH_S = 0.001


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Before the first page: the schema and, in demo mode, the demo company; beside the pages: the worker."""
    sys.setswitchinterval(SWITCH_S)
    logs.configure(settings.log_format, settings.log_level)
    address = f"http://127.0.0.1:{st.get_option('server.port')}"
    desk = await run_in_threadpool(start.prepare, settings, address)
    desk.close()
    with start.children(settings), start.preloading():
        sys.stdout.write(start.welcome(settings))
        sys.stdout.flush()
        yield


def settings_or_end() -> Settings:
    """The settings, or the program's end with a sentence: a traceback is nothing for whoever mistyped one."""
    try:
        return Settings()
    except ValidationError as error:
        sys.stderr.write(f"The settings cannot be used. {what_is_wrong(error)}\n")
        raise SystemExit(2) from None


late_events.keep()
beside, settings = routes(the_desk), settings_or_end()
app = st.App(
    "ui/shell.py",
    routes=beside,
    # Outermost, so that rate limits and the lock-out of sign-in see whom a proxy speaks for.
    middleware=[
        Middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies),
        Middleware(Envelope, routes=beside, https=settings.https),
    ],
    lifespan=lifespan,
    on_script_error=errors.shown,
)
