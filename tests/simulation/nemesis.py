"""What goes wrong: deaths, zombies, moving partitions, a silent broker, clocks that jump."""

from collections import Counter
from collections.abc import Callable
from random import Random

from tests.simulation.machines import SESSION_S, Machine
from tests.simulation.memory_log import MemoryBroker
from tests.simulation.virtual_time import VirtualLoop
from tests.simulation.weather import Weather

AGAIN_S = 0.1


class Nemesis:
    """Acts until the world heals; `done` counts what it did."""

    def __init__(
        self, loop: VirtualLoop, broker: MemoryBroker, weather: Weather, workers: list[Machine],
        orchestrators: list[Machine], lease_s: float, random: Random,
    ) -> None:  # fmt: skip
        self.done: Counter[str] = Counter()
        self._loop, self._broker, self._weather, self._random = loop, broker, weather, random
        self._workers, self._orchestrators, self._lease_s = workers, orchestrators, lease_s

    def begin(self, within_s: float) -> None:
        """Something goes wrong again and again; a death and a zombie of each kind in any case."""
        for machines in (self._workers, self._orchestrators):
            self._loop.later(self._random.uniform(1.5, within_s), self._surely, self._kill, machines)
            self._loop.later(self._random.uniform(1.0, within_s), self._surely, self._zombie, machines)
        self._loop.later(1.0, self._act)

    def _surely(self, act: Callable[[list[Machine]], bool], machines: list[Machine]) -> None:
        """Again a little later where there is nobody just now to whom it can happen."""
        if not self._weather.healed and not act(machines):
            self._loop.later(AGAIN_S, self._surely, act, machines)

    def _act(self) -> None:
        if self._weather.healed:
            return
        random = self._random
        acts = {
            self._kill_one: 3, self._pause_one: 4, self._zombie_one: 3, self._move: 4, self._silence: 1,
            self._jump: 2, self._ask_to_end: 1,
        }  # fmt: skip
        act = random.choices(list(acts), list(acts.values()))[0]
        act()
        self._loop.later(random.uniform(0.4, 2.0), self._act)

    def _any(self) -> list[Machine]:
        return self._random.choice((self._workers, self._workers, self._orchestrators))

    def _kill_one(self) -> None:
        self._kill(self._any())

    def _kill(self, machines: list[Machine]) -> bool:
        living = [machine for machine in machines if machine.alive]
        if not living or self._weather.healed:
            return False
        self._random.choice(living).kill(self._random.uniform(0.3, 4.0))
        self.done["kills"] += 1
        return True

    def _pause_one(self) -> None:
        self._pause(self._any(), self._random.uniform(0.05, SESSION_S))

    def _zombie_one(self) -> None:
        self._zombie(self._any())

    def _zombie(self, machines: list[Machine]) -> bool:
        paused = self._pause(machines, self._random.uniform(SESSION_S + 0.2, 2 * self._lease_s))
        self.done["zombies"] += paused
        return paused

    def _pause(self, machines: list[Machine], for_s: float) -> bool:
        running = [machine for machine in machines if machine.alive and not machine.life.stopped]
        if not running or self._weather.healed:
            return False
        self._random.choice(running).stop(for_s)
        self.done["pauses"] += 1
        return True

    def _move(self) -> None:
        groups = list(self._broker.groups.values())
        self._random.choice(groups).rebalance(self._random.randint(1, 5))

    def _silence(self) -> None:
        self._weather.fall_silent(self._random.uniform(0.3, 1.5 * self._lease_s))
        self.done["silences"] += 1

    def _jump(self) -> None:
        machine = self._random.choice(self._any())
        machine.life.wall_offset_s += self._random.uniform(-15.0, 15.0)
        self.done["clock jumps"] += 1

    def _ask_to_end(self) -> None:
        self._random.choice(self._any()).terminate()
        self.done["drains"] += 1
