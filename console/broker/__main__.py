"""`python -m elexirion.console.broker start|stop|status|wipe`."""

from elexirion.console.broker.commands import app

app(prog_name="elexirion broker")
