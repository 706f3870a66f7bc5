"""codebase_query on small real projects: each question, each language, and the bounds."""

import os
from pathlib import Path
from typing import Any

import pytest
from elexirion.agents.code import codebase

from tests.agents.code.projects import OTHERS, PYTHON
from tests.agents.running import config_of, pipeline_of, refusal_of, result_of
from tests.pipelines.files import errors_of, warnings_of

FOLDERS = {"workspace_dir": "./workspace", "output_dir": "./outputs", "read_roots": ["."]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The worker's folder."""
    own = tmp_path / "worker"
    own.mkdir()
    monkeypatch.chdir(own)
    return own


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def configured(queries: dict[str, Any], **keys: Any) -> dict[str, Any]:
    pipeline = pipeline_of({"name": "q", "type": "codebase_query", "queries": queries, **keys})
    return {**config_of(pipeline, "q"), "workspace": FOLDERS}


async def asked(question: str, *criteria: dict[str, Any], **keys: Any) -> Any:
    found = await result_of("codebase_query", configured({"it": {question: list(criteria)}}, **keys))
    return found["it"]


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ([{"type": "test"}], ["tests/test_orders.py", "tests/test_users.py"]),
        ([{"type": "main"}], ["src/shop/main.py"]), ([{"type": "config"}], ["pyproject.toml"]),
        ([{"type": "documentation"}], ["README.md"]),
        (
            [{"pattern": "**/*s.py"}, {"exclude_tests": True}],
            ["src/shop/orders.py", "src/shop/prices.py", "src/shop/users.py"],
        ),
        ([{"language": "python"}, {"exclude_patterns": ["tests/**", "**/__*"]}, {"contains": "us"}],
         ["src/shop/users.py"]),
        ([{"extension": ".md"}], ["README.md"]), ([{"max_size": 0}], ["src/shop/__init__.py"]),
        ([{"min_size": 1}, {"limit": 1}], ["README.md"]), ([{"modified_since": "2999-01-01"}], []),
        ([{"related_to": "src/shop/users.py"}, {"type": "test"}], ["tests/test_orders.py", "tests/test_users.py"]),
    ],
)  # fmt: skip
async def test_files_are_found_by_all_criteria_together(folder: Path, criteria: Any, found: list[str]) -> None:
    put(folder, PYTHON)
    assert await asked("find_files", *criteria) == found


async def test_functions_of_python_are_parsed(folder: Path) -> None:
    put(folder, PYTHON)
    found = await asked("find_functions", {"in_file": "src/shop/orders.py"})
    assert [(f["name"], f["within"], f["public"], f["annotations"]) for f in found] == [
        ("total", "Order", True, ["@property"]), ("inner", "Order.total", True, []), ("_hidden", "Order", False, []),
        ("place", None, True, []),
    ]  # fmt: skip
    assert found[0]["line"] == 7 and found[0]["file"] == "src/shop/orders.py" and found[0]["language"] == "python"
    public = await asked("find_functions", {"in_files": "**/users.py"}, {"public_only": True})
    assert [f["name"] for f in public] == ["__init__"]
    with_decorator = await asked("find_functions", {"with_decorator": "property"})
    assert [f["name"] for f in with_decorator] == ["total"]
    assert [f["name"] for f in await asked("find_functions", {"name": "test_"}, {"limit": 1})] == ["test_total"]


async def test_dependencies_of_python_lead_to_files(folder: Path) -> None:
    put(folder, PYTHON)
    found = await asked("find_dependencies", {"for_file": "src/shop/main.py"})
    assert [(f["name"], f["file"], f["kind"], f["line"]) for f in found] == [
        ("os", None, "standard", 1), ("httpx", None, "external", 2),
        ("shop.orders", "src/shop/orders.py", "internal", 3),
        ("shop", "src/shop/__init__.py", "internal", 3), ("shop.users", "src/shop/users.py", "internal", 4),
    ]  # fmt: skip
    keys = {"include_transitive": True, "include_external": False, "include_stdlib": False}
    deep = await asked("find_dependencies", {"for_file": "src/shop/main.py", **keys})
    assert {(f["file"], f["depth"]) for f in deep} == {
        ("src/shop/orders.py", 1), ("src/shop/__init__.py", 1), ("src/shop/users.py", 1), ("src/shop/prices.py", 2),
    }  # fmt: skip


async def test_a_change_reaches_dependents_and_tests(folder: Path) -> None:
    put(folder, PYTHON)
    found = await asked("analyze_impact", {"changed_files": ["src/shop/prices.py"]})
    assert [(f["file"], f["distance"], f["via"], f["test"]) for f in found] == [
        ("src/shop/orders.py", 1, "src/shop/prices.py", False), ("src/shop/main.py", 2, "src/shop/orders.py", False),
        ("tests/test_orders.py", 2, "src/shop/orders.py", True),
    ]  # fmt: skip
    users = await asked("analyze_impact", {"for_file": "src/shop/users.py", "max_depth": 1})
    assert [f["file"] for f in users] == [
        "src/shop/main.py", "src/shop/orders.py", "tests/test_orders.py", "tests/test_users.py",
    ]  # fmt: skip
    direct = await asked("find_dependents", {"of_file": "src/shop/users.py", "include_tests": False})
    assert [f["file"] for f in direct] == ["src/shop/main.py", "src/shop/orders.py"]


