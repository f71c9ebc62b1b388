"""What labs and a dry run wrote, joined to the page. labs.json and dryrun.json are of real runs, cut to a few rows."""

from __future__ import annotations

import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import jsonschema
import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from tests.unit.report.conftest import Parse

from inboxbench.bench.labs import project_labs
from inboxbench.cli.report.command import command
from inboxbench.errors import UsageError
from inboxbench.project import find_project
from inboxbench.report import render_html
from inboxbench.report.document import Lab, lab_markdown, print_lab
from inboxbench.report.document import read_lab as read_one
from inboxbench.report.table import Table, escape

_HERE = Path(__file__).parent
LABS: dict[str, dict[str, Any]] = json.loads((_HERE / "labs.json").read_text(encoding="utf-8"))
DRY_RUN = _HERE / "dryrun.json"
KINDS = project_labs(find_project())


def read_lab(document: dict[str, Any], source: str) -> Lab:
    return read_one(document, source, KINDS)


def _rows(table: Table) -> dict[str, list[str]]:
    named = 2 if table.headings()[1].words else 1
    return {" ".join(cells[:named]): cells for cells in table.texts()}


def _files(folder: Path) -> list[Path]:
    paths = [folder / f"{name}.json" for name in LABS]
    for path in paths:
        path.write_text(json.dumps(LABS[path.stem]), encoding="utf-8")
    return paths


def _invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def _text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def test_every_lab_is_in_the_fixture_and_follows_its_schema() -> None:
    assert len(LABS) == len(KINDS)
    for name in ("decay", "drop_one", "growth", "load"):
        schema = files("inboxbench.bench").joinpath(f"schemas/{name}.schema.json").read_text(encoding="utf-8")
        jsonschema.validate(LABS[name], json.loads(schema))


@pytest.mark.parametrize("name", LABS)
def test_every_row_has_a_cell_for_each_heading(name: str) -> None:
    lab = read_lab(LABS[name], name)
    for table in lab.tables:
        assert table.rows
        assert {len(cells) for cells in table.texts()} == {len(table.headings())}


@pytest.mark.parametrize("name", LABS)
def test_terminal_and_markdown_hold_what_the_page_holds(name: str) -> None:
    lab = read_lab(LABS[name], name)
    out = io.StringIO()
    print_lab(lab, Console(file=out, width=120))
    markdown = lab_markdown(lab, ["# A lab"])
    for text in (cell for table in lab.tables for cells in table.texts() for cell in cells):
        assert text in out.getvalue()
        assert escape(text) in markdown or f"`{text}`" in markdown


def test_figures_of_each_lab() -> None:
    shown = {name: [_rows(table) for table in read_lab(document, name).tables] for name, document in LABS.items()}
    assert shown["pages"][0]["lazy"][1:4] == ["83", "369", "107"]
    assert shown["counters"][0]["on_demand"][1:4] == ["304", "2,794", "6,409"]
    assert shown["counters"][1]["list_view"][-2:] == ["4", "15"]
    traps = {cells[0]: cells for cells in shown["traps"][0].values()}
    assert traps["offset_depth"][2:] == ["springs", "25,178", "28", "899×"]
    assert traps["cursor_id_order_created_at"][-1] == "37.5×, other rows"
    assert shown["decay"][0]["list_priority [huge] recommended"][2:5] == ["19", "30", "1.58×"]
    assert (
        shown["drop_one"][0]["conversations_open_priority_idx needed"][2]
        == "list_priority [huge] 19 → 33 (1.74×), and 2 more"
    )
    assert "→" in shown["drop_one"][0]["messages_conversation_created_idx needed"][2], "it is a write that needs it"
    growth = shown["growth"][0]
    assert growth["list_agent_inboxes [huge] recommended"][2:10] == [
        *("3", "6", "10", "0.87 ± 0.08", "19", "16", "-15%"),
        "? 275,281 (14,892 to 5,088,470)",
    ]
    assert growth["list_agent_inboxes [median] recommended"][5:10] == ["–", "–", "5", "–", "–"]
    assert shown["load"][0]["list baseline"][2:6] == ["5,044/s", "2,522/s", "0.47 ms", "37.6 ms"]


def test_a_long_table_shows_the_worst_and_says_how_many_there_are() -> None:
    document = json.loads(json.dumps(LABS["decay"]))
    document["decay"]["cells"] *= 40
    table = read_lab(document, "decay.json").tables[0].cut()
    assert (len(table.rows), table.title[-35:]) == (60, "first; 60 of 120, the file has all.")


