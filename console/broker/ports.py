"""Which TCP ports the broker takes on the loopback address."""

from __future__ import annotations

import socket
from contextlib import closing, suppress

import psutil
from elexirion.console.broker.configuration import HOST, Ports
from elexirion.console.broker.errors import PortBusyError
from elexirion.console.broker.progress import Note, OnProgress
from elexirion.console.broker.settings import PREFERRED_PORT


def choose_ports(asked: int | None, remembered: int | None, on_progress: OnProgress) -> Ports:
    """The port that was asked for, or else the last one, or else the preferred one, or else a free one.

    Raises `PortBusyError` when a port was asked for and another process has it.
    """
    if asked is not None:
        return Ports(_asked(asked), _free_port())
    wanted = remembered or PREFERRED_PORT
    if _is_free(wanted):
        return Ports(wanted, _free_port())
    chosen = Ports(_free_port(), _free_port())
    on_progress(Note(f"Port {wanted} is taken{_by_whom(wanted)}: the broker uses {chosen.clients} instead."))
    return chosen


def port_busy(port: int) -> PortBusyError:
    """The error for a port that was asked for and cannot be had."""
    return PortBusyError(
        f"Port {port} on {HOST} is taken{_by_whom(port)}, so the embedded broker cannot listen there.",
        "End that process, or name another port with --port or ELEXIRION_BROKER_PORT (unset: a free one is "
        f"chosen). If it is a Kafka that should be used, set ELEXIRION_KAFKA={HOST}:{port}.",
    )


def _asked(port: int) -> int:
    if not _is_free(port):
        raise port_busy(port)
    return port


def _is_free(port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As Kafka binds: connections of an ended broker that linger do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _by_whom(port: int) -> str:
    # Without privileges some systems do not tell whose a connection is; then the port has to do.
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens_there = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,)
            if listens_there and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return ""
