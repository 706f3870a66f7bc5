"""Files of all step types: what is read is what was written."""

import json
from typing import Any

import pytest
import yaml
from elexirion.pipelines.loader import from_definition, load
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.registry import STEP_TYPES
from hypothesis import HealthCheck, given, settings

from tests.pipelines.documents import STEP_KINDS, workflows


def test_the_documents_have_steps_of_all_types() -> None:
    assert set(STEP_TYPES) == STEP_KINDS


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(workflows())
def test_a_model_goes_through_yaml_and_json_and_back(document: dict[str, Any]) -> None:
    found = load(yaml.safe_dump({"workflow": document}, allow_unicode=True), "p.yaml")
    again = load(yaml.safe_dump(found.definition, allow_unicode=True), "p.yaml")
    assert again.pipeline == found.pipeline
    assert (again.definition, again.sha256) == (found.definition, found.sha256)
    assert from_definition(json.loads(json.dumps(found.definition))) == found.pipeline


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(workflows())
def test_the_definition_has_all_that_the_author_wrote_and_nothing_more(document: dict[str, Any]) -> None:
    found = load(yaml.safe_dump(document), "p.yaml")
    assert _normal(found.definition) == _normal(document)
    assert Pipeline.model_validate(document).definition() == found.definition


def _normal(value: Any) -> Any:
    """A child reads the same with and without the `workflow` key around it."""
    match value:
        case {"workflow": inner, **rest} if not rest:
            return _normal(inner)
        case dict():
            return {key: _normal(item) for key, item in value.items()}
        case list():
            return [_normal(item) for item in value]
        case _:
            return value


@pytest.mark.parametrize("kind", sorted(STEP_TYPES))
def test_every_type_has_a_description_for_editors(kind: str) -> None:
    assert STEP_TYPES[kind].__doc__
