"""One hash of all that a partition's fold holds."""

from elexirion.events.canonical import content_hash
from elexirion.projections.context import context_hash
from elexirion.projections.partition import PartitionFold


def state_hash(fold: PartitionFold) -> str:
    """Equal for two folds that know the same runs in the same state, the same ends, and the same commands."""
    ended = {id: [one.status, one.context_hash] for id, one in fold.ended.items()}
    runs = {id: context_hash(state) for id, state in fold.runs.items()}
    commands = {id: content for id, (content, _) in fold.commands.items()}
    return content_hash([ended, runs, commands, sorted(fold.pending)])
