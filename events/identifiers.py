"""Ids: spelled-out forms, so that the same cause always gives the same id."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from elexirion.events.canonical import content_hash

RUN_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$"
SESSION_PREFIX = "session~"
"""What the run ids of shared sessions begin with, and no others."""
LONGEST_SCHEDULE_ID = 128 - len("~20260101T000000Z")
"""The ids of its runs are longer."""
_EXECUTION = re.compile(r"^(?P<run>[^/#]+)/(?P<step>[^#]+)#(?P<n>[1-9][0-9]*)$")


@dataclass(frozen=True, slots=True)
class ExecutionId:
    """One scheduled try of a step: `run/step[/item]#n`, where n counts every StepScheduled of the step."""

    run_id: str
    step: str
    n: int

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step}#{self.n}"

    @classmethod
    def parse(cls, text: str) -> "ExecutionId":
        """Read the written form; raises ValueError for anything else."""
        match = _EXECUTION.fullmatch(text)
        if match is None:
            raise ValueError(f"not an execution id (run/step#n): {text!r}")
        return cls(match["run"], match["step"], int(match["n"]))


def new_run_id() -> str:
    """A fresh run id: `run-` and 20 hexadecimal digits."""
    return f"run-{uuid.uuid4().hex[:20]}"


def new_command_id() -> str:
    """A fresh command id."""
    return f"cmd-{uuid.uuid4().hex}"


def new_incarnation(worker_id: str) -> str:
    """One life of a worker: its id and a random suffix."""
    return f"{worker_id}.{uuid.uuid4().hex[:8]}"


def worker_of(incarnation: str) -> str:
    """The id of the worker whose life it is; itself where it has no suffix."""
    return incarnation.rpartition(".")[0] or incarnation


def decision_id(run_id: str, seq: int, prev: str | None, author: str, at: str, body: Any) -> str:
    """Id of a decision, from all that it says: two authors never share one, and `prev` chains contents."""
    return content_hash([run_id, seq, prev, author, at, body])[:32]


def report_id(execution_id: str, what: str) -> str:
    """Id of a worker's report; sending it again gives the same id."""
    return f"{execution_id}/{what}"


def chunk_id(execution_id: str, n: int) -> str:
    """Id of the n-th chunk of an execution, counted from 1."""
    return f"{execution_id}/chunk/{n}"


def call_id(execution_id: str, n: int) -> str:
    """Id of the n-th provider call of an execution, counted from 1; sent as `Idempotency-Key`."""
    return f"{execution_id}/{n}"


def received_id(command_id: str, topic: str, partition: int, offset: int) -> str:
    """Id of a CommandReceived, from where its command stood; reading the command again gives the same id."""
    return f"{command_id}@{topic}/{partition}/{offset}"


def successor_run_id(run_id: str) -> str:
    """Run id of the next pipeline of a chain: `x`, `x~2`, `x~3`, …"""
    head, mark, tail = run_id.rpartition("~")
    if mark and tail.isdigit():
        return f"{head}~{int(tail) + 1}"
    return f"{run_id}~2"


def child_run_id(run_id: str, path: str, failures: int) -> str:
    """Run id of the pipeline that a step starts; another one for each attempt of the step."""
    return f"{run_id[:100]}~c{content_hash([run_id, path, failures])[:12]}"


def child_command_id(run_id: str, child: str) -> str:
    """Id of the StartRun of a child run; sending it again is harmless."""
    return f"{run_id}/child/{child}"


def firing_stamp(due_at: datetime) -> str:
    """A time that a schedule was due at, as part of ids."""
    return f"{due_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def firing_run_id(schedule_id: str, due_at: datetime) -> str:
    """Run id of what a schedule starts at a time: one run for each, however often it is asked for."""
    return f"{schedule_id}~{firing_stamp(due_at)}"


def firing_command_id(schedule_id: str, due_at: datetime) -> str:
    """Id of the StartRun of that run; sending it again is harmless."""
    return f"{schedule_id}/fire/{firing_stamp(due_at)}"


def fork_command_id(run_id: str, command_id: str) -> str:
    """Id of the StartRun that a RetryRun or ForkRun leads to; sending it again is harmless."""
    return f"{run_id}/fork/{command_id}"


def session_run_id(name: str, *, offline: bool) -> str:
    """Run id of a shared session: readable, and another one for each name; that of runs without a network is its own.

    What no network answered never enters a conversation that a provider is told.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")[:60] or "x"
    return f"{SESSION_PREFIX}{readable}~{content_hash([name, offline])[:8]}"


def turns_command_id(execution_id: str) -> str:
    """Id of the Signal by which a step adds what was said to a shared session; sending it again is harmless."""
    return f"{execution_id}/turns"
