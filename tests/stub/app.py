"""The stub's routes: the three wire formats; `/_script`, `/_limit`, `/_raw`, `/_release` and `/_ledger` for tests."""

import orjson
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.stub.anthropic_wire import AnthropicWire
from tests.stub.call import InvalidCallError
from tests.stub.default_answer import default_answer
from tests.stub.gemini_wire import GeminiWire
from tests.stub.ledger import Ledger
from tests.stub.openai_wire import OpenAIWire
from tests.stub.playback import Holds, Playback
from tests.stub.rate import Limit, RateLimiter
from tests.stub.raw import RawServer
from tests.stub.script import Rule, Script
from tests.stub.wire import WireFormat

_RULES = TypeAdapter(list[Rule])


class Stub:
    """The state of one stub server."""

    def __init__(self, ledger: Ledger) -> None:
        self.raw = RawServer()
        self._ledger = ledger
        self._script = Script()
        self._holds = Holds()
        self._rate = RateLimiter()

    def app(self) -> ASGIApp:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/messages", self._messages, methods=["POST"]),
                Route("/v1/models", self._models, methods=["GET"]),
                Route("/v1/chat/completions", self._completions, methods=["POST"]),
                Route("/{version:str}/models/{model:str}:{method:str}", self._generate, methods=["POST"]),
                Route("/_script", self._add_rules, methods=["POST"]),
                Route("/_script", self._clear, methods=["DELETE"]),
                Route("/_limit", self._limit, methods=["POST"]),
                Route("/_raw", self._add_raw, methods=["POST"]),
                Route("/_release", self._release, methods=["POST"]),
                Route("/_ledger", self._show_ledger, methods=["GET"]),
            ]
        )

    def add_rules(self, text: bytes) -> None:
        """Add the rules in a JSON list; raises pydantic's ValidationError."""
        self._script.add(_RULES.validate_json(text))

    async def _messages(self, request: Request) -> ASGIApp:
        return await self._answered(request, AnthropicWire())

    async def _completions(self, request: Request) -> ASGIApp:
        return await self._answered(request, OpenAIWire())

    async def _models(self, request: Request) -> ASGIApp:
        """The list of models, which all three formats have at this path; it is no call and not in the ledger."""
        if not any(request.headers.get(name) for name in ("x-api-key", "x-goog-api-key", "authorization")):
            return _json(AnthropicWire().error(401, "", "x-api-key header is required"), 401)
        return _json({"data": [], "models": []}, 200)

    async def _generate(self, request: Request) -> ASGIApp:
        wire = GeminiWire()
        known = request.path_params["method"] in ("generateContent", "streamGenerateContent")
        if not known or request.path_params["version"] not in ("v1", "v1beta"):
            return _json(wire.error(404, "", "Requested entity was not found."), 404)
        return await self._answered(request, wire)

    async def _answered(self, request: Request, wire: WireFormat) -> ASGIApp:
        try:
            call = wire.read(request, orjson.loads(await request.body()))
        except InvalidCallError as invalid:
            return _json(wire.error(invalid.status, invalid.name, invalid.message), invalid.status)
        except orjson.JSONDecodeError:
            return _json(wire.error(400, "", "The request body is not valid JSON."), 400)
        answer = self._rate.refusal() or self._script.answer(call) or default_answer(call)
        if answer.chunks is None:
            answer = answer.model_copy(update={"chunks": default_answer(call).chunks})
        return Playback(wire, call, answer, self._ledger, self._holds)

    async def _add_rules(self, request: Request) -> Response:
        self.add_rules(await request.body())
        return Response(status_code=204)

    async def _add_raw(self, request: Request) -> Response:
        self.raw.add(await request.body())
        return Response(status_code=204)

    async def _clear(self, request: Request) -> Response:
        self._script.clear()
        self._holds.clear()
        self._rate.set(None)
        return Response(status_code=204)

    async def _limit(self, request: Request) -> Response:
        self._rate.set(Limit.model_validate_json(await request.body()))
        return Response(status_code=204)

    async def _release(self, request: Request) -> Response:
        self._holds.release(orjson.loads(await request.body())["hold"])
        return Response(status_code=204)

    async def _show_ledger(self, request: Request) -> Response:
        return Response(self._ledger.text(), media_type="application/x-ndjson")


def _json(document: object, status: int) -> Response:
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")
