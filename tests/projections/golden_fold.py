"""A recorded log of one partition, and the snapshots that the fold makes of it: `tests/golden/fold`.

The log is never written again. `python -m tests.projections.golden_fold` writes the snapshots anew, once
FOLD_VERSION has been raised.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from elexirion.events.codec import decode
from elexirion.events.envelope import Record
from elexirion.projections.snapshot import restore, take
from elexirion.projections.snapshot_codec import FOLD_VERSION
from elexirion.projections.snapshot_contents import snapshots_in

from tests.projections.snapshots import PARTITIONS, Followed

FOLDER = Path(__file__).parents[1] / "golden" / "fold"
LOG, SNAPSHOTS = FOLDER / "log.jsonl", FOLDER / "snapshots.json"
EVERY = 10

Log = Sequence[tuple[Record, datetime]]


@dataclass(frozen=True, slots=True)
class Golden:
    """What the fold of this version made of the log: the digests of all documents at each offset, and one whole."""

    fold_version: int
    digests: dict[str, dict[str, str]]
    whole: dict[str, str]


def log() -> Log:
    """The records, and when the broker had them."""
    lines = [orjson.loads(line) for line in LOG.read_bytes().splitlines()]
    return [
        (decode(orjson.dumps(line["value"])), datetime.fromtimestamp(line["at"] / 1000, UTC)) for line in lines
    ]  # fmt: skip


def golden() -> Golden:
    """As it is kept."""
    return Golden(**orjson.loads(SNAPSHOTS.read_bytes()))


def now(records: Log) -> Golden:
    """As the fold makes it now; whole is the snapshot with the most open runs among those with ended ones too."""
    followed, documents, most = Followed(), dict[str, dict[str, bytes]](), ("", (False, 0))
    for offset in range(EVERY, len(records) + EVERY, EVERY):
        followed.read(records, offset)
        taken = take(followed.fold, followed.tally, PARTITIONS)
        documents[str(offset)] = {name: encode() for name, encode in taken.documents}
        held = (bool(followed.fold.ended), len(followed.fold.runs))
        most = max(most, (str(offset), held), key=lambda one: one[1])
    digests = {
        offset: {name: hashlib.sha256(value).hexdigest()[:16] for name, value in each.items()}
        for offset, each in documents.items()
    }
    return Golden(FOLD_VERSION, digests, {name: value.decode() for name, value in documents[most[0]].items()})


def differing(before: Golden, after: Golden) -> list[str]:
    """The documents that are not the same, with the offset at which they were taken."""
    return [
        f"{offset}: {name}"
        for offset in before.digests
        for name in before.digests[offset] | after.digests.get(offset, {})
        if before.digests[offset].get(name) != after.digests.get(offset, {}).get(name)
    ]


def restored(kept: Golden) -> Followed:
    """The partition as the snapshot says that is kept whole, to be read on."""
    documents = {name: value.encode() for name, value in kept.whole.items()}
    read = restore(snapshots_in(documents)[0], documents)
    return Followed(read.fold, read.tally)


def main() -> int:
    """Write the snapshots; refused where another fold would get the version of the one before."""
    after = now(log())
    if SNAPSHOTS.exists() and golden().fold_version == FOLD_VERSION and differing(golden(), after):
        print(f"another state of the same log: raise FOLD_VERSION ({FOLD_VERSION}) first", file=sys.stderr)
        return 1
    said = {"fold_version": after.fold_version, "digests": after.digests, "whole": after.whole}
    SNAPSHOTS.write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
