"""`file_ops`: files of the workspace copied, moved, checked, listed, converted, read and written."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from elexirion.pipelines.model import Model, NotNegative, Positive, Text
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.uses import Use, templates_in
from pydantic import Field, model_validator

FileOperation = Literal[
    "copy", "move", "delete", "validate", "list", "convert", "read", "write", "stream_copy", "stream_process"
]


class FileEntry(Model, frozen=True):
    """One of `files`: a pair for copy, move and convert, or what validate expects of a file."""

    path: Text | None = None
    """The file, or a folder."""
    pattern: Text | None = None
    """Files by a pattern such as `**/*.json`; without a match nothing is checked or changed."""
    source: Text | None = None
    """The file that is copied, moved or converted."""
    destination: Text | None = None
    """Where it goes."""
    must_exist: bool = True
    """Whether a missing file is a problem."""
    must_be_dir: bool = False
    """Whether anything but a folder is a problem."""
    must_be_file: bool = False
    """Whether anything but a file is a problem."""
    min_size: NotNegative | None = None
    """Smallest size, in bytes."""
    max_size: NotNegative | None = None
    """Largest size, in bytes."""
    must_contain: tuple[Text, ...] = ()
    """Names that the folder has to hold."""
    format: Text | None = None
    """Format in which the file has to be: json, jsonl, csv, yaml, xml or text."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.path is None and self.pattern is None and self.source is None:
            raise ValueError("a file needs `path`, `pattern`, or `source` and `destination`")
        return self


class Processor(Model, frozen=True):
    """How stream_process changes or counts the lines of a file."""

    type: Text
    """identity, uppercase, lowercase, trim, number_lines, remove_empty_lines, filter_lines, reject_lines, replace,
    head, json_lines, count_lines or count_words."""
    pattern: Text | None = None
    """Regular expression of filter_lines, reject_lines and replace."""
    replacement: str = ""
    """Text that replace puts in place of each match."""
    count: Positive | None = None
    """Number of lines that head keeps."""


class FileOptions(Model, frozen=True):
    """`options`, an older place of some keys of the step."""

    overwrite: bool | None = None
    """The same as `overwrite` of the step."""
    recursive: bool | None = None
    """The same as `recursive` of the step."""
    pattern: Text | None = None
    """The same as `pattern` of the step."""
    limit: Positive | None = None
    """The same as `limit` of the step."""
    include_hidden: bool | None = None
    """The same as `include_hidden` of the step."""
    csv_delimiter: Text | None = None
    """The same as `delimiter` of the step."""


