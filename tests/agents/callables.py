"""Functions that tests register."""

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

from elexirion.agents.functions import FunctionRefused

not_a_function = 7


@dataclass
class Weather:
    """What a function may give back."""

    place: str
    degrees: float


def look_up(query: str, n: int = 1) -> dict[str, Any]:
    return {"found": query, "n": n, "in_main_thread": threading.current_thread() is threading.main_thread()}


async def weather(place: str) -> Weather:
    await asyncio.sleep(0)
    return Weather(place, -2.5)


def refuse(**_: Any) -> None:
    raise FunctionRefused("there is no such place")


def explode(**_: Any) -> None:
    raise RuntimeError("with a secret inside")


def unspeakable(**_: Any) -> Any:
    return object()
