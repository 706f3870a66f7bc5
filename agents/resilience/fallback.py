"""Which failures another model, or another provider, may help against."""

from elexirion.events.failure import TRANSIENT_KINDS, Failure

HELPED_BY_ANOTHER: frozenset[str] = TRANSIENT_KINDS | {"budget", "auth", "context_length"}
"""Failures of a model or of its provider; at the others what was asked is at fault, or the run."""
_NOT_FOUND = 404


def helped_by_another(failure: Failure) -> bool:
    """Whether the next one of a `fallback` list may answer; a limit of the run itself stands in the pipeline file."""
    return (failure.kind in HELPED_BY_ANOTHER and failure.where is None) or failure.status == _NOT_FOUND
