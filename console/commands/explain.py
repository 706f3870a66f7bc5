"""`elexirion explain`: where the time and the money of a run went, and why it waits or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elexirion.console.exits import print_json
from elexirion.console.options import AsJson, RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client
    from elexirion.projections.explain import Explanation
    from elexirion.projections.explain_waits import Serving


def explain(run_id: RunId, as_json: AsJson = False) -> None:
    """Explain a run from its events: time and cost of each step, lost and repeated work, idle gaps, failures.

    For a run that goes on: what it waits for. Numbers in square brackets are positions of events; look at one
    with `elexirion replay RUN --at N`.

    Examples:

      elexirion explain run-1f0c…

      elexirion explain run-1f0c… --json
    """
    from elexirion.console.explanation_view import print_explanation
    from elexirion.console.run_tables import on_stdout

    explained = with_client(lambda client: _explained(client, run_id), as_json=as_json)
    if as_json:
        print_json(explained.document())
    else:
        print_explanation(explained, on_stdout())


async def _explained(client: Client, run_id: str) -> Explanation:
    from elexirion.console.unstarted import not_started
    from elexirion.events.envelope import utc_now
    from elexirion.projections import explain as projection

    log = await client.read(run_id)
    if log.state is None and log.rejections:
        raise not_started(log)
    ended = log.state is not None and log.state.ended
    serving = None if ended else await _serving(client)
    return projection.explain(run_id, log.logged, utc_now(), serving)


async def _serving(client: Client) -> Serving:
    """Who serves runs now, by the heartbeats of the last seconds."""
    from elexirion.console.live_fleet import LiveFleet
    from elexirion.events.topics import LANES
    from elexirion.projections.explain_waits import LaneRoom, Serving

    async with LiveFleet(client.address, client.topics) as fleet:
        offers = {lane: [offer for offer in fleet.offers(lane) if offer.partitions] for lane in LANES}
        rooms = {
            lane: LaneRoom(sum(offer.slots for offer in those), sum(offer.held for offer in those))
            for lane, those in offers.items()
            if those
        }
        return Serving(fleet.serves(()), rooms)
