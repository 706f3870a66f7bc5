"""`elexirion dlq`: what could not be read is listed, shown with its bytes, and sent again once."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from elexirion.console.commands.dlq import printable
from elexirion.events.dead_letter import EXCERPT_BYTES, DeadLetter

from tests.serving import CommandLine

# What a newer version understands: to this one it is a command of an unknown type, until somebody mends it.
LATER = b'{"type": "StartRunLater", "id": "later", "run_id": "later", "data": {}, "colour": "\x1b[31m"}'
GOOD = {"type": "StartRun", "id": "cmd-mended", "run_id": "mended",
        "data": {"pipeline": "name: m\nsteps: [{name: a, type: test_echo, value: mended}]\n"}}  # fmt: skip


def _send(line: CommandLine, topic: str, *values: bytes) -> list[int]:
    """Write to a topic; the offsets."""

    async def send() -> list[int]:
        producer = AIOKafkaProducer(bootstrap_servers=line.settings["ELEXIRION_KAFKA"], max_request_size=2**21)
        await producer.start()
        try:
            name = line.settings["ELEXIRION_TOPIC_PREFIX"] + topic
            return [(await producer.send_and_wait(name, value, key=b"k")).offset for value in values]
        finally:
            await producer.stop()

    return asyncio.run(send())


def _letter(topic: str, value: bytes, line: CommandLine) -> DeadLetter:
    return DeadLetter(line.settings["ELEXIRION_TOPIC_PREFIX"] + topic, 0, 999_999, "was not known then", b"k", value)


def _until(find: Callable[[], Any]) -> Any:
    limit = time.monotonic() + 30
    while not (found := find()):
        assert time.monotonic() < limit
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def buried(served: CommandLine) -> str:
    """The id of the letter of a command that this version cannot read."""
    _send(served, "commands", LATER.replace(b"\x1b", b"\\u001b"))
    listed = _until(lambda: served.json("dlq", "list", "--reason", "StartRunLater")["letters"])
    return str(listed[0]["letter"])


def test_letters_are_listed_with_place_and_reason_and_filtered(served: CommandLine, buried: str) -> None:
    [one] = served.json("dlq", "list", "--topic", "commands", "--reason", "StartRunLater")["letters"]
    assert one["topic"].endswith("commands")
    assert one["redriven"] is None
    assert served.json("dlq", "list", "--topic", "chunks")["letters"] == []
    shown = served("dlq", "list").stdout
    assert buried in shown and "unknown command type 'StartRunLater'" in shown


def test_a_letter_is_shown_with_its_bytes_and_nothing_that_moves_the_cursor(served: CommandLine, buried: str) -> None:
    document = served.json("dlq", "show", buried)
    assert json.loads(document["value"])["type"] == "StartRunLater"
    assert (document["whole"], document["key"], document["encoding"]) == (True, "k", "utf-8")
    shown = served("dlq", "show", buried.partition("/")[2])
    assert shown.returncode == 0
    assert '"StartRunLater"' in shown.stdout
    assert printable("a\x1b[31mb\x07\n", 99) == "a\\x1b[31mb\\x07\n"
    assert printable("abcdef", 3) == "abc …"


@pytest.mark.parametrize("name", ["0/123456", "7/0", "nonsense"])
def test_an_unknown_letter_is_a_usage_error(served: CommandLine, buried: str, name: str) -> None:
    assert served.json("dlq", "show", name, code=2)["error"]["kind"] == "no_such_letter"


def test_a_command_that_can_be_read_by_now_is_redriven_once_and_runs(served: CommandLine) -> None:
    letter = _letter("commands", json.dumps(GOOD).encode(), served)
    [offset] = _send(served, "dead-letters", letter.encode())
    [done] = served.json("dlq", "redrive", str(offset))["redriven"]
    assert done["topic"] == letter.topic
    show = ("show", "mended")
    _until(lambda: served(*show).returncode == 0 and served.json(*show).get("status") == "completed")

    refused = served.json("dlq", "redrive", str(offset), code=2)
    assert refused["error"]["kind"] == "not_redrivable"
    assert "--again" in refused["error"]["message"]
    again = served.json("dlq", "redrive", str(offset), "--again")["redriven"]
    assert again[0]["offset"] != done["offset"] or again[0]["partition"] == done["partition"]
    [listed] = [one for one in served.json("dlq", "list")["letters"] if one["letter"] == f"0/{offset}"]
    assert listed["redriven"]["offset"] == again[0]["offset"]
    assert served.json("show", "mended")["status"] == "completed", "a command counts once by its id"
    assert served.json("check-log", "--run", "mended", "--all-ended")["clean"]


def test_what_stood_in_the_log_is_not_redriven_and_the_error_says_why(served: CommandLine) -> None:
    [offset] = _send(served, "dead-letters", _letter("events", b"{}", served).encode())
    message = served.json("dlq", "redrive", str(offset), code=2)["error"]["message"]
    assert "only" in message and "commands can be redriven" in message


def test_a_record_that_is_kept_in_part_is_redriven_from_its_topic_or_not_at_all(served: CommandLine) -> None:
    large = b'{"type": "Large", "x": "' + b"y" * EXCERPT_BYTES + b'"}'
    _send(served, "commands", large)
    [one] = _until(lambda: served.json("dlq", "list", "--reason", "`data`")["letters"])
    assert one["size"] == len(large)
    served.json("dlq", "redrive", one["letter"])
    sizes = _until(lambda: [two["size"] for two in served.json("dlq", "list", "--reason", "`data`")["letters"]][1:])
    assert sizes == [len(large)], "all its bytes were sent, and it is buried again"

    [offset] = _send(served, "dead-letters", _letter("commands", large, served).encode())
    assert "no longer on" in served.json("dlq", "redrive", str(offset), code=2)["error"]["message"]


def test_many_letters_are_asked_for_and_each_is_told(served: CommandLine) -> None:
    reason = {"reason": "only these two"}
    values = [json.loads(_letter("commands", value, served).encode()) | reason for value in (b"one", b"two")]
    _send(served, "dead-letters", *(json.dumps(value).encode() for value in values))
    chosen = ("dlq", "redrive", "--all", "--reason", "only these two")
    assert served.json(*chosen, code=2)["error"]["kind"] == "confirmation"
    done = served.json(*chosen, "--yes")
    assert (len(done["redriven"]), done["failed"]) == (2, 0)
    assert served.json(*chosen)["redriven"] == []
    assert served.json("dlq", "redrive", code=2)["error"]["kind"] == "usage"