class FileRequest(Model, frozen=True):
    """What is to be done with which files.

    Sources stand below a folder that may be read, everything that changes below the workspace or the output
    folder; relative paths start in the workspace. Several files are looked at before the first one is changed,
    and take their places together. Results:

    - copy, move: `{files: [{source, destination, size}], count}`
    - delete: `{deleted: [path], missing: [path], count}`; what is not there any more is no error
    - validate: `{valid, count, files: [{path, valid, exists, size, problems}]}`; a problem fails the step
    - list: `{files: [{path, name, size, modified}], count, truncated}`, in the order of names
    - convert: `{files: [{source, destination, from, to, size}], count}`
    - read: the text, or the value with `format`; of several files a mapping by path
    - write: `{path, size}`
    - stream_copy: `{source, destination, size}`
    - stream_process: `{source, processor, lines, size, destination}`, or the counts without destination
    """

    operation: FileOperation
    """What is done."""
    source: Text | tuple[Text, ...] | None = None
    """A file, a folder, a pattern, or several of them."""
    destination: Text | None = None
    """The new file; a folder where it ends with `/`, is one already, or the source is not a single path of a file."""
    path: Text | None = None
    """The file of read, write, delete and validate; the folder of list and of `pattern`."""
    pattern: Text | tuple[Text, ...] | None = None
    """Files below `path` by `*`, `?`, `[…]`, `**` for folders, and `{a,b}`."""
    exclude: Text | tuple[Text, ...] | None = None
    """Patterns of files that are left out."""
    files: tuple[Text | FileEntry, ...] | Annotated[str, Field(pattern=r"\{\{")] | None = None
    """Files by their paths, pairs of source and destination, or what validate expects of each."""
    content: Any = None
    """What write writes: text as it is, everything else by `format`, by the name of the file, or as JSON."""
    format: Text | None = None
    """json, jsonl, csv, yaml, xml or text; for convert also `csv_to_json` and the like."""
    processor: Text | Processor | None = None
    """What stream_process does with each line; `identity` without it."""
    overwrite: bool | None = None
    """`false` refuses to replace a file that is there. Without it files are replaced, since a step that is run
    again after the loss of its worker finds what it has written."""
    recursive: bool | None = None
    """Whether list looks into folders, and whether delete removes them."""
    include_hidden: bool | None = None
    """Whether list names files and folders that begin with a dot."""
    limit: Positive | None = None
    """Most files that list gives; 1000 without it."""
    delimiter: Text | None = None
    """What stands between the values of CSV; a comma without it."""
    fail_on_invalid: bool = True
    """Whether validate fails the step; with `false` the result says what is wrong."""
    options: FileOptions = FileOptions()
    """An older place of some keys."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.destination is not None and self._has_pairs():
            raise ValueError("give either one `destination` or one for each of `files`")
        named = self.source or self.path or self.pattern or self.options.pattern or self.files
        match self.operation:
            case "copy" | "move" | "convert" if self.destination is None and not self._has_pairs():
                raise ValueError(f"`{self.operation}` needs a `destination`")
            case "write" if (self.path or self.destination) is None or "content" not in self.model_fields_set:
                raise ValueError("`write` needs `path` and `content`")
            case "stream_copy" if self.source is None or self.destination is None:
                raise ValueError("`stream_copy` needs `source` and `destination`")
            case "stream_process" if self.source is None:
                raise ValueError("`stream_process` needs a `source`")
            case "list" | "write":
                pass
            case _ if not named:
                raise ValueError(f"`{self.operation}` needs `path`, `source`, `pattern` or `files`")
            case _:
                pass
        return self

    def _has_pairs(self) -> bool:
        """Whether each of `files` says where it goes; a template may."""
        if not isinstance(self.files, tuple):
            return self.files is not None and self.destination is None
        return bool(self.files) and all(isinstance(entry, FileEntry) and entry.destination for entry in self.files)


_KEYS = tuple(FileRequest.model_fields)


class FileOpsStep(FileRequest, Step, frozen=True):
    """One operation on files."""

    lane: ClassVar[Lane | None] = "local"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    template_keys: ClassVar[tuple[str, ...]] = (
        "source", "destination", "path", "pattern", "exclude", "content", "format", "delimiter",
    )  # fmt: skip
    result_doc: ClassVar[str] = (
        "By operation. copy and move: `files` of `source`, `destination`, `size`, and `count`. delete: `deleted`, "
        "`missing`, `count`. validate: `valid`, `count`, and `files` of `path`, `valid`, `exists`, `size`, "
        "`problems`. list: `files` of `path`, `name`, `size`, `modified`, and `count`, `truncated`. convert: as copy,"
        " with `from` and `to`. read: the text, or the value where `format` is given; of several files a mapping by "
        "path. write: `path` and `size`. stream_copy: `source`, `destination`, `size`. stream_process: `source`, "
        "`processor`, `lines`, `size`, `destination`, or the counts."
    )

    type: Literal["file_ops"]

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        given = self.model_dump(mode="json", include={"files", "processor"}, exclude_unset=True)
        yield from templates_in(given, ())

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        given = self.model_dump(mode="json", include=set(_KEYS), exclude_unset=True)
        return {key: rendering.value(value) for key, value in given.items()}

    def works_with_files(self, config: Mapping[str, Any]) -> bool:
        return True
