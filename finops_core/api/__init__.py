"""The HTTP routes beside the screens: the session cookie and the health check. Each verifies for itself."""

from finops_core.api.envelope import Envelope
from finops_core.api.routes import routes

__all__ = ["Envelope", "routes"]
