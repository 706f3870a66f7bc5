"""Whether a provider's address answers at all: a request without a key, which costs nothing and proves no key."""

import ssl
from functools import lru_cache

import httpx


async def answer_of(base_url: str, timeout_s: float) -> int:
    """The HTTP status of the bare address; raises ConnectionError where nobody answers, saying how it failed."""
    try:
        async with (
            httpx.AsyncClient(verify=_tls(), timeout=timeout_s, follow_redirects=False) as client,
            client.stream("GET", base_url) as response,
        ):
            return response.status_code
    except httpx.HTTPError as error:
        raise ConnectionError(type(error).__name__) from error


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """The certificates, read once: that takes 0.1 s."""
    return httpx.create_ssl_context()
