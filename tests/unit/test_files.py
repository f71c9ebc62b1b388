"""A result file is whole or absent, and what cannot be written is said before the work."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inboxbench import files
from inboxbench.errors import UsageError
from inboxbench.files import check_writable, drafted, read_lines, read_text, write_text


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    path.chmod(0o640)
    with drafted(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), drafted(path) as draft:
        draft.write_text("new" * 10_000 + "я", encoding="ascii")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_behind_a_link_is_replaced(tmp_path: Path) -> None:
    behind, link = tmp_path / "behind.md", tmp_path / "link.md"
    behind.write_text("old")
    link.symlink_to(behind)
    write_text(link, "new")
    assert link.is_symlink()
    assert behind.read_text() == "new"


def test_a_device_is_written_to_and_stays_a_device() -> None:
    write_text(Path(os.devnull), "gone")
    assert not Path(os.devnull).is_file()


def test_text_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    write_text(path, "one\n", append=True)
    write_text(path, "two\n", append=True)
    assert path.read_text() == "one\ntwo\n"


def test_what_cannot_be_written_is_one_line_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"^--html .*file/page\.html: cannot be written: .*; name another file$"):
        write_text(tmp_path / "file" / "page.html", "", option="--html")


def test_a_missing_folder_is_said_before_the_work(tmp_path: Path) -> None:
    check_writable(None)
    check_writable(tmp_path / "run.json")
    with pytest.raises(UsageError, match=r"^--junit .*x\.xml: the folder .*nowhere does not exist; make it first"):
        check_writable(tmp_path / "nowhere" / "x.xml", "--junit")


def test_what_is_no_file_to_read_is_said(tmp_path: Path) -> None:
    pipe, link, folder = tmp_path / "pipe", tmp_path / "link", tmp_path / "folder"
    os.mkfifo(pipe)
    link.symlink_to(link)
    folder.mkdir()
    for path, said in (
        (link, "Too many levels of symbolic links"),
        (folder, "Is a directory"),
        (tmp_path / ("a" * 5000), "File name too long"),
        (tmp_path / "a\0b", "embedded null"),
        (Path("/dev/zero"), "larger than 64 MiB"),
    ):
        with pytest.raises(UsageError, match="cannot be read") as raised:
            read_text(path)
        assert said in str(raised.value)
        assert len(str(raised.value)) < 500


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(pipe.write_text, "x" * 200_000)
        assert read_text(pipe) == "x" * 200_000
        written.result()


def test_lines_of_what_never_ends_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PATIENCE_S", 0.1)  # into the pipe nobody writes
    pipe, gap, text = tmp_path / "pipe", tmp_path / "gap", tmp_path / "text"
    os.mkfifo(pipe)
    with gap.open("wb") as file:
        file.truncate(1 << 30)
    text.write_bytes(b"one\r\ntwo\n\xffthree")
    assert list(read_lines(text, errors="replace")) == ["one\r\n", "two\n", "\ufffdthree"]
    cases = (
        (pipe, "nothing came through"),
        (gap, "a line of more than 64 MiB"),
        (Path("/dev/zero"), "larger than 64 MiB"),
    )
    for path, said in cases:
        with pytest.raises(UsageError, match=said):
            list(read_lines(path))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        list(read_lines(tmp_path / "none"))


def test_a_result_may_hold_what_utf_8_cannot(tmp_path: Path) -> None:
    write_text(tmp_path / "x.json", '"\udc80"')
    assert json.loads((tmp_path / "x.json").read_text()) == "\udc80"


def test_a_place_to_write_is_checked(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    cases = (
        (link, "leads nowhere"),
        (tmp_path, "is a folder"),
        (Path("/dev/full"), "No space left"),
        (
            Path("/proc/run.json"),
            "cannot be written",
        ),  # a folder that root may write, and yet nothing can be made there
        (tmp_path / ("x" * 245), "File name too long"),  # of the draft: the name itself would do
    )
    for path, said in cases:
        with pytest.raises(UsageError, match=said):
            check_writable(path)
    check_writable(tmp_path / "new.json")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
