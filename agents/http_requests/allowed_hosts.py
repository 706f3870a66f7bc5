"""The allow list of `http` steps: which hosts may be asked, and which of them may stand inside the network."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
_TRANSLATED = IPv6Network("64:ff9b::/96")


class Trust(Enum):
    """What the list says about a host."""

    REFUSED = "not on the list"
    PUBLIC = "matched by a pattern: only public addresses"
    NAMED = "on the list by its own name or address: any address"


@dataclass(frozen=True, slots=True)
class Entry:
    """A host, or `*.example.org` for all names below it, or `*`; `port` None means any."""

    host: str
    port: int | None = None

    @classmethod
    def of(cls, text: str) -> "Entry":
        """Read `host`, `host:port`, `[address]:port`; raises ValueError for anything else."""
        host, port = _parts(text.strip())
        if not host or set("/@?#[] ") & set(host) or not host.isascii() or "*" in host.removeprefix("*"):
            raise ValueError("a host is a name, an address, `*.name` or `*`, with `:port` or without, and no scheme")
        if host.startswith("*") and not (host == "*" or (host.startswith("*.") and host[2:])):
            raise ValueError("a pattern is `*.name`, or `*` for every public host")
        return cls(plain_host(host), port)

    def names(self, host: str, port: int) -> bool:
        """Whether this very host is meant."""
        return self.port in (None, port) and self.host == host

    def covers(self, host: str, port: int) -> bool:
        """Whether the host falls under a pattern."""
        if self.port not in (None, port):
            return False
        return self.host == "*" or (self.host.startswith("*.") and host.endswith(self.host[1:]))


class AllowedHosts:
    """The setting `http_allowed_hosts`, read."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = tuple(Entry.of(text) for text in entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def trust(self, host: str, port: int) -> Trust:
        """What may be done with `host` as an address writes it."""
        host = plain_host(host)
        if any(entry.names(host, port) for entry in self._entries):
            return Trust.NAMED
        return Trust.PUBLIC if any(entry.covers(host, port) for entry in self._entries) else Trust.REFUSED

    def allows_address(self, address: str, port: int) -> bool:
        """Whether a name that a pattern covers may lead to this address."""
        return is_public(ip_address(address)) or self.trust(address, port) is Trust.NAMED


def checked_entry(text: str) -> str:
    """The entry itself; raises ValueError where it is none."""
    Entry.of(text)
    return text


def plain_host(host: str) -> str:
    """One spelling of a host: lower case, no dot at its end, an address in its shortest form."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def is_public(address: Address) -> bool:
    """Whether the address belongs to the internet: not to this machine, its network, or a group of machines."""
    inner = _embedded(address)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address to which an IPv6 address is translated on its way."""
    if isinstance(address, IPv4Address):
        return None
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _parts(text: str) -> tuple[str, int | None]:
    if text.count(":") > 1 and not text.startswith("["):
        return text, None  # an IPv6 address without brackets
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        return (text if not text.startswith("[") else text[1:-1]), None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("a port is a number from 1 to 65535")
    return host.strip("[]"), int(port)
