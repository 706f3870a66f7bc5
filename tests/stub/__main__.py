"""Runs the stub as a process: `python -m tests.stub --port 0 --ledger FILE [--script FILE] [--with-stdin]`."""

import argparse
import asyncio
import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.stub.app import Stub
from tests.stub.ledger import Ledger
from tests.stub.raw import RawServer


class TouchableProtocol(H11Protocol):
    """Hands the connection to the application, which may have to cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in H11Protocol
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class AnnouncingServer(uvicorn.Server):
    """Prints one JSON line with its URLs as soon as it accepts connections."""

    def __init__(self, config: uvicorn.Config, raw: RawServer) -> None:
        super().__init__(config)
        self._raw = raw

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        raw = f"127.0.0.1:{await self._raw.start()}"
        said = {"url": f"http://127.0.0.1:{port}", "raw": raw, "port": port, "pid": os.getpid()}
        print(json.dumps(said), flush=True)


def _end_with_stdin() -> None:
    """End this process when the one that started it is gone, however it went."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.stub", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--with-stdin", action="store_true", help="end when standard input ends")
    arguments = parser.parse_args()
    stub = Stub(Ledger(arguments.ledger))
    if arguments.script is not None:
        stub.add_rules(arguments.script.read_bytes())
    if arguments.with_stdin:
        _end_with_stdin()
    options: dict[str, Any] = {"loop": "asyncio", "http": TouchableProtocol, "lifespan": "off"}
    config = uvicorn.Config(stub.app(), port=arguments.port, log_level="critical", access_log=False, **options)
    AnnouncingServer(config, stub.raw).run()


main()