async def test_related_files_say_how(folder: Path) -> None:
    put(folder, PYTHON)
    found = {f["file"]: f["relations"] for f in await asked("find_related", {"for_file": "src/shop/orders.py"})}
    assert found == {
        "src/shop/__init__.py": ["dependency"], "src/shop/main.py": ["dependent"], "src/shop/prices.py": ["dependency"],
        "src/shop/users.py": ["dependency"], "tests/test_orders.py": ["dependent", "test"],
    }  # fmt: skip
    subject = await asked("find_related", {"for_file": "tests/test_users.py"})
    assert subject == [{"file": "src/shop/users.py", "relations": ["subject"]}]


@pytest.mark.parametrize(("file", "files", "functions", "links"), OTHERS, ids=[one[0] for one in OTHERS])
async def test_other_languages_are_read_by_patterns(
    folder: Path, file: str, files: dict[str, str], functions: Any, links: Any
) -> None:
    put(folder, files)
    found = await asked("find_functions", {"in_file": file})
    assert [(f["name"], f["public"]) for f in found] == functions
    found = await asked("find_dependencies", {"for_file": file})
    assert sorted((f["name"], f["file"], f["kind"]) for f in found if f["file"] is None) == sorted(
        link for link in links if link[1] is None
    )
    assert {f["file"] for f in found if f["file"]} == {link[1] for link in links if link[1]}


async def test_annotations_of_other_languages_belong_to_the_next_function(folder: Path) -> None:
    put(folder, OTHERS[2][1])
    found = await asked("find_functions", {"with_annotation": "@impl"})
    assert [(f["name"], f["within"]) for f in found] == [("init", "Shop")]


async def test_the_context_says_what_kind_of_project_it_is(folder: Path) -> None:
    put(folder, PYTHON)
    found = await result_of("codebase_query", configured({}, codebase_context=True))
    assert found == {
        "codebase": {
            "project_type": "python", "languages": {"python": 7}, "files": 9, "tests": 2,
            "main_files": ["src/shop/main.py"], "config_files": ["pyproject.toml"],
        }
    }  # fmt: skip


async def test_a_path_narrows_the_project_and_its_files_keep_their_whole_names(folder: Path) -> None:
    put(folder, {f"workspace/{name}": text for name, text in PYTHON.items()})
    found = await asked("find_related", {"for_file": "tests/test_users.py"}, path="workspace")
    assert [f["file"] for f in found] == ["workspace/src/shop/users.py"]
    assert await asked("find_files", {"type": "main"}, path="workspace/src") == ["workspace/src/shop/main.py"]


async def test_only_files_that_may_be_read_are_seen(folder: Path) -> None:
    (folder.parent / "outside").mkdir()
    (folder.parent / "outside" / "secret.py").write_text("def secret(): ...\n", encoding="utf-8")
    put(folder, {"a.py": "def a(): ...\n"})
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder / "link.py").symlink_to(folder.parent / "outside" / "secret.py")
    assert [f["name"] for f in await asked("find_functions", {})] == ["a"]
    for path in ("../outside", "link", "/etc"):
        said = await refusal_of("codebase_query", configured({"q": {"find_files": {}}}, path=path))
        assert "secret" not in said


async def test_a_source_file_that_is_odd_or_large_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, {"deep.py": "x = " + "(" * 5000, "nul.py": "\0", "ok.py": "def ok(): ...\n", "warn.py": 'x = "\\d"\n'})
    (folder / "bytes.py").write_bytes(b"\xff\xfe")
    put(folder, {"big.py": "def big(): ...\n" + "#" * codebase.MAX_SOURCE})
    os.mkfifo(folder / "pipe.py")
    assert [f["name"] for f in await asked("find_functions", {})] == ["ok"]
    monkeypatch.setattr(codebase, "MAX_FILES", 3)
    said = await refusal_of("codebase_query", configured({"q": {"find_files": {}}}))
    assert "more than 3 files: name a folder below in `path`" in said


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"find_related": {"for_file": "nope.py"}}, "query `q`: there is no file `nope.py` in the project"),
        ({"find_files": {"modified_since": "soon"}}, "`modified_since` is a date"),
        ({"find_files": {"pattern": "{a,b}" * 20}}, "alternatives"),
    ],
)
async def test_a_question_without_an_answer_says_why(folder: Path, query: Any, said: str) -> None:
    put(folder, {"a.py": ""})
    assert said in await refusal_of("codebase_query", configured({"q": query}))


def test_a_wrong_query_is_found_with_the_file() -> None:
    text = """
workflow:
  name: p
  steps:
    - name: q
      type: codebase_query
      queries:
        a: {find_files: [{type: strange}]}
        b: {find_dependencies: {include_transitive: true}}
        c: {find_unicorns: {}}
        d: {find_files: [{patern: x}, {pattern: "{{ steps.nope.x }}"}]}
"""
    said = "\n".join(errors_of(text))
    assert "8: Input should be 'source'" in said
    assert "9: `find_dependencies` needs `for_file`" in said
    assert "10: a query is one of find_files," in said
    fine = (
        text.replace("strange", "test")
        .replace("{include", "{for_file: a, include")
        .replace("find_unicorns", "find_files")
    )
    assert "11: the step `nope` does not exist" in errors_of(fine)
    known = fine.replace("steps.nope.x", "inputs.x")
    assert any("unknown key `patern`" in one for one in warnings_of(known))
