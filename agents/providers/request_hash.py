"""What is asked of a provider, as one hash: equal requests have equal ones, in any process and any run."""

from dataclasses import asdict
from typing import Any

from elexirion.agents.providers.port import ProviderCall
from elexirion.events.canonical import content_hash


def request_sha256(call: ProviderCall) -> str:
    """SHA-256 over all that is asked; how long it may take and under which id it goes is left out.

    An earlier answer as its wire wrote it (`raw`) is left out too, since the log does not keep it: its text and its
    function calls say the same.
    """
    asked: dict[str, Any] = {**asdict(call), "call_id": None, "timeout_s": None}
    turns = [{name: value for name, value in turn.items() if name != "raw"} for turn in asked["turns"]]
    return content_hash(asked | {"turns": turns})
