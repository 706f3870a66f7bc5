"""`http`: one request to a host that the operator allows."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from elexirion.pipelines.model import Text
from elexirion.pipelines.one_or_several import OneOrSeveral
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.template_errors import TemplateError
from elexirion.pipelines.templates import is_template
from elexirion.pipelines.uses import Use, templates_in
from pydantic import BeforeValidator, Field, model_validator

# The client writes these itself: another value would let one request pass for two, or for another host's.
_OF_THE_CLIENT = frozenset(["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"])
_CREDENTIALS = frozenset(["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token"])


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) and value.islower() else value


_UPPER = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_LOWER = Literal["get", "head", "post", "put", "patch", "delete", "options"]
Method = Annotated[_UPPER, BeforeValidator(_upper, json_schema_input_type=_UPPER | _LOWER)]
Scalar = str | int | float | bool
Status = Annotated[int, Field(strict=True, ge=100, le=599)]
Statuses = Annotated[tuple[Status, ...], Field(min_length=1), OneOrSeveral()]


class HttpStep(Step, frozen=True):
    """Sends a request to a host of the setting `http_allowed_hosts`; any status below 400 is a success.

    Other failures are those of a provider: 429 and 5xx are tried again by `retry`, other statuses are not.
    Redirects are followed to allowed hosts only, and without the headers of the step to another host.
    """

    lane: ClassVar[Lane | None] = "local"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    template_keys: ClassVar[tuple[str, ...]] = ("url", "headers", "query", "body")
    result_doc: ClassVar[str] = (
        "`status` (a number), `headers` (names in lower case, without cookies) and `body`: the parsed value where "
        "the content type is JSON, the text where it is text, null where there is none; other content is base64, "
        'and `body_encoding` says "base64". Offline nothing is sent: the body is null and `offline` is true.'
    )

    type: Literal["http"]
    url: Text
    """Address, with `http` or `https`; without user and password."""
    method: Method = "GET"
    """The request's method, in capitals or not."""
    headers: dict[str, Scalar | None] = Field(default_factory=dict)
    """Header fields; a credential has to come from a template, such as `Bearer {{ inputs.token }}`."""
    query: dict[str, Scalar | list[Scalar] | None] = Field(default_factory=dict)
    """Parameters added to the address; null leaves one out, a list repeats it."""
    body: Any = None
    """Content of the request: text as it stands, any other value as JSON."""
    json_body: Any = Field(default=None, alias="json")
    """Content of the request as JSON, also where it is a text; instead of `body`."""
    expect_status: Statuses | None = None
    """The status that is a success, or several; with it any other one is a failure."""

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if {"body", "json_body"} <= self.model_fields_set:
            raise ValueError("give either `body` or `json`")
        return self

    @model_validator(mode="after")
    def _own_headers(self) -> Self:
        for name, value in self.headers.items():
            if name.lower() in _OF_THE_CLIENT:
                raise ValueError(f"the header `{name}` is written by the client")
            if name.lower() in _CREDENTIALS and not (isinstance(value, str) and is_template(value)):
                raise ValueError(f"the header `{name}` holds a credential: take it from an input, by a template")
        return self

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        yield from templates_in(self.json_body, ("json",))

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        return {
            "method": self.method,
            "url": _address(rendering.value(self.url)),
            "headers": {name: _scalar(name, rendering.value(value)) for name, value in self.headers.items()},
            "query": {name: _scalars(name, rendering.value(value)) for name, value in self.query.items()},
            "content": self._content(rendering),
            "expect_status": self.expect_status and list(self.expect_status),
            "output_schema": self.output_schema,
        }

    def _content(self, rendering: Rendering) -> dict[str, Any] | None:
        if "json_body" in self.model_fields_set:
            return {"json": rendering.value(self.json_body)}
        content = rendering.value(self.body)
        if content is None:
            return None
        return {"text": content} if isinstance(content, str) else {"json": content}


def _address(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TemplateError("`url` must give a text")
    return value.strip()


def _scalar(name: str, value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise TemplateError(f"`{name}` must give a text or a number")


def _scalars(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return [text for text in (_scalar(name, one) for one in values) if text is not None]
