"""Checking a StartRun: its pipeline, those chained to it, and its inputs. What was read is kept."""

import json
from collections import OrderedDict
from typing import Any

from elexirion.agents.decide_command import Checked, Loadable, NotLoadable
from elexirion.events.canonical import content_hash
from elexirion.events.commands import PipelineReference, StartRun
from elexirion.pipelines.inputs import InputsRefused, missing_inputs, with_defaults
from elexirion.pipelines.loader import Loaded, load
from elexirion.pipelines.problems import PipelineInvalid

REMEMBERED = 500


class StartCheck:
    """A StartChecker over the pipeline language."""

    def __init__(self) -> None:
        self._read_before: OrderedDict[str, Loaded] = OrderedDict()

    def check(self, command: StartRun) -> Checked:
        """What the run would be, or every reason why it cannot be."""
        file = command.source.file or "pipeline"
        try:
            loaded = self.read(command.pipeline, file)
            for following in command.then:
                self.read(following.pipeline, following.source.file or "pipeline")
            inputs = with_defaults(loaded.pipeline, command.inputs)
        except PipelineInvalid as invalid:
            return NotLoadable("invalid_pipeline", "\n".join(str(problem) for problem in invalid.errors))
        except InputsRefused as refused:
            return NotLoadable("invalid_inputs", str(refused))
        missing = missing_inputs(loaded.needed_inputs, inputs)
        if missing:
            said = ", ".join(f"`{needed.name}` ({file}:{needed.line})" for needed in missing)
            return NotLoadable("missing_inputs", f"inputs are needed and were not given: {said}")
        own = tuple(PipelineReference(pipeline=p.definition(), source=command.source) for p in loaded.pipeline.then)
        priority = loaded.pipeline.priority
        return Loadable(loaded.pipeline.name, loaded.definition, loaded.sha256, inputs, own + command.then, priority)

    def read(self, pipeline: str | dict[str, Any], file: str) -> Loaded:
        """The pipeline of a text or document; raises PipelineInvalid."""
        text = pipeline if isinstance(pipeline, str) else json.dumps(pipeline)
        key = content_hash([text, file])
        if key not in self._read_before:
            self._read_before[key] = load(text, file)
            while len(self._read_before) > REMEMBERED:
                self._read_before.popitem(last=False)
        return self._read_before[key]
