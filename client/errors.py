"""What a client can be told besides results; trouble with the broker is a KafkaProblem."""

from dataclasses import dataclass


class ClientProblem(Exception):  # noqa: N818  # the root of those below
    """Something a caller has to know."""


@dataclass
class CommandRejectedError(ClientProblem):
    """A command had no effect. `code` is the reason's short name, `reason` says what to do."""

    run_id: str
    command_id: str
    code: str
    reason: str

    def __str__(self) -> str:
        return f"the command to run {self.run_id} was rejected ({self.code}): {self.reason}"


@dataclass
class UnknownRunError(ClientProblem):
    """The log holds no such run. `near` lists ids that look like it, the closest first."""

    run_id: str
    near: tuple[str, ...] = ()

    def __str__(self) -> str:
        meant = f" Did you mean {' or '.join(self.near)}?" if self.near else ""
        return f"there is no run {self.run_id} in the log.{meant}"
