"""The gate as a user runs it: a baseline made, kept to the byte, closed by a regression, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from inboxbench.cli import application
from inboxbench.database import connect, scratch_database
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.gate import Budgets, compare, read_snapshot, write_snapshot
from inboxbench.gate.measure_head import Request, measure_migrated, migrated
from inboxbench.project import Project
from inboxbench.server import Server

QUERIES = ["list_all", "thread_latest"]
SEED = 3  # a dataset of its own: others hold connections to that of seed 1, and then it cannot be cloned


@pytest.fixture(scope="module")
def kept(server: Server, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of its own, in a git repository, with a baseline of two queries."""
    root = tmp_path_factory.mktemp("kept")
    for part in ("schema", "migrations", "seeds", "bench"):
        shutil.copytree(getattr(project, part), root / part)
    shutil.copy(project.pyproject, root)
    shutil.rmtree(root / "bench" / "baselines", ignore_errors=True)
    _git(root, "init", "--quiet")
    _git(root, "add", ".")
    _git(root, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "head")
    assert "the first baseline" in run(server, root, "--update")
    return root


def _git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def run(server: Server, root: Path, *words: str) -> str:
    common = ["--server", server.url("postgres"), "--project", str(root), "--seed", str(SEED)]
    common += [] if "--queries" in words else ["--queries", ",".join(QUERIES)]
    result = CliRunner().invoke(application, ["gate", *words, *common])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def baseline(root: Path) -> Path:
    return root / "bench" / "baselines" / "tiny.json"


def test_the_same_head_passes_and_leaves_the_file_as_it_is(server: Server, kept: Path) -> None:
    before = baseline(kept).read_bytes()
    assert "open: 0 worse, 0 better" in run(server, kept, "--update")
    assert baseline(kept).read_bytes() == before


