"""Golden wire files: one line of JSON for each record type and version, exactly as it stands on a topic.

They are written once and never again: `python -m tests.events.goldens` adds the missing ones only.
"""

from pathlib import Path

from elexirion.events import catalog
from elexirion.events.codec import encode
from elexirion.events.envelope import Record, make_decision, make_record

from tests.events.examples import AT, EXAMPLES, RUN

FOLDER = Path(__file__).parents[1] / "golden"


def file_of(entry: catalog.RecordType) -> Path:
    """Where the golden file of a type's present version lies."""
    return FOLDER / f"{entry.name}.v{entry.version}.json"


def example(entry: catalog.RecordType) -> Record:
    """The example of a type as a record."""
    data = EXAMPLES[entry.model]
    if entry.name in catalog.DECISION_NAMES:
        first = entry.name == "RunStarted"
        return make_decision(
            data, run_id=RUN, seq=1 if first else 4, prev=None if first else "5a1f0c", author="host-2.77aa00bb",
            at=AT, causation_id="cmd-1", correlation_id="cmd-1", offline=True,
        )  # fmt: skip
    return make_record(
        data, id=f"{entry.name}-1", run_id=RUN, at=AT, causation_id="cmd-1", correlation_id="cmd-1", offline=True
    )


def write_missing() -> list[str]:
    """Write the golden files that do not exist; their names."""
    missing = [entry for entry in catalog.ALL if not file_of(entry).exists()]
    for entry in missing:
        file_of(entry).write_bytes(encode(example(entry)) + b"\n")
    return [entry.name for entry in missing]


if __name__ == "__main__":
    print("\n".join(write_missing()) or "nothing is missing")
