"""What can go wrong with telemetry at a start."""

from dataclasses import dataclass


@dataclass
class PortTakenError(Exception):
    """The address of the HTTP endpoint cannot be had."""

    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"
