"""Every route, in one list, and which of them answer without a sign-in."""

from starlette.routing import BaseRoute, Route

from finops_core.api import installing, v1
from finops_core.api.figures import Figures
from finops_core.api.health import HealthCheck
from finops_core.api.requests import DeskGetter
from finops_core.api.session import SessionDoor
from finops_core.api.webhooks import NewsDoor

# A route that is not named here needs a living session, or below /api/v1 a token: that has a list of its own in its
# gate. A test holds this list against what the routes do.
OPEN_ROUTES = frozenset(
    {
        ("POST", "/session/begin"),  # its single-use ticket is the proof
        ("POST", "/session/end"),  # ends only the session of the cookie that comes with it
        ("GET", "/manifest.webmanifest"),  # a name and pictures; browsers ask for it without a cookie
        ("GET", "/healthz"),  # says nothing of any organisation
        ("GET", "/metrics"),  # its own token is the proof; without one set there is no such route
        ("POST", "/webhooks/stripe/{connection}"),  # its signature is the proof
    }
)


def routes(desk: DeskGetter) -> list[BaseRoute]:
    """The routes to hang into the server.

    Args:
        desk: gives the open desk; called at the first request, so that making the list opens nothing.
    """
    door, health, figures = SessionDoor(desk), HealthCheck(desk), Figures(desk)
    stripe = NewsDoor(desk, "stripe", "stripe-signature")
    return [
        Route("/session/begin", door.begin, methods=["POST"]),
        Route("/session/end", door.end, methods=["POST"]),
        Route("/manifest.webmanifest", installing.manifest, methods=["GET"]),
        Route("/healthz", health.answer, methods=["GET"]),
        Route("/metrics", figures.answer, methods=["GET"]),
        Route("/webhooks/stripe/{connection}", stripe.take, methods=["POST"]),
        v1.mounted(desk),
    ]
