"""Keys of existing files that have no effect here, and why: they warn and do no harm."""

from collections.abc import Mapping

_NO_EFFECT = "accepted without effect"
ACCEPTED_KEYS: Mapping[str, str] = {
    "role": _NO_EFFECT,
    "lazy": _NO_EFFECT,
    "verbose": _NO_EFFECT,
    "debug_mode": "accepted without effect: every call is an event of the run",
    "cost_tracking": "accepted without effect: cost is always recorded",
    "telemetry_enabled": "accepted without effect: telemetry is a setting of the worker",
    "print": _NO_EFFECT,
    "max_input_tokens": _NO_EFFECT,
    "use_content_extractor": _NO_EFFECT,
    "extract_with": _NO_EFFECT,
    "checkpoint_frequency": "accepted without effect: every event of the log is a checkpoint",
    "continue_on_restart": "accepted without effect: a run always goes on after a restart",
    "description": "accepted without effect here",
}

# Keys that the models know and that still do nothing; at the root of a workflow only.
WITHOUT_EFFECT: Mapping[str, str] = {
    "checkpoint_enabled": "accepted without effect: every event of the log is a checkpoint",
    "checkpoint_dir": "accepted without effect: the log holds what checkpoints held",
    "hooks": _NO_EFFECT,
}
