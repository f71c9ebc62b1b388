from __future__ import annotations

from typing import Any

import pytest

from inboxbench.report.findings import fastest_safe, findings
from inboxbench.report.index_figures import compare
from inboxbench.report.model import read_run
from inboxbench.report.words import Finding, listed

BARE: dict[str, Any] = {"schema_version": 1, "tool": {"name": "inboxbench"}}


def _findings(document: dict[str, Any]) -> dict[str, Finding]:
    run = read_run(document)
    return {finding.topic: finding for finding in findings(run, compare(run))}


def _as_baseline(document: dict[str, Any], index_set: str) -> None:
    """Give the set the figures that the baseline has."""
    cells = document["matrix"]["cells"]
    document["matrix"]["cells"] = [cell for cell in cells if cell["set"] != index_set] + [
        cell | {"set": index_set} for cell in cells if cell["set"] == "baseline"
    ]


def _text(document: dict[str, Any], topic: str) -> str:
    return " ".join("".join(sentence) for sentence in _findings(document)[topic].sentences)


def test_a_run_of_nothing_says_nothing() -> None:
    assert _findings(BARE) == {}


@pytest.mark.parametrize("part", ["seed", "migration", "matrix", "races", "verdict", "machine", "server"])
def test_each_part_may_be_absent(run: dict[str, Any], part: str) -> None:
    whole = set(_findings(run))
    del run[part]
    gone = {"seed": {"Data"}, "migration": {"Migration"}, "races": {"Races"}}
    gone["matrix"] = {"Index set", "What it costs", "Not worth building"}
    gone["verdict"] = {"What it costs", "Not worth building"}
    assert set(_findings(run)) == whole - gone.get(part, set())


def test_the_choice_has_its_name_its_gain_and_its_weakness(run: dict[str, Any]) -> None:
    text = _text(run, "Index set")
    assert text.startswith("Choose recommended (Ours: ordered composites, partials, account-scoped trigrams).")
    assert "instead of 5," in text
    assert "× less" in text
    assert "The median of all measurements goes from " in text
    assert "By family, in pages: inbox list " in text
    assert "Its own worst read is list_all_deep_offset (the largest account) with " in text


def test_the_cost_is_told_against_the_baseline(run: dict[str, Any]) -> None:
    text = _text(run, "What it costs")
    assert "43.6 MB of indexes (+114 %), 2,110 B of WAL per insert (+108 %)" in text
    assert text.endswith("41 % of updates stay inside their page (HOT; baseline: 0 %).")


def test_keeping_what_is_there_is_a_choice_too(run: dict[str, Any]) -> None:
    run["verdict"]["recommended"] = "baseline"
    for index_set in ("chatwoot", "owners", "composite", "recommended"):
        _as_baseline(run, index_set)
    assert _text(run, "Index set").startswith("Keep baseline: no other set that was measured reads less.")
    assert "against" not in _text(run, "What it costs")


def test_a_set_that_is_kept_though_others_read_less_has_a_reason(run: dict[str, Any]) -> None:
    run["verdict"]["recommended"] = "baseline"
    for cell in run["matrix"]["cells"]:
        if cell["set"] == "composite":
            cell["same_rows"] = False
    for index_set in ("chatwoot", "owners"):
        _as_baseline(run, index_set)
    assert _text(run, "Index set").startswith(
        "Keep baseline: composite would read less, but with other rows; recommended would read less, but not enough to "
        "pay at the mix."
    )


def test_a_record_without_a_verdict_says_so(run: dict[str, Any]) -> None:
    del run["verdict"]
    assert _text(run, "Index set") == "The record has no verdict; measure again with `inboxbench bench` to get one."


def test_dominated_sets_stand_beside_the_one_that_beats_them(run: dict[str, Any]) -> None:
    assert _text(run, "Not worth building").startswith("chatwoot and owners: composite is no worse")


def test_wrong_rows_are_bad_and_named(run: dict[str, Any]) -> None:
    run["matrix"]["cells"][5]["same_rows"] = False
    finding = _findings(run)["Wrong rows"]
    assert finding.tone == "bad"
    cell = run["matrix"]["cells"][5]
    assert f"{cell['query']} under {cell['set']}" in "".join(finding.sentences[0])


def test_cells_without_an_answer_are_bad_and_counted(run: dict[str, Any]) -> None:
    for cell in run["matrix"]["cells"]:
        if (cell["query"], cell["set"]) == ("search_word_en", "baseline"):
            cell |= {"failure": "stopped by statement_timeout", "buffers": None}
    finding = _findings(run)["No answer"]
    assert finding.tone == "bad"
    (sentence,) = finding.sentences
    assert "".join(sentence) == "search_word_en under baseline: stopped by statement_timeout (3 of its classes)."


def test_the_migration_names_the_worst_stalls_and_their_revisions(run: dict[str, Any]) -> None:
    text = _text(run, "Migration")
    assert "The longest a writer waited: 112 ms (insert_conversation, during 0010 contract_display_id)." in text
    assert "The longest a reader waited: 61 ms (search, during 0032 index_m9c_body_trgm)." in text
    assert _findings(run)["Migration"].tone == "good"


def test_failed_requests_make_the_migration_bad(run: dict[str, Any]) -> None:
    run["migration"]["traffic"][3]["errors"] = 7
    assert "7 requests failed while it ran." in _text(run, "Migration")
    assert _findings(run)["Migration"].tone == "bad"


def test_a_migration_without_traffic_claims_no_stall(run: dict[str, Any]) -> None:
    run["migration"]["traffic"] = []
    assert _text(run, "Migration").endswith(" s.")
    assert "waited" not in _text(run, "Migration")


def test_the_race_names_who_doubled_who_did_not_and_who_is_fastest(run: dict[str, Any]) -> None:
    text = _text(run, "Races")
    assert "naive made 902 double assignments (64 workers, 1,000 rows)." in text
    assert "for_update, compare_and_set and skip_locked never did." in text
    assert "Fastest safe strategy: skip_locked, 9,800 assignments/s (64 workers)." in text
    assert _findings(run)["Races"].tone == "good"


def test_a_strategy_that_broke_its_word_is_bad_and_never_the_fastest(run: dict[str, Any]) -> None:
    race = next(r for r in run["races"] if r["strategy"] == "skip_locked" and r["workers"] == 16)
    race["doubles"] = 1
    assert _findings(run)["Races"].tone == "bad"
    assert "skip_locked made 1 double assignment (" in _text(run, "Races")
    best = fastest_safe(read_run(run).races)
    assert best is not None
    assert best.strategy == "for_update"


def test_a_strategy_whose_doubles_were_not_counted_is_not_recommended(run: dict[str, Any]) -> None:
    """Its word alone makes nothing safe."""
    best = fastest_safe(read_run(run).races)
    assert best is not None
    for race in run["races"]:
        if race["strategy"] == best.strategy:
            race.pop("doubles")
    other = fastest_safe(read_run(run).races)
    assert other is None or other.strategy != best.strategy


def test_no_safe_strategy_is_no_recommendation() -> None:
    run = BARE | {"races": [{"strategy": "naive", "doubles": 4, "safe": False, "per_s": 10}]}
    assert _text(run, "Races") == "naive made 4 double assignments."


def test_the_seeding_rate_is_told(run: dict[str, Any]) -> None:
    assert _text(run, "Data") == (
        "Profile small: 318,199 rows, 240,118 of them messages, were loaded in 4.10 s. 81,200 messages/s."
    )


def test_lists_read_like_a_sentence() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
