"""What `--dask` accepts, and what Dask may show of it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.project import find_project
from inboxbench.seed.dask.block_registry import pieces_of
from inboxbench.seed.dask.option import Cluster, parse_cluster
from inboxbench.seed.dask.worker import Order, check_version
from inboxbench.seed.profile import load_profile
from inboxbench.seed.row_source import project_row_source, row_source_name


@pytest.mark.parametrize(
    ("text", "cluster"),
    [
        ("local:4", Cluster(None, 4)),
        ("local", Cluster(None, len(os.sched_getaffinity(0)))),
        ("tcp://10.0.0.5:8786", Cluster("tcp://10.0.0.5:8786")),
        ("tls://scheduler.example:8786", Cluster("tls://scheduler.example:8786")),
    ],
)
def test_clusters(text: str, cluster: Cluster) -> None:
    assert parse_cluster(text) == cluster


@pytest.mark.parametrize("text", ["", "4", "local:0", "local:x", "10.0.0.5:8786", "tcp://10.0.0.5", "http://a:1"])
def test_what_is_no_cluster(text: str) -> None:
    with pytest.raises(UsageError, match=f"unknown Dask cluster '{text}'; accepted: tcp://HOST:PORT of a scheduler"):
        parse_cluster(text)


def test_dask_sees_no_password() -> None:
    project = find_project()
    layout = project_row_source(project).layouts["head"]
    profile = load_profile(project, "tiny")
    order = Order("ab12", row_source_name(project), profile, 1, layout, 4096, "0.1.0", "host=db password=hunter2")
    assert repr(order) == "Order(token='ab12', seed=1, slice=4096, version='0.1.0')"
    assert pickle.loads(pickle.dumps(order)) == order  # noqa: S301


@pytest.mark.parametrize(
    ("found", "said"), [("0.0.9", "has inboxbench 0.0.9, this is 0.1.0"), (ImportError(), "has no inboxbench")]
)
def test_a_worker_with_another_version_is_refused(found: object, said: str) -> None:
    with pytest.raises(UsageError, match=f"Dask worker tcp://a:1 {said}.*install there: pip install 'inboxbench"):
        check_version("0.1.0", found, worker="tcp://a:1")


def test_files_travel_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a").write_bytes(b"x" * ((1 << 20) + 3))
    (tmp_path / "b").write_bytes(b"yz")
    assert [(piece.name, piece.start, len(piece.data)) for piece in pieces_of(tmp_path)] == [
        ("a", 0, 1 << 20),
        ("a", 1 << 20, 3),
        ("b", 0, 2),
    ]
