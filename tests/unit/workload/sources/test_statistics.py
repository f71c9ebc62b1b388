"""Exports of pg_stat_statements."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.workload.model import Recorded
from inboxbench.workload.sources.statistics import read_export


def test_an_export_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text('﻿userid,query,calls,total_exec_time,rows\n10,"SELECT a,\nb FROM t",3,1.5,7\n', encoding="utf-8")
    assert read_export(path) == [Recorded("SELECT a,\nb FROM t", 3, 1.5, 7)]
    path.write_text("query,calls,total_time\nSELECT 1,1,2\n")
    assert read_export(path) == [Recorded("SELECT 1", 1, 2.0, 0)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column 'query'"),
        (b"a,b\n1,2\n", "no column 'query'"),
        (b"query,calls\nSELECT 1,1\n", "no column 'total_exec_time'"),
        (b"query,calls,total_exec_time\nSELECT 1,many,2\n", "line 2: calls"),
        (b"query,calls,total_exec_time\nSELECT 1,1,nan\n", "line 2: calls"),
        (b"query,calls,total_exec_time\nSELECT 1,-1,3\n", "line 2: calls"),
        (b"query,calls,total_exec_time\nSELECT 1\n", "line 2"),
        (b"\xff\xfe\x00", "no CSV in UTF-8"),
        (b"query,calls,total_exec_time\nSELECT 1," + b"9" * 5000 + b",3\n", "line 2: calls"),
    ],
)
def test_a_wrong_export_is_one_line_with_its_place(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_export(path)