@pytest.fixture(scope="module")
def worse(server: Server, project: Project, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head whose index on the thread is gone, measured."""
    request = Request(seed=SEED, queries=QUERIES)
    with migrated(server, Project(kept), request) as (name, dataset):
        with connect(server.conninfo(name)) as connection:
            rows = connection.execute("SELECT indexname FROM pg_indexes WHERE indexdef ~ 'messages.*conversation_id'")
            for (index,) in rows.fetchall():
                if not index.endswith("_key"):
                    connection.execute(f'DROP INDEX "{index}"')
        path = tmp_path_factory.mktemp("worse") / "head.json"
        write_snapshot(path, measure_migrated(server, name, dataset, project, request))
    return path


def test_a_lost_index_closes_it_with_both_plans(server: Server, kept: Path, worse: Path, tmp_path: Path) -> None:
    summary, junit = tmp_path / "summary.md", tmp_path / "junit.xml"
    with pytest.raises(ThresholdExceeded, match=r"thread_latest/\w+/migrated: \d+ → \d+ pages, and \d+ more"):
        run(server, kept, "--run", str(worse), "--markdown", str(summary), "--junit", str(junit))
    text = summary.read_text(encoding="utf-8")
    assert "### inboxbench gate: closed" in text
    assert "after   " in text
    assert "<failure" in junit.read_text(encoding="utf-8")


def test_worse_figures_are_written_back_only_when_accepted(server: Server, kept: Path, worse: Path) -> None:
    before = baseline(kept).read_bytes()
    with pytest.raises(ThresholdExceeded):
        run(server, kept, "--run", str(worse), "--update")
    held, found = read_snapshot(baseline(kept)), read_snapshot(worse)
    assert {key: one.buffers for key, one in held.readings.items()} == {
        key: min(one.buffers or 0, found.readings[key].buffers or 0) for key, one in held.readings.items()
    }
    run(server, kept, "--run", str(worse), "--update", "--accept")
    assert read_snapshot(baseline(kept)).readings == found.readings
    baseline(kept).write_bytes(before)


def test_a_wrong_answer_is_a_failure_and_no_threshold(server: Server, kept: Path, tmp_path: Path) -> None:
    found = read_snapshot(baseline(kept))
    key = next(iter(found.readings))
    path = tmp_path / "head.json"
    write_snapshot(path, replace(found, readings={**found.readings, key: replace(found.readings[key], answer="x")}))
    with pytest.raises(SubjectFailed, match="returns other rows than at the baseline"):
        run(server, kept, "--run", str(path))


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], marks=pytest.mark.long),
        ["--update"],
        pytest.param(["--allow-uncompared"], marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_queries_that_all_fail_are_a_failure_and_no_other_environment(
    server: Server, kept: Path, words: list[str]
) -> None:
    query, before = kept / "bench" / "queries" / "list_all.sql", baseline(kept).read_bytes()
    text = query.read_text(encoding="utf-8")
    query.write_text(text.replace("SELECT c.id", "SELEC c.id"), encoding="utf-8")
    try:
        with pytest.raises(SubjectFailed, match=r"list_all/\w+/migrated: fails now: syntax error at or near"):
            run(server, kept, *words, "--queries", "list_all")
    finally:
        query.write_text(text, encoding="utf-8")
    assert baseline(kept).read_bytes() == before


def test_a_reading_without_its_like_is_named_and_closes(server: Server, kept: Path, tmp_path: Path) -> None:
    found = read_snapshot(baseline(kept))
    gone = replace(found, readings={**found.readings, "list_gone/huge/migrated": next(iter(found.readings.values()))})
    path, before = tmp_path / "gone.json", tmp_path / "head.json"
    write_snapshot(path, gone)
    write_snapshot(before, found)
    words = ["gate", "--run", str(before), "--baseline", str(path), "--project", str(kept)]
    result = CliRunner().invoke(application, words)
    assert isinstance(result.exception, UsageError)
    assert "list_gone/huge/migrated: not compared: it is in the baseline and was not measured now" in str(
        result.exception
    )
    assert "1 not compared" in result.output
    allowed = CliRunner().invoke(application, [*words, "--allow-uncompared"])
    assert allowed.exit_code == 0, allowed.output
    assert "list_gone/huge/migrated not compared: it is in the baseline" in " ".join(allowed.output.split())
    with_junit = tmp_path / "junit.xml"
    CliRunner().invoke(application, [*words, "--junit", str(with_junit)])
    assert "<failure" in with_junit.read_text(encoding="utf-8")


def test_whom_it_is_measured_as_is_said(server: Server, kept: Path) -> None:
    assert "whom no row security policy binds" in " ".join(run(server, kept).split())
    with pytest.raises(UsageError, match="--role nobody: there is no such role"):
        run(server, kept, "--role", "nobody")


def test_a_database_of_one_s_own(server: Server, project: Project, tmp_path: Path) -> None:
    """A shop, as somebody would do it: the folder of queries gets the baseline, a lost index and a lost rule close."""
    shop = project.root / "examples" / "shop"
    folder = tmp_path / "queries"
    shutil.copytree(shop / "queries", folder)

    def gate(*words: str) -> str:
        common = ["--server", server.url("postgres"), "--queries", str(folder), "--database", server.url(name)]
        result = CliRunner().invoke(application, ["gate", *words, *common])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return " ".join(result.output.split())

    with scratch_database(server, "shop") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute((shop / "schema.sql").read_bytes())
            seed = (shop / "seed.sql").read_text(encoding="utf-8")
            connection.execute(seed.replace("100000)", "3000)").replace("96000", "2900").encode())
        assert "the first baseline" in gate("--update")
        assert (folder / "baselines" / f"{name}.json").is_file()
        assert "open: 0 worse, 0 better" in gate()
        with connect(server.conninfo(name)) as connection:
            connection.execute("ALTER TABLE orders ADD COLUMN note text")
            connection.execute("CREATE INDEX broken ON orders (id)")
            connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass")
            connection.execute("DROP INDEX orders_status_idx")
            connection.execute("ALTER TABLE customers DROP CONSTRAINT customers_email_key")
        with pytest.raises(ThresholdExceeded) as caught:
            gate("--markdown", str(tmp_path / "summary.md"))
        assert "pages" in str(caught.value) or "rule gone" in str(caught.value)
        summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
        assert "invalid at the source, and so left out of its dump: broken" in summary
        assert "`public.customers/unique customers_email_key` | rule gone: UNIQUE (email)" in summary
        assert "`oldest_open/given/migrated`" in summary
        assert "pages that are all-visible at the source: orders 0 %" in summary  # in what the copy is not like it


def test_json_and_exports(server: Server, kept: Path, worse: Path, tmp_path: Path) -> None:
    exports = {name: tmp_path / f"{name}.json" for name in ("smaller-is-better", "bencher", "output")}
    words = [word for name, path in exports.items() for word in (f"--{name}", str(path))]
    result = CliRunner().invoke(
        application,
        ["gate", "--format", "json", "--run", str(worse), "--baseline", str(worse), "--project", str(kept), *words],
    )
    assert json.loads(result.output)["closed"] is False
    assert json.loads(exports["smaller-is-better"].read_text())[0]["unit"] in ("pages", "bytes")
    assert "buffers" in str(json.loads(exports["bencher"].read_text()))
    assert exports["output"].read_bytes() == worse.read_bytes()


def test_annotations_on_a_runner(server: Server, kept: Path, worse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(kept))
    words = ["gate", "--run", str(worse), "--project", str(kept)]
    result = CliRunner().invoke(application, words)
    assert "::error file=bench/queries/thread_latest.sql,line=" in result.stderr


def test_another_revision_is_measured_beside_head(server: Server, kept: Path) -> None:
    """The working tree has one more index on a hot column, not committed."""
    versions = kept / "migrations" / "versions"
    last = max(path.stem[:4] for path in versions.glob("0*.py"))
    added = versions / "9000_hot.py"
    added.write_text(
        f'revision = "9000"\ndown_revision = "{last}"\nbranch_labels = None\ndepends_on = None\n\n\n'
        "def upgrade() -> None:\n    from alembic import op\n"
        '    op.execute("CREATE INDEX hot_idx ON conversations (agent_last_seen_at)")\n\n\n'
        "def downgrade() -> None:\n    pass\n",
        encoding="utf-8",
    )
    try:
        with pytest.raises(ThresholdExceeded, match=r"mark_read/migrated|migrated: "):
            run(server, kept, "--against", "HEAD")
    finally:
        added.unlink()
    assert not subprocess.run(
        ["git", "-C", str(kept), "worktree", "list", "--porcelain"], capture_output=True, text=True, check=True
    ).stdout.count("inboxbench_worktree_")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--baseline", "absent.json"], "there is no baseline absent.json; make it with `inboxbench gate --update`"),
        (["--against", "nowhere"], "--against nowhere: no such revision"),
        (["--against", "-x"], "--against -x: no such revision"),
        (["--against", "HEAD", "--update"], "--against measures both sides itself"),
        (["--accept"], "--accept says what --update writes; give both"),
        (["--queries", "lst_all"], "unknown query 'lst_all'; did you mean 'list_all'?"),
        (["--profile", "tny"], "unknown profile 'tny'; did you mean 'tiny'?"),
    ],
)
def test_wrong_words_are_one_line(server: Server, kept: Path, words: list[str], message: str) -> None:
    shared = ["--server", server.url("postgres"), "--project", str(kept)]
    result = CliRunner().invoke(application, ["gate", *words, *shared])
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


def test_a_project_without_git_is_told(server: Server, project: Project, tmp_path: Path) -> None:
    for part in ("schema", "migrations", "seeds", "bench"):
        shutil.copytree(getattr(project, part), tmp_path / part)
    shutil.copy(project.pyproject, tmp_path)
    with pytest.raises(UsageError, match="not a git repository"):
        run(server, tmp_path, "--against", "HEAD")


def test_the_regression_is_in_the_queries_it_touches(kept: Path, worse: Path) -> None:
    found = compare(read_snapshot(baseline(kept)), read_snapshot(worse), Budgets())
    # The write has a trigger that reads the thread as the query does.
    assert {change.query for change in found.of("worse") if change.metric == "buffers"} == {
        "thread_latest",
        "insert_message",
    }
