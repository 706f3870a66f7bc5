"""Writes `jgo.lock.toml` anew after a change of versions: `python -m elexirion.console.broker.pin`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from elexirion.console.broker.distribution import KAFKA, LOCK, SLF4J
from jgo.env import LockFile
from jgo.maven import MavenContext


def pin(lock: Path = LOCK) -> int:
    """Resolve the pinned roots, fetch every jar they need at run time and write down their sums."""
    with TemporaryDirectory(prefix="elexirion-pin-") as folder:
        context = MavenContext(repo_cache=Path(folder))
        roots = [context.create_dependency(root) for root in (KAFKA, SLF4J)]
        inputs, transitive = context.resolver.resolve(roots)
        needed = [*inputs, *(d for d in transitive if d.scope in ("compile", "runtime"))]
        needed.sort(key=lambda dependency: str(dependency.artifact))
        LockFile.from_resolved_dependencies(needed, environment_name="elexirion-broker").save(lock)
        return len(needed)


if __name__ == "__main__":
    print(f"{LOCK}: {pin()} jars")
