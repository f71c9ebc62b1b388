"""Who made a folder is known from the folder, and only what has outlived its maker is removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from inboxbench.guard import MARK
from inboxbench.owner import Owner, folder_owner, left_folders, make_folder, remove_folder, this_process

MAKE = """
import sys, pathlib
from inboxbench.owner import make_folder
print(make_folder("inboxbench_x_", pathlib.Path(sys.argv[1])))
"""


def _made_by_another(parent: Path) -> Path:
    done = subprocess.run([sys.executable, "-c", MAKE, str(parent)], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_this_process_runs_and_survives_json() -> None:
    mine = this_process()
    assert mine.pid == os.getpid()
    assert mine.state == "running"
    assert Owner.from_json(json.loads(json.dumps(mine.to_json()))) == mine


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"started": 1.0}, "gone"),  # another process has the number now
        ({"boot": "before"}, "gone"),
        ({"host": "elsewhere"}, "elsewhere"),
        ({"machine": "another"}, "elsewhere"),
        ({"machine": "another", "boot": "before"}, "elsewhere"),
        ({"pid": 2**22 + 1}, "gone"),
    ],
)
def test_the_state_of_others(change: dict[str, object], state: str) -> None:
    assert replace(this_process(), **change).state == state  # type: ignore[arg-type]


def test_a_process_that_is_dead_and_not_collected_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        script = f"from inboxbench import owner; print(owner._started({child.pid}))"
        begun = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        owner = replace(this_process(), pid=child.pid, started=float(begun))
        before = str(owner.state)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table of processes
        assert (before, owner.state) == ("running", "gone")


@pytest.mark.parametrize("value", [None, 3, [], {}, {"pid": 1}, {"a": 1}, "x"])
def test_what_is_no_owner(value: object) -> None:
    assert Owner.from_json(value) is None


def test_the_folder_of_a_dead_process_goes_when_another_is_made(tmp_path: Path) -> None:
    dead = _made_by_another(tmp_path)
    (dead / "block").write_text("rows")
    mine, theirs, empty = make_folder("inboxbench_y_", tmp_path), tmp_path / "inboxbench_z_1", tmp_path / "inboxbench_q"
    assert not dead.exists()
    theirs.mkdir()
    (theirs / "letter").write_text("of somebody")
    empty.mkdir()
    os.utime(empty, (1, 1))
    (tmp_path / "inboxbench_link").symlink_to(theirs)
    make_folder("inboxbench_y_", tmp_path)
    assert mine.is_dir()
    assert (theirs / "letter").read_text() == "of somebody"
    assert not empty.exists()


@pytest.mark.parametrize("mark", ["", "{", "[]", '{"pid": 1}', "null", '"x"'])
def test_a_mark_that_nobody_of_us_wrote_is_none(tmp_path: Path, mark: str) -> None:
    folder = tmp_path / "inboxbench_1"
    folder.mkdir()
    (folder / MARK).write_text(mark)
    assert folder_owner(folder) is None
    assert left_folders(tmp_path) == []


def test_a_folder_without_a_mark_is_not_removed(tmp_path: Path) -> None:
    folder = tmp_path / "inboxbench_1"
    folder.mkdir()
    (folder / "letter").write_text("of somebody")
    remove_folder(folder)
    assert (folder / "letter").exists()
