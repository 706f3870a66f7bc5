"""`claude_session`: a conversation that goes on from step to step, and with `persist` from run to run."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from elexirion.pipelines.model import Model, Positive, Text
from elexirion.pipelines.segments import (
    AnySegment,
    ClaudeContinueSegment,
    Prompt,
    SessionContextSegment,
    StaticSegment,
)
from elexirion.pipelines.sessions import last_turns
from elexirion.pipelines.steps.claude import ClaudeCall
from elexirion.pipelines.steps.step import Rendering
from elexirion.pipelines.uses import Use, uses_of_prompt
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator


def _fixed(name: str) -> str:
    if "{{" in name or "{%" in name:
        raise ValueError("the name of a session is fixed text: templates are not rendered in it")
    return name


class SessionConfig(Model, frozen=True):
    """`session_config`: which conversation the step carries on."""

    session_name: Annotated[Text, AfterValidator(_fixed)] | None = None
    """The conversation's name; without one, the step has a conversation of its own."""
    persist: bool = False
    """Whether the conversation is shared by all runs that name it; its turns are kept until it is told to forget."""
    max_turns: Positive | None = None
    """How many of the last turns the model is reminded of; all of them where left out."""


class ConversationTurn(Model, frozen=True):
    """One turn as a mapping: what is said, or an answer that was given already."""

    role: Literal["user", "assistant"] = "user"
    """`assistant` gives the answer to the turn before it, which is then not asked."""
    prompt: Prompt | None = None
    """What is said, or the answer that was given: a text, or a list of segments."""
    content: Text | None = None
    """Text in place of `prompt`."""

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.prompt is None) == (self.content is None):
            raise ValueError("a turn has either a `prompt` or a `content`")
        return self

    @property
    def said(self) -> Prompt:
        """The turn's text or segments."""
        return self.prompt if self.prompt is not None else self.content or ""


def _form(value: Any) -> str:
    return "text" if isinstance(value, str) else "turn"


TurnForm = Annotated[Annotated[Text, Tag("text")] | Annotated[ConversationTurn, Tag("turn")], Discriminator(_form)]


class ClaudeSessionStep(ClaudeCall, frozen=True):
    """Carries a conversation on; the result is the last answer."""

    result_doc: ClassVar[str] = "The last answer, as that of `claude`. All turns are part of the session's history."

    type: Literal["claude_session"]
    prompt: Prompt | None = None
    """What is said; a `conversation` says several things."""
    conversation: Annotated[tuple[TurnForm, ...], Field(min_length=1)] | None = None
    """What is said one after another, each after the answer to the one before."""
    session_config: SessionConfig = SessionConfig()
    """Which conversation the step carries on."""

    @model_validator(mode="after")
    def _something_to_say(self) -> Self:
        if (self.prompt is None) == (self.conversation is None):
            raise ValueError("give either a `prompt` or a `conversation`")
        roles = [turn.role for turn in self.turns()]
        if roles[0] == "assistant" or ("assistant", "assistant") in pairwise(roles):
            raise ValueError("a turn with `role: assistant` follows the turn that it answers")
        if roles[-1] == "assistant":
            raise ValueError("a `conversation` ends with something to say, not with `role: assistant`")
        return self

    @property
    def session(self) -> str:
        """The name of the conversation."""
        return self.session_config.session_name or self.name

    @property
    def persist(self) -> bool:
        """Whether runs share the conversation."""
        return self.session_config.persist

    def turns(self) -> tuple[ConversationTurn, ...]:
        """What is said, in order, each in the form of a mapping."""
        if self.conversation is None:
            return (ConversationTurn(prompt=self.prompt),)
        return tuple(ConversationTurn(prompt=turn) if isinstance(turn, str) else turn for turn in self.conversation)

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        if self.prompt is not None:
            yield from uses_of_prompt(self.prompt, ("prompt",), self.session)
        for index, turn in enumerate(self.conversation or ()):
            if isinstance(turn, str):
                yield from uses_of_prompt(turn, ("conversation", index), self.session)
            else:
                key = "content" if turn.prompt is None else "prompt"
                yield from uses_of_prompt(turn.said, ("conversation", index, key), self.session)

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        said = [(turn.role, rendering.prompt(self._within(turn.said))) for turn in self.turns()]
        answers = [text if role == "assistant" else None for role, text in said[1:]] + [None]
        prompts = [
            {"user": text, "assistant": answer}
            for (role, text), answer in zip(said, answers, strict=True)
            if role == "user"
        ]
        return {
            "session": self.session,
            "persist": self.persist,
            "turns": last_turns(rendering.session(self.session), self.session_config.max_turns),
            "most_turns": self.session_config.max_turns,
            "prompts": prompts,
            **self.asking(options, rendering),
        }

    def _within(self, prompt: Prompt) -> Prompt:
        """The prompt with this step's session where a segment names none."""
        if isinstance(prompt, str):
            return prompt
        return tuple(self._of_session(segment) for segment in prompt)

    def _of_session(self, segment: AnySegment) -> AnySegment:
        match segment:
            case SessionContextSegment(session_id=None):
                return segment.model_copy(update={"session_id": self.session})
            case ClaudeContinueSegment(session_id=None | self.session):
                # Its history goes along as turns already.
                return StaticSegment(type="static", content=segment.new_prompt or "", template=segment.template)
            case _:
                return segment
