"""The HTTP endpoint of a process: `/metrics`, `/healthz` (it lives), `/readyz` (it can work)."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import uvicorn
from elexirion.agents.health.report import HealthReport
from elexirion.agents.telemetry.errors import PortTakenError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass(frozen=True, slots=True)
class Sources:
    """What the endpoint shows. `refresh` is awaited before a scrape; `unready` says why no work is taken now."""

    registry: CollectorRegistry
    refresh: Callable[[], Awaitable[None]]
    examine: Callable[[], Awaitable[HealthReport]]
    unready: Callable[[], str | None]


def application(sources: Sources) -> Starlette:
    """The three pages; none of them holds a secret, a prompt or a result."""

    async def metrics(request: Request) -> Response:
        await sources.refresh()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(sources.registry), media_type=None, headers={"content-type": content_type})

    async def alive(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> Response:
        report, reason = await sources.examine(), sources.unready()
        serving = reason is None and report.status != "unhealthy"
        return JSONResponse(report.document() | {"ready": serving, "reason": reason}, 200 if serving else 503)

    pages = [("/metrics", metrics), ("/healthz", alive), ("/readyz", ready)]
    return Starlette(routes=[Route(path, page, methods=["GET"]) for path, page in pages])


class HttpEndpoint:
    """Serves the pages in the running loop; `url` is known once it has started."""

    def __init__(self, sources: Sources, host: str, port: int) -> None:
        self.url = ""
        self._sources = sources
        self._host = host
        self._port = port

    async def start(self) -> None:
        """Listen; raises PortTakenError."""
        listening = _listen(self._host, self._port)
        host, port = listening.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        config = uvicorn.Config(
            application(self._sources), log_config=None, access_log=False, lifespan="off", ws="none",
            timeout_graceful_shutdown=1, server_header=False,
        )  # fmt: skip
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([listening]), name="http endpoint")

    async def stop(self) -> None:
        """Close; requests under way get a second."""
        self._server.should_exit = True
        await self._serving


class _Server(uvicorn.Server):
    """The worker follows signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Leave them alone."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise PortTakenError(
            f"the HTTP endpoint cannot listen on {host}:{port} ({error.strerror or error}).",
            "Set ELEXIRION_HTTP_PORT to another port, to 0 for any free one, or leave it out for no endpoint.",
        ) from error
