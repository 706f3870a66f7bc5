"""An OpenTelemetry collector over HTTP, as far as taking spans in goes."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Collector:
    """Where it listens, and what it was sent so far: requests as they came, and the spans in them."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    spans: list[Any] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Take in a request."""
        self.requests.append(body)
        request = ExportTraceServiceRequest.FromString(body)
        self.spans.extend(span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans)


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """A collector that listens until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is the library's
            body = self.rfile.read(int(self.headers["content-length"]))
            zipped = self.headers.get("content-encoding") == "gzip"
            collected.take(gzip.decompress(body) if zipped else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collected = Collector(f"http://127.0.0.1:{server.server_port}")
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collected
    finally:
        server.shutdown()
        server.server_close()
