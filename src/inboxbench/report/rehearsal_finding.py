"""A dry run in the words of the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.report.words import Finding, Sentence, Strong


def rehearsal_finding(document: Mapping[str, Any], source: str) -> Finding:
    """`bad` where the chain or a request failed, or a finding that nobody has accepted is an error."""
    failed = sum(felt["errors"] for felt in document["traffic"])
    open_findings = [one for one in document["findings"] if not one.get("suppressed")]
    grave = [one for one in open_findings if one["severity"] == "error"]
    ran = f"{len(document['revisions'])} revisions, {len(document['statements'])} statements ({source})."
    sentences: list[Sentence] = [(ran,)]
    if document["error"]:
        sentences.append((Strong("It failed: "), str(document["error"])))
    if document["traffic"]:
        sentences.append(_stall(document, failed))
    sentences.append(_found(len(open_findings), len(grave)))
    return Finding("Dry run", tuple(sentences), "bad" if document["error"] or failed or grave else "good")


def _stall(document: Mapping[str, Any], failed: int) -> Sentence:
    worst = max(document["traffic"], key=lambda felt: felt["max_stall_ms"])
    waited = Strong(units.millis(worst["max_stall_ms"]))
    errors = f"; {failed:,} requests failed." if failed else "; no request failed."
    return ("The longest that a request took: ", waited, f" ({worst['class']})", errors)


def _found(count: int, grave: int) -> Sentence:
    if not count:
        return ("No finding.",)
    return (Strong(f"{count} finding{'s' if count > 1 else ''}"), f", {grave} of them errors.")
