"""Files of outcomes: whole or not there, whatever ends the writer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from inboxbench.bench.cache.store import Store, default_folder, digest

_WRITER = """
import sys
from pathlib import Path
from inboxbench.bench.cache.store import Store, digest
store = Store(Path(sys.argv[1]))
for number in range(10**9):
    store.keep(digest(number % 50), {}, {"number": number, "padding": "x" * 200_000})
    print(number, flush=True)
"""


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep("ab12", {"query": "q"}, {"buffers": 7})
    assert store.find("ab12") == {"buffers": 7}
    assert store.find("ab13") is None
    assert Store(tmp_path, fresh=True).find("ab12") is None
    assert json.loads((tmp_path / "ab" / "ab12.json").read_text(encoding="utf-8"))["about"] == {"query": "q"}


def test_a_file_of_another_key_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep("ab12", {}, {"buffers": 7})
    (tmp_path / "ab" / "ab12.json").rename(tmp_path / "ab" / "ab13.json")
    assert store.find("ab13") is None
    assert store.problems == [f"{tmp_path}/ab/ab13.json cannot be read as an outcome; measured again"]


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    for key in ("ab12", "ab13"):
        store.keep(key, {}, {})
    assert store.problems == [f"{tmp_path}/file: outcomes cannot be kept there: Not a directory"]


def test_the_order_of_keys_is_none_of_a_digest() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_a_writer_that_is_killed_leaves_whole_files(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 60:
            pass
        writer.send_signal(signal.SIGKILL)
    store = Store(tmp_path)
    found = [store.find(digest(number)) for number in range(50)]
    assert all(one and len(one["padding"]) == 200_000 for one in found)
    assert store.problems == []


def test_the_folder_is_that_of_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/inboxbench/cells")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_folder() == Path("/home/somebody/.cache/inboxbench/cells")


def test_the_folder_keeps_to_its_limit_and_loses_what_was_not_used_for_longest(tmp_path: Path) -> None:
    keys = [digest(number) for number in range(10)]
    store = Store(tmp_path)
    for age, key in enumerate(keys):
        store.keep(key, {}, {"rows": "x" * 1000})
        os.utime(tmp_path / key[:2] / f"{key}.json", (age + 1, age + 1))
    assert store.find(keys[0]) is not None  # it is used, and so is the youngest now
    (tmp_path / "letter.json").write_text("of somebody" * 1000)
    (tmp_path / "ab").mkdir(exist_ok=True)
    (tmp_path / "ab" / "letter.json").write_text("of somebody" * 1000)
    (tmp_path / "ab" / f".{digest(1)}.json.0123abcd.part").write_text("half" * 100)
    os.utime(tmp_path / "ab" / f".{digest(1)}.json.0123abcd.part", (1, 1))
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.json") if path.name != "letter.json")
    Store(tmp_path, limit=size / 2 + 10).trim()
    kept = [number for number, key in enumerate(keys) if store.find(key) is not None]
    assert kept == [0, 6, 7, 8, 9]
    assert len(list(tmp_path.rglob("letter.json"))) == 2
    assert not list(tmp_path.rglob("*.part"))
    store.trim()
    assert len(list(tmp_path.rglob("*.json"))) == 7
