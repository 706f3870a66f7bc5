"""What the history checker finds: one broken promise, where it stands and what it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from elexirion.projections.history.records import Seen, Written

Kind = Literal[
    "accepted_after_end",
    "answer_without_call",
    "call_not_in_log",
    "call_repeated",
    "called_twice",
    "chain_broken",
    "chunk_altered",
    "chunk_missing",
    "chunk_out_of_time",
    "chunk_unscheduled",
    "command_altered",
    "command_lost",
    "command_received_and_buried",
    "command_unknown",
    "command_without_outcome",
    "context_hash_differs",
    "decision_altered",
    "decision_missing",
    "fired_twice",
    "firing_lost",
    "fold_raised",
    "id_reused",
    "not_started",
    "outcome_twice",
    "ran_by_another",
    "rebuild_differs",
    "records_missing",
    "result_of_old_execution",
    "result_twice",
    "run_open",
    "run_started_twice",
    "snapshot_differs",
    "started_twice",
    "text_differs",
    "too_many_executions_called",
    "unscheduled",
]

MEANS: Mapping[Kind, str] = {
    "accepted_after_end": "The fold let something count after the run's end. This is an error of Elexirion.",
    "answer_without_call": "The log has an answer to a call that the provider never saw.",
    "call_not_in_log": "A provider was asked, and the log does not say so: its cost is in no account.",
    "call_repeated": "One call was begun twice. A call id stands for at most one call.",
    "called_twice": "The provider was asked twice under one call id, and may have charged twice.",
    "chain_broken": "The fold accepted a decision that does not follow the one before. This is an error of Elexirion.",
    "chunk_altered": "One chunk is there twice with different text: one of them was altered.",
    "chunk_missing": "Text is lost: chunks are numbered without gaps.",
    "chunk_out_of_time": "The clock of a worker jumped, or the chunk was written by somebody else.",
    "chunk_unscheduled": "Text of an execution that nobody scheduled: it was forged, or records are lost.",
    "command_altered": "The command in the log is not the one that its hash was made of.",
    "command_lost": "A command was acknowledged and nothing became of it.",
    "command_received_and_buried": "A command has two outcomes: it was taken and set aside as unreadable.",
    "command_unknown": "The log has a command that does not stand where the log says it stood.",
    "command_without_outcome": "A command was taken and neither carried out nor rejected.",
    "context_hash_differs": "What the log says now is not what stood in it when the run ended.",
    "decision_altered": "The id of a decision covers all it says: it was altered after it was written.",
    "decision_missing": "A decision that others follow is not in the log: records are lost.",
    "fired_twice": "A schedule fired twice for one time. Each of its times is decided once.",
    "firing_lost": "A schedule fired, and the run that it asked for never started.",
    "fold_raised": "Reading the run raised an error that nobody expected; the record has no effect.",
    "id_reused": "Two records have one id and say different things: one of them was altered.",
    "not_started": "A result or a call counts and its execution never started: records are lost or out of order.",
    "outcome_twice": "A command had two outcomes. Each has exactly one.",
    "ran_by_another": "A worker ran what was given to another one.",
    "rebuild_differs": "Reading the log twice gives two different states. This is an error of Elexirion.",
    "records_missing": "The run's end was decided with more records than the log has now: some are lost.",
    "result_of_old_execution": "A report of an execution counts that is not its step's newest, or had ended.",
    "result_twice": "Two results of one step count. Each has at most one.",
    "run_open": "The run has not ended.",
    "run_started_twice": "One start led to two runs, or one run was started twice.",
    "snapshot_differs": "A snapshot of the log is not what the log says. This is an error of Elexirion.",
    "started_twice": "A worker ran one execution twice. Each runs at most once.",
    "text_differs": "The chunks joined are not the text that the step's result was made of.",
    "too_many_executions_called": "A step asked its provider in more executions than its attempts and losses explain.",
    "unscheduled": "A worker reports an execution that nobody scheduled: its StepScheduled is lost, or never was.",
}
"""What each kind of violation means, in a sentence for people."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: `message` says what was found; place and run are None where it has none."""

    kind: Kind
    message: str
    run_id: str | None = None
    position: int | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None

    @property
    def means(self) -> str:
        """What a violation of this kind means."""
        return MEANS[self.kind]

    @property
    def place(self) -> str:
        """Where it stands: topic, partition and offset, as far as it has one."""
        known = [str(part) for part in (self.topic, self.partition, self.offset) if part is not None]
        return "/".join(known)

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "kind": self.kind, "run_id": self.run_id, "position": self.position, "topic": self.topic,
            "partition": self.partition, "offset": self.offset, "message": self.message, "means": self.means,
        }  # fmt: skip


def at_record(kind: Kind, seen: Seen, message: str) -> Violation:
    """A violation at a record of the log."""
    state = seen.after or seen.before
    return at_place(kind, seen.written, message, seen.record.run_id, state.position if state else None)


def at_place(
    kind: Kind, written: Written, message: str, run_id: str | None = None, position: int | None = None
) -> Violation:
    """A violation at a place of a topic."""
    return Violation(kind, message, run_id, position, written.topic, written.partition, written.offset)
