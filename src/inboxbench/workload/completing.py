"""A folder of queries of one's own in which types, or values, of parameters are missing: found out on the copy.

The files that lack nothing are taken as they are; the others are imported as a workload is, under their own headers.
"""

from __future__ import annotations

import shutil
from collections.abc import Container
from pathlib import Path

from inboxbench.errors import SubjectFailed
from inboxbench.files import read_text, write_text
from inboxbench.sqlfile import parse_query
from inboxbench.workload.model import Imported
from inboxbench.workload.questions import Statements

_MIX = "mix.toml"


def copy_others(folder: Path, into: Path, lacking: Container[Path]) -> None:
    """Copy what lies in `folder` but for the queries that lack something. Raises UsageError for a query that is wrong,
    naming it where its owner has it."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".sql" and path.is_file() and path not in lacking:
            parse_query(path, read_text(path), strict=False)
            shutil.copyfile(path, into / path.name)
        elif path.suffix == ".toml" and path.is_file():
            write_text(into / path.name, read_text(path).rstrip("\n") + "\n")
    for name in ("draws", "writes", "targets"):
        if (folder / name).is_dir():
            shutil.copytree(folder / name, into / name)


def completed(folder: Path, into: Path, statements: Statements, imported: Imported) -> str:
    """Put the mix of `folder` in the place of the import's, and return what was found out, in words.

    Raises SubjectFailed for queries that are not among those that were imported.
    """
    (into / _MIX).unlink(missing_ok=True)
    if (folder / _MIX).is_file():
        shutil.copyfile(folder / _MIX, into / _MIX)
    names = {question.name for question in imported.questions}
    if missing := [str(statement.name) for statement in statements.recorded if statement.name not in names]:
        why = "; ".join(part.reason for part in imported.left_out)
        raise SubjectFailed(f"{folder}/{missing[0]}.sql and its like cannot be run ({len(missing)} in all): {why}")
    drawn = sum(bool(question.draws) for question in imported.questions)
    values = f", values of {drawn} drawn from the rows of the copy" if drawn else ""
    return f"types of parameters found by PREPARE in {len(names)} queries of {folder}{values}"
