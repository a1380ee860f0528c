"""Stripe's errors: status, type, code, parameter, message. Shapes as recorded from the real API in test mode."""

DOC_URL = "https://stripe.com/docs/error-codes/"


class Refusal(Exception):
    """The sandbox answers with an error instead of an object.

    Args:
        status: the HTTP status.
        message: what Stripe's error says to a developer.
        code: Stripe's short error code; None where the real answer carries none.
        param: the parameter it concerns.
        kind: Stripe's error type.
        headers: more headers for this answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        error: dict[str, object] = {}
        if code is not None:
            error["code"] = code
            error["doc_url"] = DOC_URL + code.replace("_", "-")
        error["message"] = message
        if param is not None:
            error["param"] = param
        error["type"] = kind
        self.body: dict[str, object] = {"error": error}


def missing(param: str) -> Refusal:
    """A required parameter is not there."""
    return Refusal(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def unknown(param: str) -> Refusal:
    """A parameter that this endpoint does not have."""
    return Refusal(400, f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def not_an_integer(param: str, value: str) -> Refusal:
    """A parameter that must be a whole number is something else."""
    return Refusal(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=param)


def too_small(param: str, least: int) -> Refusal:
    """A whole number below its lower bound."""
    message = f"This value must be greater than or equal to {least}."
    return Refusal(400, message, code="parameter_invalid_integer", param=param)


def too_large(param: str, most: int) -> Refusal:
    """A whole number above its upper bound."""
    message = f"This value must be less than or equal to {most}."
    return Refusal(400, message, code="parameter_invalid_integer", param=param)


def no_such(what: str, given: str, param: str, *, as_filter: bool = False) -> Refusal:
    """An id that names nothing: 404 when it stands in the path, 400 when it is a parameter."""
    status = 400 if as_filter else 404
    return Refusal(status, f"No such {what}: '{given}'", code="resource_missing", param=param)


def key_missing() -> Refusal:
    """No key came with the request."""
    return Refusal(401, "No API key was provided. Send it in the Authorization header as a Bearer token.")


def key_invalid(key: str) -> Refusal:
    """A key that belongs to no account; only its last four characters are told."""
    return Refusal(401, f"Invalid API Key provided: {masked(key)}")


def not_permitted(what: str) -> Refusal:
    """The key is known but may not do this."""
    return Refusal(403, f"The provided key does not have the required permissions: {what}.")


def masked(key: str) -> str:
    """A key as it may be shown: its kind and its last four characters."""
    kind = next((prefix for prefix in ("sk_test_", "rk_test_") if key.startswith(prefix)), "")
    return f"{kind}****{key[-4:] if len(key) > len(kind) + 8 else ''}"
