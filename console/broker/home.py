"""Where Elexirion keeps what outlives a process: `ELEXIRION_HOME` and the files beneath it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

_APP = "elexirion"


@dataclass(frozen=True, slots=True)
class Home:
    """One place of data: two homes have two brokers that know nothing of each other.

    `root` holds what must be kept; `cache` holds what can be fetched again and is shared by all homes.
    """

    root: Path
    cache: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Home:
        """The home that `ELEXIRION_HOME` and `ELEXIRION_CACHE` name; the user's own folders by default."""
        root = environment.get("ELEXIRION_HOME") or platformdirs.user_data_dir(_APP, appauthor=False)
        cache = environment.get("ELEXIRION_CACHE") or platformdirs.user_cache_dir(_APP, appauthor=False)
        return cls(Path(root).expanduser().absolute(), Path(cache).expanduser().absolute())

    @property
    def jars(self) -> Path:
        """The broker's jars, checked against the lock file before each start."""
        return self.cache / "jars"

    @property
    def broker(self) -> Path:
        """Everything of the embedded broker."""
        return self.root / "broker"

    @property
    def broker_data(self) -> Path:
        """Kafka's log directory: the events themselves."""
        return self.broker / "data"

    @property
    def broker_properties(self) -> Path:
        """The configuration that the broker was last started with."""
        return self.broker / "server.properties"

    @property
    def broker_log(self) -> Path:
        """What the broker printed since its last start; the life before is beside it, ending in `.1`."""
        return self.broker / "broker.log"

    @property
    def broker_state(self) -> Path:
        """Port and process of the broker."""
        return self.broker / "state.json"

    @property
    def broker_lock(self) -> Path:
        """Held while someone starts, stops or wipes the broker."""
        return self.root / "broker.lock"

    @property
    def workers(self) -> Path:
        """State files and logs of workers that run in the background."""
        return self.root / "workers"
