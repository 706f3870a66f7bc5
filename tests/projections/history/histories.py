"""Histories of one partition, made of the records that a test writes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from elexirion.events.canonical import text_hash
from elexirion.events.codec import encode
from elexirion.events.envelope import Record, make_record
from elexirion.events.identifiers import call_id, chunk_id
from elexirion.events.provider import ProviderRequested, ProviderResponded
from elexirion.events.step import StepChunk
from elexirion.events.usage import NO_USAGE
from elexirion.projections.history.records import Call, History, Written

from tests.projections.partition_log import AUTHOR, START, WORKER, RunLog

PIECES = ("Tides ", "rise ", "and fall.")


def told(pieces: Sequence[str] = PIECES) -> RunLog:
    """A run of one step that asks a provider, streams its answer, and ends well; with the seq of a real one."""
    log = RunLog("a")
    log.schedule("a")
    log.begin("a")
    ask(log)
    text = "".join(pieces)
    log.report(
        log.completed("a", value=text).model_copy(
            update={"chunks": len(pieces), "text_sha256": text_hash(text) if pieces else None}
        )
    )
    log.end()
    assert not any(log.refusals)
    return log


def ask(log: RunLog, name: str = "a", n: int = 1) -> str:
    """Ask and get an answer, as the newest execution of the step; the call's id."""
    execution = log.execution(name)
    said: dict[str, Any] = {
        "execution_id": execution, "incarnation": WORKER, "call_id": call_id(execution, n), "provider": "claude",
        "model": "m",
    }  # fmt: skip
    log.write(log.reported(ProviderRequested(**said, request_sha256="s" * 64), f"requested/{said['call_id']}"))
    log.write(log.reported(ProviderResponded(**said, usage=NO_USAGE, duration_s=1), f"responded/{said['call_id']}"))
    return call_id(execution, n)


def history_of(log: RunLog, pieces: Sequence[str] = PIECES, **more: Any) -> History:
    """The log as a history at rest, its first step's text as chunks."""
    events = [written(n, record, "events", at) for n, (record, at) in enumerate(log.records)]
    chunks = [written(n, chunk(log, n + 1, text), "chunks") for n, text in enumerate(pieces)]
    asked = [Call(one.raw["call_id"]) for one, _ in log.records if one.type == "ProviderRequested"]
    return History(**{"events": events, "chunks": chunks, "calls": asked, "at_rest": True, **more})


def chunk(log: RunLog, n: int, text: str, execution: str | None = None) -> Record:
    """A chunk of the log's first execution, or another."""
    id = execution or f"{log.run_id}/a#1"
    return make_record(StepChunk(execution_id=id, n=n, text=text), id=chunk_id(id, n), run_id=log.run_id, at=START)


def written(offset: int, record: Record, topic: str, at: Any = None) -> Written:
    """A record as it stands on a topic; decisions are by the author of the log."""
    return Written(
        topic, 0, offset, at or START.replace(second=5), encode(record), record.run_id.encode(),
        AUTHOR if record.seq else WORKER,
    )  # fmt: skip


def renumbered(records: Sequence[Written]) -> list[Written]:
    """The records in this order, at offsets from 0 on."""
    return [replace(one, offset=n) for n, one in enumerate(records)]
