"""One full, realistic example of each record type's data; every optional field is given."""

from datetime import UTC, datetime
from typing import Any

from elexirion.events import commands, provider, provider_reports, run, schedule, step, worker
from elexirion.events.carried import Carried, CarriedStep
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.usage import Usage
from elexirion.events.values import Inline, Stored

AT = datetime(2026, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)
LATER = datetime(2026, 3, 14, 9, 27, 0, tzinfo=UTC)
RUN = "run-0123456789abcdef0123"
EXECUTION = f"{RUN}/summary#2"
WORKER = "host-1.5f3a9c01"
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
OTHER_SHA = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"

TEXT = Inline(value={"text": "Grüße, 世界", "n": 1, "ratio": 0.5, "list": [True, None]})
LARGE = Stored(sha256=SHA, size=2_400_000, parts=3, partition=5, offset=42)
USED = Usage(input_tokens=1200, output_tokens=340, cache_read_tokens=800, cache_write_tokens=16)
SOURCE = commands.RunSource(file="review.yaml", folder="pipelines", cwd="projects/review")
PIPELINE: dict[str, Any] = {"name": "review", "steps": [{"name": "summary", "type": "claude", "prompt": "Sum up."}]}
NEXT = commands.PipelineReference(pipeline="workflow:\n  name: publish\n", source=SOURCE)
PARENT = commands.Parent(run_id="run-above", step="child", depth=2, files=("outer.yaml", "review.yaml"))
RATE_LIMITED = Failure(
    kind="rate_limited", message="too many requests", retry_after_s=7.5, provider="claude", status=429,
    where="review.yaml:12",
)  # fmt: skip
REPLAY = commands.Replay(run_id="run-recorded", file="run.jsonl", timing="compressed")
ALLOWED = step.Allowance(tokens=5000, cost_usd=0.25)
CARRIED = Carried(
    steps=(
        CarriedStep(
            name="outline", step_type="claude", status="completed", origin="run-before/outline#2", result=LARGE,
            text_sha256=OTHER_SHA, chunks=12, usage=USED, cost_usd=0.0187, model="sonnet", stop_reason="end_turn",
            duration_s=4.5, output_file="out/outline.md", failures=1, crashes=1, failure=RATE_LIMITED,
            skip_reason="none", fallback="simplified_prompt", said=TEXT, ended_because="due", started_at=AT,
            ended_at=LATER,
        ),
    ),
    variables={"tone": "dry"}, setters={"tone": "outline"},
)  # fmt: skip
NIGHTLY = schedule.Schedule(cron="0 2 * * *", timezone="Europe/Berlin", missed="all", overlap="skip")
FIRED_BY = schedule.FiredBy(schedule_id="nightly", due_at=LATER)
OF = {"execution_id": EXECUTION, "incarnation": WORKER}
AT_MODEL = {"provider": "claude", "model": "sonnet"}
ENDED: dict[str, Any] = {"usage": USED, "cost_usd": 0.0187, "context_hash": SHA}

