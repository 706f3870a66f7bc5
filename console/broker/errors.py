"""What can go wrong with the embedded broker, each with what to do about it."""

from __future__ import annotations


class BrokerError(Exception):
    """A broker could not be fetched, started, stopped or reached.

    `message` says what happened and where, `hint` what to do about it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}\n{hint}")
        self.message = message
        self.hint = hint

    @property
    def kind(self) -> str:
        """A stable name for machines: `PortBusyError` is `port_busy`."""
        words = type(self).__name__.removesuffix("Error")
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in words).lstrip("_")


class ExtraMissingError(BrokerError):
    """The optional packages behind the embedded broker are not installed."""


class JarsUnavailableError(BrokerError):
    """A jar is not in the cache and could not be fetched."""


class ChecksumMismatchError(BrokerError):
    """A fetched jar is not the one that the lock file names."""


class PortBusyError(BrokerError):
    """Another process listens on the port that was asked for."""


class DiskFullError(BrokerError):
    """The disk under the home has too little room."""


class HomeUnusableError(BrokerError):
    """The home cannot be written or its state file cannot be read."""


class StartFailedError(BrokerError):
    """The broker process ended, or did not answer in time, while it was starting."""


class StillRunningError(BrokerError):
    """The broker runs, so its data cannot be removed, or it would not end."""


class BrokerUnreachableError(BrokerError):
    """No broker answers at the configured address."""
