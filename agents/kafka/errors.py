"""What can go wrong between us and the broker.

KafkaProblem
├── BrokerUnreachableError     nobody answers at the address
├── TopicsMismatchError        the topics are not as this configuration expects
├── AppendUnknownError         no acknowledgement in time: the record may or may not be in the log
├── RecordTooLargeError        a record over the topic's limit: certainly not written
└── ProducerFatalError         the producer can never write again; the process must end and be restarted
"""

from dataclasses import dataclass


@dataclass
class KafkaProblem(Exception):  # noqa: N818  # the root of the tree drawn above
    """What happened and what to do."""

    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class BrokerUnreachableError(KafkaProblem):
    """Nobody answers at the bootstrap address."""


class TopicsMismatchError(KafkaProblem):
    """A topic has another partition count than configured; the key-to-partition map would change."""


class AppendUnknownError(KafkaProblem):
    """The outcome of an append is unknown until the record is read back."""


class RecordTooLargeError(KafkaProblem):
    """The record was refused for its size."""


class ProducerFatalError(KafkaProblem):
    """Fenced, out of sequence, or not authorised: only a new process can write."""
