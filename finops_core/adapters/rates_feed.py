"""Published exchange rates, fetched from the address the settings name. What they say is read elsewhere."""

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from finops_core.kernel.errors import Unavailable

MOST_BYTES = 2 * 1024 * 1024


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An address was set; another one was not."""

    def redirect_request(self, *given: Any) -> None:
        del given


@dataclass(frozen=True, slots=True)
class RatesFeed:
    """``url``: http or https, as the settings have checked it."""

    url: str
    timeout_s: float

    def __call__(self) -> bytes:
        """The whole file; ``RATES_NOT_FETCHED`` for no answer, one that is none, and one of more than 2 MiB."""
        try:
            # No proxy of the environment is asked, as for everything else that leaves.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
            with opener.open(self.url, timeout=self.timeout_s) as answer:
                content: bytes = answer.read(MOST_BYTES + 1)
                # What was cut off could be read as a shorter file.
                if answer.length and len(content) <= MOST_BYTES:
                    raise http.client.IncompleteRead(content, answer.length)
        except urllib.error.HTTPError as error:
            raise _not_fetched(f"The answer was {error.code}.") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _not_fetched("No whole answer came.") from error
        if len(content) > MOST_BYTES:
            raise _not_fetched(f"The answer has more than {MOST_BYTES:,} bytes.")
        return content


def _not_fetched(why: str) -> Unavailable:
    return Unavailable(
        "RATES_NOT_FETCHED",
        f"The exchange rates could not be fetched. {why}",
        hint="They are asked for again later; until then take in a file of them.",
    )
