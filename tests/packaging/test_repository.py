"""Nothing in the repository depends on the machine it was written on."""

import re

from tests.packaging.project import ROOT, repository_files

# Folders of people and of build machines; system folders such as /etc or /opt are the same everywhere.
MACHINE_PATH = re.compile(rb"(?<![\w.>}-])/(?:root|work|home|Users)/[\w.]+")


def test_no_file_names_a_path_of_one_machine() -> None:
    found = {
        str(path.relative_to(ROOT)): paths[0].decode()
        for path in repository_files()
        if (paths := MACHINE_PATH.findall(path.read_bytes()))
    }
    assert not found


def test_a_machine_path_would_be_found() -> None:
    personal = b"/".join([b"", b"home", b"someone", b"project"])
    assert MACHINE_PATH.search(b"see " + personal)
    assert not MACHINE_PATH.search(b"./outputs" + personal)


def test_scripts_that_are_started_by_name_are_executable() -> None:
    scripts = [path for path in repository_files() if path.read_bytes().startswith(b"#!")]
    assert scripts
    assert [str(path) for path in scripts if not path.stat().st_mode & 0o100] == []