_DATA: tuple[RecordModel, ...] = (
    commands.StartRun(
        pipeline=PIPELINE, source=SOURCE, inputs={"topic": "tides"}, offline=True, then=(NEXT,),
        replay_from=REPLAY,
        previous_run_id="run-before", parent=PARENT, tags={"team": "docs"},
        retry_of="run-before", fork_of="run-before", carried=CARRIED, start_at=LATER, schedule=NIGHTLY,
        fired_by=FIRED_BY, priority="high",
    ),
    commands.CancelRun(reason="no longer needed"),
    commands.PauseRun(reason="budget review", parent_seq=4),
    commands.ResumeRun(parent_seq=5),
    commands.RetryRun(new_run_id="run-again", from_step="summary"),
    commands.ForkRun(new_run_id="run-fork", from_step="summary", variables={"tone": "dry"}),
    commands.Signal(name="approve", value={"by": "ana"}),
    commands.ChildEnded(child_run_id=f"{RUN}~2", step="child", status="failed", result=LARGE, failure=RATE_LIMITED,
                        usage=USED, cost_usd=0.0187),
    run.CommandReceived(
        command_id="cmd-1", content_hash=SHA, command_type="CancelRun", command={"reason": "no longer needed"},
        topic="elexirion.commands", partition=3, offset=17, issued_at=AT, broker_at=LATER,
    ),
    run.CommandRejected(
        command_id="cmd-1", content_hash=SHA, reason_code="run_ended", reason="run ended already (completed)"
    ),
    run.RunStarted(
        command_id="cmd-1", content_hash=SHA, pipeline_name="review", definition=PIPELINE,
        definition_sha256=OTHER_SHA, inputs={"topic": "tides"}, source=SOURCE, then=(NEXT,),
        previous_run_id="run-before", parent=PARENT, replay_from=REPLAY, tags={"team": "docs"},
        retry_of="run-before", fork_of="run-before", carried=CARRIED, start_at=LATER, schedule=NIGHTLY,
        fired_by=FIRED_BY, priority="high",
    ),
    schedule.ScheduleFired(
        due_at=LATER, fired_run_id="nightly~20260314T092700Z", command_id="nightly/fire/20260314T092700Z"
    ),
    schedule.ScheduleSkipped(first_at=AT, due_at=LATER, count=3, because="missed"),
    run.RunForked(
        command_id="cmd-1", content_hash=SHA, relation="retry", new_run_id="run-again",
        start_command_id=f"{RUN}/fork/cmd-1", start=LARGE, from_step="summary", carried=("outline",),
    ),
    step.StepScheduled(
        execution_id=EXECUTION, step="summary", step_type="claude", lane="claude", incarnation=WORKER, attempt=2,
        timeout_s=300.0, input=TEXT, input_hash=SHA, prompt_files=(("prompts/tone.md", OTHER_SHA),),
        output_file="out/summary.md", pipeline="review", tags={"tenant": "acme"}, fallback="gemini/gemini-3.8-flash",
        allowance=ALLOWED,
    ),
    step.StepSkipped(step="summary", reason="its condition does not hold"),
    step.StepRefused(step="summary", failure=Failure(kind="evaluation", message="`topic` is not defined")),
    step.StepRetryScheduled(step="summary", attempt=2, due_at=LATER, delay_s=7.5, failure=RATE_LIMITED),
    step.FallbackChosen(step="summary", number=1, fallback="gemini/gemini-3.8-flash", failure=RATE_LIMITED),
    step.StepTimedOut(execution_id=EXECUTION, timeout_s=300.0),
    step.StepOrphaned(execution_id=EXECUTION, incarnation=WORKER, reason="lease_expired", ran_s=3.25),
    run.VariablesSet(step="defaults", values={"tone": "dry", "limits": [1, 2.5]}, scope="session"),
    step.StepExpanded(step="each", step_type="for_loop", shape="loop", children={"ask": "claude"}, items=TEXT, count=2,
                      branch="red"),
    step.StepConcluded(step="each", result=TEXT, ended_because="completed"),
    step.IterationStarted(step="each", index=0),
    step.IterationEnded(step="each", index=0, ended_because="failed", failure=RATE_LIMITED),
    run.TimerSet(step="delay", due_at=LATER),
    run.ErrorHandlingStarted(failure=RATE_LIMITED, step="summary", handlers={"tell": "test_echo"}),
    run.ApprovalRequested(step="approve", message="Publish?", due_at=LATER),
    run.SignalReceived(command_id="cmd-2", name="approve", value={"by": "ana"}, step="approve"),
    run.ChildRunStarted(child_run_id=f"{RUN}~2", command_id=f"{RUN}/then/{RUN}~2", relation="then",
                        inputs={"input": "text"}, step="child", pipeline=TEXT, source=SOURCE, due_at=LATER),
    run.ChildRunEnded(command_id="cmd-5", child_run_id=f"{RUN}~2", step="child", status="failed", result=LARGE,
                      failure=RATE_LIMITED, usage=USED, cost_usd=0.0187),
    run.RunPaused(command_id="cmd-3", reason="budget review", parent_seq=4),
    run.RunResumed(command_id="cmd-4", parent_seq=5),
    run.BudgetExceeded(limit="cost_usd", allowed=1.0, used=1.25, audit=True),
    run.RunCompleted(result=TEXT, next_run_id=f"{RUN}~2", **ENDED),
    run.RunFailed(failure=RATE_LIMITED, step="summary", **ENDED),
    run.RunCancelled(command_id="cmd-1", reason="no longer needed", **ENDED),
    run.RunQuarantined(reason="working on the run crashed again and again", crashes=4, context_hash=SHA),
    step.StepStarted(**OF),
    provider.ProviderRequested(call_id=f"{EXECUTION}/1", request_sha256=SHA, **OF, **AT_MODEL),
    provider.ProviderResponded(
        call_id=f"{EXECUTION}/1", usage=USED, cost_usd=0.0187, stop_reason="end_turn", failure=RATE_LIMITED,
        duration_s=4.2, first_chunk_s=0.6, first_chunk=3, chunks=12, function_calls=TEXT,
        replayed_from="run-recorded/summary#1/1", **OF, **AT_MODEL,
    ),
    step.StepCompleted(
        result=LARGE, text_sha256=OTHER_SHA, chunks=12, usage=USED, cost_usd=0.0187, model="sonnet",
        stop_reason="end_turn", output_file="out/summary.md", duration_s=4.5, turns=TEXT, fallback="simplified_prompt",
        **OF,
    ),
    step.StepFailed(failure=RATE_LIMITED, usage=USED, cost_usd=0.0187, chunks=3, duration_s=1.5, **OF),
    step.StepDeclined(reason="draining", **OF),
    step.StepReleased(reason="drain", **OF),
    step.ToolCalled(call_id=f"{EXECUTION}/1", tool="search", arguments={"query": "tides"}, **OF),
    step.ToolReturned(call_id=f"{EXECUTION}/1", tool="search", result=TEXT, is_error=True, **OF),
    step.CacheHit(request_hash=SHA, written_at=LATER, **OF),
    step.FallbackUsed(reason="max_turns", used="prepared answer", **OF),
    provider.CircuitOpened(failures=5, until=LATER, **AT_MODEL),
    provider.CircuitHalfOpened(probe_call_id=f"{EXECUTION}/1", **AT_MODEL),
    provider.CircuitClosed(**AT_MODEL),
    provider.CacheEntry(request_hash=SHA, written_at=AT, text="Grüße, 世界", usage=USED, cost_usd=0.0187,
                        stop_reason="end_turn", **AT_MODEL),
    provider.LimitLearned(kind="tokens_per_minute", limit=80_000.0, **AT_MODEL),
    provider_reports.CallReported(
        call_id=f"{EXECUTION}/1", incarnation=WORKER, outcome="failed", kind="overloaded", retry_after_s=7.5, **AT_MODEL
    ),
    provider_reports.UsageReported(
        call_id=f"{EXECUTION}/1", incarnation=WORKER, scopes=("pipeline:review", "tenant:acme"), tokens=1540,
        cost_usd=0.0187, **AT_MODEL,
    ),
    provider.DayBudgetExceeded(
        scope="tenant:acme", day=AT.date(), limit="cost_usd", allowed=5.0, used=5.0125, enforced=False
    ),
    provider_reports.PermitsAsked(
        provider="claude", incarnation=WORKER, ask_id=f"{WORKER}/7", calls=4, tokens=1500, settled_tokens=-230
    ),
    provider_reports.LimitReported(incarnation=WORKER, kind="requests_per_minute", limit=50.0, **AT_MODEL),
    provider.PermitsGranted(
        provider="claude", incarnation=WORKER, ask_id=f"{WORKER}/7", calls=3, tokens=1500, valid_s=3.0
    ),
    provider_reports.ProbeAsked(call_id=f"{EXECUTION}/1", incarnation=WORKER, **AT_MODEL),
    worker.WorkerHeartbeat(
        worker_id="host-1", incarnation=WORKER, number=7, roles=("orchestrator", "lanes"),
        lanes=(worker.LaneOffer(lane="claude", partitions=(0, 3), slots=10, held=1, provider="not_configured"),),
        held=(EXECUTION,), draining=True,
    ),
    worker.WorkerLeft(worker_id="host-1", incarnation=WORKER),
    step.ExecuteStep(
        step="summary", step_type="claude", lane="claude", attempt=2, timeout_s=300.0, input=TEXT,
        output_file="out/summary.md", pipeline="review", tags={"tenant": "acme"},
        fallback="gemini/gemini-3.8-flash", replay_from=REPLAY, allowance=ALLOWED, **OF,
    ),
    step.CancelStep(**OF),
    step.StepChunk(execution_id=EXECUTION, n=3, text="Grüße, 世界"),
    step.PayloadPart(sha256=SHA, index=1, parts=3, text='"a part'),
)  # fmt: skip

EXAMPLES: dict[type[RecordModel], RecordModel] = {type(data): data for data in _DATA}
