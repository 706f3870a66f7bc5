"""`make simulate`: many worlds, some at a time; what happened in them, or which one broke and how to see it again."""

import argparse
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import structlog

from tests.simulation.world import Outcome, simulate

AT_ONCE = 5
"""Worlds that a process takes at a time."""
NEVER_ZERO = ("refused", "duplicates", "kills", "zombies", "moves")
"""A simulation in which one of these did not happen has tested nothing."""


def main() -> int:
    """Exit code 1 with the first seed that broke, or with all of them where it is to keep going."""
    asked = _asked()
    _be_quiet()
    if asked.seed is not None:
        return _replay(asked.seed)
    began, counts, done, cpu_s, broken = time.perf_counter(), Counter[str](), 0, 0.0, list[int]()
    seeds = range(asked.first, asked.first + asked.seeds)
    # Not multiprocessing.Pool: where one of its processes dies, it waits for ever for what that one was to bring.
    with ProcessPoolExecutor(asked.jobs, multiprocessing.get_context("fork")) as pool:
        for outcome in pool.map(simulate, seeds, chunksize=AT_ONCE):
            counts, done, cpu_s = counts + outcome.counts, done + 1, cpu_s + outcome.cpu_s
            _progress(done, asked.seeds, time.perf_counter() - began)
            if outcome.violations:
                broken.append(outcome.seed)
                _tell_broken(outcome)
                if not asked.keep_going:
                    pool.shutdown(wait=False, cancel_futures=True)
                    return 1
    return _totals(counts, done, cpu_s, time.perf_counter() - began, broken)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many worlds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, help="live through this one world again")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first world that breaks")
    return parser.parse_args()


def _be_quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)


def _progress(done: int, of: int, seconds: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {of} worlds, {done / seconds:.1f} a second ", end="", file=sys.stderr, flush=True)
    elif done % max(1, of // 20) == 0:
        print(f"{done} of {of} worlds in {seconds:.0f} s", file=sys.stderr, flush=True)


def _replay(seed: int) -> int:
    outcome = simulate(seed)
    print(f"seed {seed}: {outcome.virtual_s:.0f} s of its time, {outcome.cpu_s:.2f} s of ours, log {outcome.log}")
    print(_listed(outcome.counts))
    if outcome.violations:
        _tell_broken(outcome)
    return 1 if outcome.violations else 0


def _tell_broken(outcome: Outcome) -> None:
    print(f"\nseed {outcome.seed}: {len(outcome.violations)} violations")
    for violation in outcome.violations[:20]:
        print(f"  {violation}")
    print(f"See it again: make simulate SEED={outcome.seed}", flush=True)


def _totals(counts: Counter[str], done: int, cpu_s: float, seconds: float, broken: list[int]) -> int:
    said = f"broken: {', '.join(map(str, sorted(broken)))}" if broken else "0 violations"
    print(f"\n{done} worlds in {seconds:.0f} s ({cpu_s / done:.2f} s of processor time each), {said}")
    print(_listed(counts))
    missing = [name for name in NEVER_ZERO if not counts[name]]
    if missing:
        print(f"this has tested nothing: there were no {', no '.join(missing)}")
    return 1 if missing or broken else 0


def _listed(counts: Counter[str]) -> str:
    return "  " + ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of a world
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
                  {**os.environ, "PYTHONHASHSEED": "0"})  # fmt: skip
    sys.exit(main())
