"""A deterministic simulation of the whole product: real code, a lying log, processes that die, and virtual time.

One seed is one world, and the same world each time: `make simulate SEED=123`.
"""
