"""Growth on sizes of one filling: an index in the order of the list stays flat, a scan grows as the table does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.schemas import check_document, undocumented

from inboxbench.bench import Growth, Sample, grow, run_matrix
from inboxbench.cli.bench.command import command
from inboxbench.database import connect, list_databases, scratch_database
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.files import read_text
from inboxbench.project import Project
from inboxbench.server import Server

FILL = Path(__file__).parents[1] / "fill.sql"
SIZES = (600, 1200, 2400, 4800)
SETS = ["primary_keys", "recommended"]
QUERIES = ["list_all", "thread_latest"]


def _sample(server: Server, head_template: str, project: Project, conversations: int) -> Sample:
    with scratch_database(server, "grown", head_template) as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(read_text(FILL).replace(":conversations", str(conversations)).encode())
            row = connection.execute("SELECT count(*) FROM messages").fetchone()
        assert row is not None
        matrix = run_matrix(server, name, project, sets=SETS, queries=QUERIES, writes=False, rounds=1)
    return Sample(conversations / SIZES[0], row[0], matrix)


@pytest.fixture(scope="module")
def samples(server: Server, head_template: str, project: Project) -> list[Sample]:
    return [_sample(server, head_template, project, size) for size in SIZES]


@pytest.fixture(scope="module")
def grown(samples: list[Sample]) -> Growth:
    return grow(samples[:3], samples[3], sizes=(1e9,), unit="messages")


def test_a_scan_grows_as_the_table_does_and_its_prediction_holds(grown: Growth) -> None:
    grown.require_sound()
    (scan,) = [one for one in grown.curves if one.name == "thread_latest [longest] under primary_keys"]
    assert scan.law is not None
    assert scan.law.k == pytest.approx(1, abs=0.1)
    assert scan.law.k_error < 0.1
    assert scan.holds
    assert scan.error is not None
    assert abs(scan.error) < 0.05


def test_an_index_in_the_order_of_the_list_stays_flat(grown: Growth) -> None:
    law, scan = (grown.worst_class("list_all", name).law for name in ("recommended", "primary_keys"))
    assert law is not None
    assert scan is not None
    assert law.k < 0.3, grown.to_json()["curves"]
    assert scan.k > 0.8
    assert law.at(1e9).value * 100 < scan.at(1e9).value


def test_the_check_is_no_part_of_the_law(samples: list[Sample], grown: Growth) -> None:
    alone = grow(samples[:3])
    assert [one.law for one in alone.curves] == [one.law for one in grown.curves]
    assert all(one.predicted is None and one.holds is None for one in alone.curves)
    assert alone.headline.startswith("No prediction was checked; ")


def test_what_is_extrapolated_says_so(grown: Growth) -> None:
    document = grown.to_json()
    far = [one["extrapolated"][0] for one in document["curves"] if one["k"] is not None]
    largest = document["check"]["messages"]
    assert all(one["messages"] == 1e9 and one["beyond"] == pytest.approx(1e9 / largest, rel=1e-3) for one in far)
    assert {"value", "low", "high", "uncertain", "one_plan"} <= set(far[0])
    json.dumps(document, allow_nan=False)


def test_flips_name_both_plans_and_sizes(grown: Growth) -> None:
    for one in grown.curves:
        lines = [point.plan for point in (*one.points, one.check) if point]
        assert one.one_plan == (len(set(lines)) == 1)
        for flip in one.flips:
            assert f"{flip.large.plan} instead of {flip.small.plan}" in str(flip)
            assert f"{flip.small.size:,} → {flip.large.size:,} messages" in str(flip)
    worst_key = ("list_all", "primary_keys")
    worst = grown.worst_class(*worst_key)
    assert [point.buffers for point in worst.points] == [
        max(one.points[place].buffers or 0 for one in grown.curves if (one.query, one.index_set) == worst_key)
        for place in range(3)
    ]
    jumps = [flip.jump for flip in grown.flips]
    assert jumps == sorted(jumps, reverse=True)


def test_a_query_that_fails_at_one_size_is_named_with_it(
    server: Server, head_template: str, samples: list[Sample], own_project: Project
) -> None:
    path = own_project.bench / "queries" / "list_all.sql"
    path.write_text(path.read_text(encoding="utf-8").replace("c.waiting_since", "1 / (c.id - c.id)"), encoding="utf-8")
    found = grow([*samples[:2], _sample(server, head_template, own_project, 2400)], unit="messages")
    broken = [one for one in found.curves if (one.query, one.parameter_class) == ("list_all", "huge")]
    assert all(one.law is None for one in broken)
    assert broken
    assert found.worst_first[0].law is None
    with pytest.raises(SubjectFailed, match=r"at 1\d,\d{3} messages: list_all .*division by zero"):
        found.require_sound()


def _invoke(server: Server, *arguments: str) -> Result:
    return CliRunner().invoke(command, ("growth", "--server", server.url("postgres"), "--profile", "tiny", *arguments))


def test_command_builds_predicts_and_leaves_only_datasets(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "growth.json"
    options = ("--sets", "recommended", "--queries", "thread_latest", "--scales", "0.15,0.05,0.1", "--check", "0.2")
    result = _invoke(server, *options, "--at", "1e6", "--output", str(path))
    assert result.exit_code == 0, result.output
    assert "buffers by number of messages, the fastest growing first" in result.stdout
    assert "k by query and set" in result.stdout
    assert "extrapolated, not measured" in result.stdout
    found = json.loads(path.read_text(encoding="utf-8"))["growth"]
    assert found["profile"] == "tiny"
    # At head, lines of activity come on top of the messages that the profile counts.
    for scale, said in zip(found["scales"], (1000, 2000, 3000), strict=True):
        assert 1.1 * said < scale["messages"] < 1.4 * said
    assert 4400 < found["check"]["messages"] < 5600
    assert all(one["check"]["buffers"] for one in found["curves"])
    kinds = {(info.marker or {}).get("kind") for info in list_databases(server) if "_ds_tiny" in info.name}
    assert kinds == {"dataset"}
    assert not [info.name for info in list_databases(server) if info.name.startswith("inboxbench_bench_")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scales", "1,2"), "--scales '1,2': a law needs 3 different positive scales or more, as 0.25,0.5,1"),
        (("--scales", "1,1,2"), "--scales '1,1,2': a law needs 3 different positive scales or more, as 0.25,0.5,1"),
        (("--scales", "a,2,3"), "--scales 'a,2,3' are not numbers; write them with commas between, as 0.25,0.5,1"),
        (("--scales", "-1,2,3"), "--scales '-1,2,3': a law needs 3 different positive scales or more, as 0.25,0.5,1"),
        (("--check", "1"), "--check 1 is not larger than the largest of --scales, 1; give a larger"),
        (("--sets", "recomended"), "unknown index set 'recomended'; did you mean 'recommended'?"),
    ],
)
def test_bad_input_is_one_line(server: Server, arguments: tuple[str, ...], message: str) -> None:
    error = _invoke(server, *arguments).exception
    assert isinstance(error, UsageError)
    assert message in str(error)


def test_the_record_follows_its_schema_to_the_last_key(grown: Growth) -> None:
    document = json.loads(json.dumps({"schema_version": 1, "growth": grown.to_json()}))
    check_document("growth", document)
    assert undocumented("growth", document) == []
