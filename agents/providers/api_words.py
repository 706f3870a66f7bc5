"""The words in which APIs speak of requests, and the telling of a provider's sentence in these words alone.

A provider's sentence about a refused request may quote the prompt, the key, or parts of them, in any spelling. So it
is not searched for what must not be told: only words that the APIs themselves use are told on, the rest becomes `…`.
"""

import re
from collections.abc import Iterable

_SENTENCES = """
a an and any are as at be because been before below between but by can cannot could did do does either for from had
has have if in instead into is it its least less more most must need no non none not of on one only or other out over
per please same see should such than that the their them then there these they this those to too under until up use
used uses using was were when which while will with without within would you your we our above after accept accepted
access account activate active add additional admin again allow allowed allowlist already also another api app
application argument arguments array assistant attempt audio auth authentication authorization authorized available
back bad balance base batch bearer beta billing block blocked blocks body bool boolean budget busy cache cached call
called calls cancelled capacity change character characters check choice choices choose client closed code codes
complete completion completions concurrent config configuration configured connection console contact contain contains
content contents context control conversation correct count counted country create credential credentials credit
credits current currently daily data day deadline declaration declarations default denied depleted deprecated
description details developer dict disable disabled disallowed document documentation duplicate during each effort
empty enable enabled end ended endpoint ensure entity enum error errors exceed exceeded exceeds exist exists expected
expired extra failed failure family feature field fields file files final find first follow following forbidden format
found free function functions generate generation global go grant greater header headers high hour http id ids image
images include included incorrect increase incomplete index input inputs insufficient integer internal invalid invoke
issue item items json key keys kind large last later latest length limit limited limits list load location long longer
lower malformed many match matches max maximum media member message messages method min minimum minute minutes missing
mode model models modify monthly name names never new null number object occurred offset old organization output
outputs overload overloaded owner page parallel parameter parameters parse parsing part parts path pay payload
permission permissions permitted plan plans policy positive precondition prefill prefix previous processing project
prompt properties property proxy provide provided purchase quota quotas range rate reach reached read reasoning
received reduce refer region remaining remove repeated request requested requests require required requires resource
resources response responses restricted result results retired retry role roles run safety schema second seconds
sequence sequences server service session set setting settings short signature size smaller spend spending start state
status stop stream streaming string strict submit supplied support supported system target temperature temporarily
territory text thinking thought tier time timed timeout token tokens tool tools top total traffic true false try turn
type types unable unavailable unauthorized unexpected unknown unless unrecognized unsupported update upgrade uri url
usage user users valid validation value values verify version video violate violation visit wait went window wrong
anthropic claude gemini generativelanguage google googleapis openai chat cloud studio additionalproperties anyof allof
oneof const defs ref generatecontentrequest generatecontent systeminstruction generationconfig toolconfig functioncall
functionresponse functiondeclarations thoughtsignature maxoutputtokens responseschema responsejsonschema
responsemimetype thinkingconfig topk topp stopsequences parametersjsonschema mime
"""
_WORDS = frozenset(_SENTENCES.split())
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_PUNCTUATION = frozenset(".,:;()[]<>=/-+!?*$%")
_LONGEST_NUMBER = 7
_SHORTEST_QUOTE = 4
_HIDDEN = "…"
_IDENTIFIER = re.compile(r"[A-Za-z][\w-]{0,59}")


def told(sentence: str, hidden: Iterable[str] = (), names: Iterable[str] = ()) -> str:
    """`sentence` in words of the APIs, of `names` (such as the model's), and in numbers that no text in `hidden` has.

    "" where nothing but what may not be told would be left.
    """
    texts, allowed = list(hidden), {part for name in names for part in _parts(name)}
    for text in texts:
        sentence = sentence.replace(text, _HIDDEN) if len(text) >= _SHORTEST_QUOTE else sentence
    kept = [_shown(token, texts, allowed) for token in _TOKEN.findall(sentence)]
    told_ = re.sub(rf"{_HIDDEN}[\s{_HIDDEN}.,:;()\[\]<>=/+!?*$%-]*{_HIDDEN}", _HIDDEN, "".join(kept))
    said = " ".join(told_.split())
    return said if re.search(r"\w", said) else ""


def identifier(text: str, hidden: Iterable[str] = ()) -> str:
    """`text` if it is a name, of an error, a code, a function or a request, without a word of `hidden`; else ""."""
    parts, texts = _parts(text), [one.lower() for one in hidden]
    if set() < parts <= _WORDS:
        return text
    quoted = any(part in one for part in parts for one in texts if len(part) >= _SHORTEST_QUOTE)
    return text if _IDENTIFIER.fullmatch(text) and not quoted else ""


def _shown(token: str, hidden: list[str], allowed: set[str]) -> str:
    if token.isspace():
        return " "
    if token.isascii() and token.isdigit():
        return token if len(token) <= _LONGEST_NUMBER and not _is_quoted(token, hidden) else _HIDDEN
    if token.replace("_", "").isalnum():
        return token if _parts(token) <= _WORDS | allowed else _HIDDEN
    return token if token in _PUNCTUATION or token == _HIDDEN else ""


def _is_quoted(number: str, hidden: list[str]) -> bool:
    """Whether a text has this number; a short one may well stand in a longer one by chance."""
    if len(number) >= _SHORTEST_QUOTE:
        return any(number in one for one in hidden)
    return any(re.search(rf"(?<!\d){number}(?!\d)", one) for one in hidden)


def _parts(word: str) -> set[str]:
    """The words of a name such as `max_tokens` or `claude-opus-5-5`, in lower case."""
    return {part for part in re.split(r"[\W_]+", word.lower()) if part}
