"""How urgent a run is beside others that wait for the same lane."""

from typing import Literal, TypeAlias

Priority: TypeAlias = Literal["high", "normal", "low"]
