"""`approval`: waits until a person decides."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from elexirion.pipelines.sandbox import text_in_template
from elexirion.pipelines.steps.step import Rendering, Step


class ApprovalStep(Step, frozen=True):
    """Waits for a signal that approves or rejects; `timeout` is how long."""

    template_keys: ClassVar[tuple[str, ...]] = ("message",)
    result_doc: ClassVar[str] = (
        '`decision`, which is "approved" or "rejected"; `because`: "signal" or "timeout"; and, where the signal '
        "brought one, its `value`."
    )

    type: Literal["approval"]
    message: str = ""
    """What the person who decides reads."""
    on_timeout: Literal["approve", "reject", "fail"] = "fail"
    """What happens when nobody decides in time."""

    def own_timeout_s(self) -> float | None:
        """None: its time limit is part of its config, and what it does is said by `on_timeout`."""
        return None

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        """`{"message": text, "timeout_s": seconds or None, "on_timeout": what happens then}`."""
        return {
            "message": text_in_template(rendering.value(self.message)),
            "timeout_s": super().own_timeout_s(),
            "on_timeout": self.on_timeout,
        }
