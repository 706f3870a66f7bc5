"""The circuit breaker in the way of a call: asks the circuit before it, and reports how it ended."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.provider_control.followed import FollowedProviders
from elexirion.agents.provider_control.target import Target
from elexirion.agents.resilience.circuit_breaker import (
    ASK_KEPT_S,
    BreakerRule,
    Outcome,
    Pass,
    Refuse,
    Verdict,
    Wait,
    outcome,
    refusal,
    verdict,
)
from elexirion.agents.steps.port import StepError
from elexirion.events.envelope import make_record, utc_now
from elexirion.events.failure import Failure
from elexirion.events.provider_reports import CallReported, ProbeAsked
from elexirion.events.record_model import RecordModel
from elexirion.projections.circuit import Circuit

log = structlog.get_logger(__name__)

READ_BACK_S = 2.0
"""How long a call waits until this worker has read what was reported: its own failure, or fresh ones of others."""
AFTER_PROBE_S = 1.0
"""When a call that waited for a probe in vain may be tried again."""
_ALL_ITS_TIME = 0.95


class CircuitBreaker:
    """Refuses calls whose circuit is open. `incarnation` names this process in its reports."""

    def __init__(self, followed: FollowedProviders, rule: BreakerRule, incarnation: str) -> None:
        self._followed = followed
        self._rule = rule
        self._incarnation = incarnation

    def refuses(self, target: Target) -> Refuse | None:
        """Whether a call would be refused at once."""
        found = self._verdict(target)
        return found if isinstance(found, Refuse) else None

    @asynccontextmanager
    async def around(self, target: Target) -> AsyncIterator[None]:
        """Make the call in this block; raises StepError where the circuit does not allow it.

        Failures of the block are reported, and the outcome of a probe whatever it is.
        """
        probe = await self._admitted(target)
        began = time.monotonic()
        try:
            yield
        except StepError as error:
            spoke = target.spoke()
            await self._say(target, outcome(error.failure, spoke), error.failure, always=probe)
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._given_up(target, time.monotonic() - began, probe))
            raise
        if probe:
            await self._say(target, "answered", None, always=True)

    async def _admitted(self, target: Target) -> bool:
        """Whether this call is the probe.

        While failures are fresh the circuit may open at any moment, so it is looked at as it stands now.
        """
        if self._circuit(target).failures:
            await self._followed.up_to_date(READ_BACK_S)
        match self._verdict(target):
            case Pass(probe):
                return probe
            case Refuse(retry_after_s):
                raise StepError(refusal(target.provider, retry_after_s))
            case Wait():
                return await self._as_probe_or_after_it(target)

    async def _as_probe_or_after_it(self, target: Target) -> bool:
        """Ask to be the probe and wait for that right, or for what another finds out; who leaves asks no more."""
        ends = time.monotonic() + ASK_KEPT_S
        try:
            await self._ask(target)
            while isinstance(found := self._verdict(target), Wait) and time.monotonic() < ends:
                await self._followed.news(ends - time.monotonic())
        except asyncio.CancelledError:
            await asyncio.shield(self._say(target, "unclear", None, always=True))
            raise
        if isinstance(found, Pass):
            return found.probe
        await self._say(target, "unclear", None, always=True)
        retry_after_s = found.retry_after_s if isinstance(found, Refuse) else AFTER_PROBE_S
        raise StepError(refusal(target.provider, retry_after_s))

    def _verdict(self, target: Target) -> Verdict:
        return verdict(self._circuit(target), target.call_id, self._rule, utc_now())

    def _circuit(self, target: Target) -> Circuit:
        return self._followed.state.circuit(target.provider, target.model)

    async def _ask(self, target: Target) -> None:
        data = ProbeAsked(
            provider=target.provider, model=target.model, call_id=target.call_id, incarnation=self._incarnation
        )
        await self._append(target, data, "probe")

    async def _given_up(self, target: Target, took_s: float, probe: bool) -> None:
        """A call that was cancelled: a provider that said nothing in all the time of a step is not well."""
        silent = took_s >= target.timeout_s * _ALL_ITS_TIME and not target.spoke()
        if silent:
            failure = Failure(kind="timeout_total", message="no answer in the time of the step")
            await self._say(target, "failed", failure, always=True)
        elif probe:
            await self._say(target, "unclear", None, always=True)

    async def _say(self, target: Target, found: Outcome, failure: Failure | None, *, always: bool) -> None:
        """Report an outcome; a worker goes on after a failure once it has read all reports up to its own."""
        if self._rule.threshold == 0 or (found != "failed" and not always):
            return
        data = CallReported(
            provider=target.provider, model=target.model, call_id=target.call_id, incarnation=self._incarnation,
            outcome=found, kind=failure.kind if failure else None,
            retry_after_s=failure.retry_after_s if failure else None,
        )  # fmt: skip
        offset = await self._append(target, data, "reported")
        if offset is not None:
            await self._followed.read_to(offset, READ_BACK_S)

    async def _append(self, target: Target, data: RecordModel, what: str) -> int | None:
        record = make_record(
            data, id=f"{target.call_id}/{what}", run_id=f"{target.provider}/{target.model}", at=utc_now(),
            causation_id=target.call_id,
        )  # fmt: skip
        try:
            return await self._followed.append(record)
        except KafkaProblem as problem:
            log.warning("nobody is told of a call", call=target.call_id, problem=str(problem))
            return None
