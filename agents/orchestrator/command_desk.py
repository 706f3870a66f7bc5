"""Deciding commands that stand in the log and have no outcome yet."""

from collections.abc import Callable
from typing import Protocol

import structlog
from elexirion.agents.decide import Facts
from elexirion.agents.decide_command import Checked, decide_command, reject
from elexirion.events import catalog
from elexirion.events.codec import describe
from elexirion.events.commands import StartRun
from elexirion.events.envelope import Record
from elexirion.projections.partition import EndedRun, PendingCommand
from elexirion.projections.run_state import RunState
from pydantic import ValidationError

log = structlog.get_logger(__name__)


class StartChecker(Protocol):
    """Checks a StartRun's pipeline and inputs."""

    def check(self, command: StartRun) -> Checked:
        """What the run would be, or why it cannot be."""
        ...


def outcome(
    pending: PendingCommand,
    state: RunState | None,
    ended: EndedRun | None,
    checker: StartChecker,
    facts: Callable[[], Facts],
) -> Record:
    """The one record that ends the command."""
    entry = catalog.BY_NAME[pending.received.command_type]
    try:
        command = entry.model.model_validate(pending.received.command)
    except ValidationError as error:
        return reject(pending, "invalid_command", describe(error), facts())
    checked = None
    if isinstance(command, StartRun) and not (state or ended or pending.conflicts):
        checked = checker.check(command)
    return decide_command(pending, command, state, ended, checked, facts())