def test_labs_and_a_dry_run_join_a_run(tmp_path: Path, run: dict[str, Any], parse: Parse) -> None:
    record, page = tmp_path / "run.json", tmp_path / "page.html"
    record.write_text(json.dumps(run), encoding="utf-8")
    others = [part for path in (*_files(tmp_path), DRY_RUN) for part in ("--with", path)]
    result = _invoke(record, *others, "--html", page)
    assert result.exit_code == 0, result.output
    root = parse(page.read_text(encoding="utf-8"))
    sections = {one.get("id"): one for one in root.iter("section")}
    sources = [_text(one) for one in sections["labs"].iter("p") if one.get("class") == "muted"]
    assert sources[0] == "From pages.json, written by inboxbench bench pages."
    assert len(sources) == len(LABS)
    (chart,) = (one for one in sections["dry-runs"].iter("svg") if one.get("role") == "img")
    assert {one.get("class") for one in chart.iter("rect")} >= {"l-run", "l-reads", "l-stall", "l-worst", "l-median"}
    captions = [_text(one) for one in sections["dry-runs"].iter("caption")]
    assert captions.count("Both were run on the same rows") == 2
    names = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(names) == len(set(names))


def test_they_need_no_run_but_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert _invoke("--with", DRY_RUN, "--html", page).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "What the dry run saw" in text
    assert "measured nothing" not in text
    assert "3 findings" in text, "the verdict has them"
    result = _invoke("--with", DRY_RUN)
    assert isinstance(result.exception, UsageError)
    assert "--html FILE" in str(result.exception)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"hello": 1}, "x.json: is neither a dry run nor a lab's result; name what"),
        ([], "x.json: holds no JSON object"),
        ({"pages": [{"way": "lazy"}]}, "x.json: 'pages' is not as `inboxbench bench` writes it"),
        ({"decay": None}, "x.json: 'decay' is not as `inboxbench bench` writes it"),
        ({"statements": [], "findings": []}, "x.json: key 'schema_version' is missing"),
    ],
)
def test_what_is_neither_is_named_in_one_line(tmp_path: Path, document: object, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    result = _invoke("--with", path, "--html", tmp_path / "page.html")
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "page.html").exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = _invoke("--with", tmp_path / "none.json", "--html", tmp_path / "page.html")
    assert "none.json: cannot be read: No such file or directory" in str(result.exception)


def test_what_a_file_says_is_escaped(tmp_path: Path, parse: Parse) -> None:
    hostile = "<script>alert(1)</script>"
    document = json.loads(DRY_RUN.read_text(encoding="utf-8"))
    document["statements"][0]["sql"] = document["findings"][0]["what"] = hostile
    path, page = tmp_path / "dry.json", tmp_path / "page.html"
    path.write_text(json.dumps(document), encoding="utf-8")
    counters = json.loads(json.dumps(LABS["counters"]))
    counters["ways"][0]["title"] = counters["verdict"][0] = hostile
    other = tmp_path / "counters.json"
    other.write_text(json.dumps(counters), encoding="utf-8")
    assert _invoke("--with", path, "--with", other, "--html", page).exit_code == 0
    text = page.read_text(encoding="utf-8")
    parse(text)
    assert "<script" not in text


def test_an_upgrade_that_kept_its_moments_is_drawn_on_one_clock(run: dict[str, Any], parse: Parse) -> None:
    clock = 0.0
    for one in run["migration"]["revisions"]:
        one["started_s"], clock = clock, clock + one["elapsed_s"]
    felt = run["migration"]["traffic"][0]
    felt["course"] = [
        {"started_ms": -250.0, "requests": 4, "p50_ms": 1.0, "max_ms": 2.0},
        {"started_ms": 250.0, "requests": 5, "p50_ms": 2.0, "max_ms": 80.0},
    ]
    root = parse(render_html(run))
    (chart,) = (one for one in root.iter("svg") if "clock" in (one.get("class") or "").split())
    tones = [one.get("class") for one in chart.iter("rect")]
    assert tones.count("l-worst") == tones.count("l-median") == 1, "what was due before the first revision is left out"
    assert sum(tone is not None and tone.startswith("k-") for tone in tones) == len(run["migration"]["revisions"])
    assert "0.2 s: 5 requests, median 2 ms, slowest 80 ms" in [one.text for one in chart.iter("title")]
