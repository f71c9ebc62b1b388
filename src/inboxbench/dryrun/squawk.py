"""A static pass by squawk over the SQL of a migration, and what a dry run of it says to each warning."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from inboxbench.dryrun.rules import RULES
from inboxbench.dryrun.tools import TOOLS
from inboxbench.errors import UsageError
from inboxbench.owner import temporary_folder
from inboxbench.sqltree import parse

# confirmed, refuted: the run shows it, or that it is not so here. accepted: shown, and suppressed in the revision.
# unseen: a matter that no run can show, or one of waiting where nobody waited.
Verdict = Literal["confirmed", "accepted", "refuted", "unseen", "run time only"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A statement to look at. number is that of the dry run, 0 offline; guarded: a lock_timeout was in force for it."""

    sql: str
    number: int = 0
    revision: str | None = None
    file: str | None = None
    line: int | None = None
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """rule is squawk's, or ours for what only the run showed. paste: the suppression, where the run refutes it."""

    rule: str
    verdict: Verdict
    message: str
    piece: Piece
    finding: str | None = None
    paste: str = ""


def pieces_of(document: dict[str, Any]) -> list[Piece]:
    """Return the statements of a dry run's JSON, but for questions and a migration tool's own."""
    return [
        Piece(row["sql"], row["number"], row["revision"], row["file"], row["line"], bool(row.get("lock_timeout_ms")))
        for row in document["statements"]
        if _changes(row["sql"])
    ]


def warnings(pieces: Sequence[Piece], *, pg_version: str = "18") -> list[tuple[str, str, Piece]]:
    """(rule, message, statement), by squawk. Raises UsageError when it is missing or does not understand us."""
    if not pieces:
        return []
    texts = [f"{piece.sql.strip().rstrip(';')};\n" for piece in pieces]
    ends = list(accumulate(text.count("\n") for text in texts))  # the line, from 0, that each begins the next one at
    with temporary_folder("lint") as folder:
        path = folder / "history.sql"
        path.write_text("".join(texts), encoding="utf-8")
        command = [_squawk(), "--reporter", "json", "--pg-version", pg_version, str(path)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    try:
        items = json.loads(ended.stdout)
    except json.JSONDecodeError:
        said = (ended.stderr or ended.stdout).strip().splitlines()
        raise UsageError(f"squawk failed: {said[0] if said else f'status {ended.returncode}'}") from None
    return [
        (warning["rule_name"], warning["message"], pieces[bisect_right(ends[:-1], warning["line"])])
        for warning in items
    ]


def judged(document: dict[str, Any], warned: Sequence[tuple[str, str, Piece]]) -> list[Judged]:
    """Return every warning with what the run says to it, then what the run alone shows."""
    findings, traffic = document.get("findings", []), bool(document.get("traffic"))
    shown = {(finding["statement"], finding["rule"]): bool(finding["suppressed"]) for finding in findings}
    verdicts = [_judged(rule, message, piece, shown, traffic=traffic) for rule, message, piece in warned]
    confirmed = {(verdict.piece.number, verdict.finding) for verdict in verdicts if verdict.verdict == "confirmed"}
    pieces = {piece.number: piece for piece in pieces_of(document)}
    alone = [
        Judged(rule, "run time only", finding["what"], pieces.get(finding["statement"], Piece("")), rule)
        for finding in findings
        for rule in [finding["rule"]]
        if (finding["statement"], finding["rule"]) not in confirmed and not finding["suppressed"]
    ]
    return verdicts + alone


def _judged(rule: str, message: str, piece: Piece, shown: dict[tuple[int, str], bool], *, traffic: bool) -> Judged:
    ours = [known.id for known in RULES.values() if rule in known.squawk and (traffic or not known.needs_traffic)]
    if not ours:
        return Judged(rule, "unseen", message, piece)
    seen = next((name for name in ours if (piece.number, name) in shown), None)
    if seen:
        return Judged(rule, "accepted" if shown[piece.number, seen] else "confirmed", message, piece, seen)
    if not piece.guarded and all(RULES[name].by_chance for name in ours):
        return Judged(rule, "unseen", message, piece)  # nobody happened to wait in this run
    return Judged(rule, "refuted", message, piece, paste=f"-- squawk-ignore {rule}")


def _changes(sql: str) -> bool:
    """Return whether it is more than a question, and none that a migration tool asks or writes for itself."""
    parsed = parse(sql)
    asks = all(command.kind in ("select", "show") and not command.writes for command in parsed.commands)
    return (bool(parsed.problem) or not asks) and not any(
        tool.read_stamp(sql) or parsed.words & set(tool.version_tables) for tool in TOOLS
    )


def _squawk() -> str:
    neighbour = Path(sys.executable).with_name("squawk")
    program = str(neighbour) if neighbour.is_file() else shutil.which("squawk")
    if program is None:
        raise UsageError("lint works through squawk, which is not installed: pip install 'inboxbench[lint]'")
    return program
