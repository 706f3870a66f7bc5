"""`elexirion dev`: broker and worker together, in the foreground."""

from __future__ import annotations

import os

from elexirion.console.exits import note, reported


def dev() -> None:
    """Run broker and worker until Ctrl-C, which drains the worker and stops the broker if it was started here.

    Example: elexirion dev   (then, in another terminal: elexirion run examples/demo.yaml --offline)
    """
    from elexirion.console.log_output import set_up_logging

    with reported(as_json=False):
        set_up_logging()
        os.environ.setdefault("ELEXIRION_TRUST_RUN_FOLDERS", "true")
        _serve()


def _serve() -> None:
    import uvloop
    from elexirion.agents.settings import load_settings
    from elexirion.agents.worker.process import run_worker
    from elexirion.console.broker import lifecycle
    from elexirion.console.broker.choose import Embedded, find_broker
    from elexirion.console.broker.home import Home
    from elexirion.console.progress_notes import progress_on_stderr

    settings, home = load_settings(), Home.from_environment()
    with progress_on_stderr() as tell:
        choice = find_broker(settings.kafka, home, on_progress=tell)
    note(f"Kafka at {choice.bootstrap}; Ctrl-C stops.")
    try:
        uvloop.run(run_worker(settings, choice.bootstrap))
    finally:
        if isinstance(choice, Embedded) and choice.started:
            lifecycle.stop(home)
            note("Broker stopped.")
