"""Whether a provider answers and takes the key: a request that lists models, which costs nothing."""

import ssl
from functools import lru_cache

import httpx
from elexirion.agents.providers.wire_format import Probe


async def answer_of(probe: Probe, timeout_s: float) -> int:
    """The HTTP status of the probe; raises ConnectionError where nobody answers, saying how it failed.

    The body is not read. A redirect is not followed, since the key would travel along.
    """
    try:
        async with (
            httpx.AsyncClient(verify=_tls(), timeout=timeout_s, follow_redirects=False) as client,
            client.stream("GET", probe.url, headers=probe.headers) as response,
        ):
            return response.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The name alone: texts of these exceptions may quote a header, and so the key.
        raise ConnectionError(type(error).__name__) from None


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """The certificates, read once: that takes 0.1 s."""
    return httpx.create_ssl_context()
