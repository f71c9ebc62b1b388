"""Every command on a server of ours, with each variable of libpq set to what would lead elsewhere or end everything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.server.test_cluster import HOSTILE
from tests.unit.cli.test_output_files import LEAVES

from inboxbench.project import find_project

_SAMPLES = Path(__file__).parents[2] / "unit" / "report"
_RUN = "--profile tiny --sets current --queries list_all"
_BASELINE = find_project().bench / "baselines" / "tiny.json"
# What is tried of each command, in this order; 1: a threshold, as without the variables.
_COMMANDS = f"""
server start
server status
seed tiny --rows 1000
dataset list --all
dataset clone DATASET inboxbench_own
dataset export DATASET exported
dataset rm DATASET
dataset import exported
migrate current --database inboxbench_own
migrate upgrade --database inboxbench_own
migrate downgrade --database inboxbench_own --to 0001
migrate history
schema check
schema compare head head
schema dump
bench {_RUN} --no-throughput
bench counters --executions 20 --events 20 --clients 1 --seconds 1
bench decay {_RUN} --churn assign=10
bench drop-one current --profile tiny --queries list_all
bench growth {_RUN} --scales 0.25,0.5,1
bench load --profile tiny --sets current --seconds 1 --clients 1
bench pages --profile tiny --sizes 10 --rounds 1
bench traps
coverage
demo --profile tiny --scale 0.05 --output reports
dryrun --dataset tiny --phase 1
explain
gate --profile tiny --queries list_all
gate history {_BASELINE} {_BASELINE}
lint {_SAMPLES / "dryrun.json"}
race atlas --family take
race bench --strategy skip-locked --workers 2 --conversations 20 --seconds 1
advise --profile tiny --queries lookup --budget-time 5s --no-check
race costs --executions 10
race explore skip-locked
race million --strategy skip-locked --claims 100 --workers 2
race spec SPEC
race strategies
race stress --strategy skip-locked --workers 2 --seconds 1
report {_SAMPLES / "sample_run.json"}
dataset prune
server stop --remove
"""
_WITH_A_URL = {"workload import"}  # for a user's URL the variables apply
_SERVERLESS = {"explain", "lint", "report", "gate history"}
_ENDS = {"lint": 1}


def _leaf(words: list[str]) -> str:
    return max((" ".join(leaf) for leaf, _ in LEAVES if words[: len(leaf)] == list(leaf)), key=len)


_WORDS = [line.split() for line in _COMMANDS.strip().splitlines()]


def test_every_command_is_tried() -> None:
    assert {_leaf(words) for words in _WORDS} | _WITH_A_URL == {" ".join(leaf) for leaf, _ in LEAVES}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="ib-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "data").mkdir()
    yield folder
    subprocess.run(
        [sys.executable, "-m", "inboxbench", "server", "stop", "--remove", "--data-dir", str(folder / "data")],
        check=False,
    )
    shutil.rmtree(folder)


@pytest.mark.long
def test_variables_of_libpq_change_no_command(place: Path) -> None:
    spec = str(next((find_project().bench / "races").glob("*.spec")))
    dataset = ""
    wrong: list[str] = []
    for words in _WORDS:
        given = [{"DATASET": dataset, "SPEC": spec}.get(word, word) for word in words]
        leaf = _leaf(words)
        place_of_data = [] if leaf in _SERVERLESS else ["--server", "embedded", "--data-dir", str(place / "data")]
        done = subprocess.run(
            [sys.executable, "-m", "inboxbench", *given, *place_of_data],
            capture_output=True, text=True, check=False, env=os.environ | HOSTILE, cwd=place,
        )  # fmt: skip
        if leaf == "dataset list":
            dataset = next(word for word in done.stdout.split() if word.startswith("inboxbench_ds_tiny"))
        if done.returncode != _ENDS.get(leaf, 0):
            wrong.append(f"{' '.join(given)}: {done.returncode}: {done.stderr[-300:]}")
    assert wrong == []
