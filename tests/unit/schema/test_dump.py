"""Lines of psql and rows of COPY become spaces; what looks like them in a quote or a comment stays as it is."""

from __future__ import annotations

import pytest

from inboxbench.schema.dump import blanked, statements_of

ROWS = "COPY public.t (a) FROM stdin;\nit's\n$$\n\\.\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\\connect x\nSELECT 1;", "SELECT 1;"),
        (f"SELECT 1;\n{ROWS}SELECT 2;", "SELECT 1; SELECT 2;"),
        (f"{ROWS}{ROWS}SELECT 2;", "SELECT 2;"),
        ("SELECT '\n\\x';", "SELECT ' \\x';"),
        ("SELECT $a$\n\\x\nCOPY t FROM stdin;\n\\.\n$a$;", "SELECT $a$ \\x COPY t FROM stdin; \\. $a$;"),
        ("/* '\n\\x /* */\n\\y\n*/ SELECT 1;", "/* ' \\x /* */ \\y */ SELECT 1;"),
        ("-- it's\n\\x\nSELECT 1;", "-- it's SELECT 1;"),
        ("SELECT E'\\'\n\\x\n';", "SELECT E'\\' \\x ';"),
    ],
)
def test_only_what_psql_reads_is_blanked(text: str, left: str) -> None:
    result = blanked(text)
    assert " ".join(result.split()) == left
    assert (len(result), result.count("\n")) == (len(text), text.count("\n"))


def test_statements_keep_their_lines_and_those_of_no_schema_go() -> None:
    text = f"-- x\n\\restrict k\n{ROWS}CREATE TABLE t (\n a int);\nGRANT ALL ON t TO p;\n\n\nCREATE VIEW v AS\nSELECT 1"
    found = [(statement.line, statement.table, statement.optional) for statement in statements_of("x.sql", text)]
    assert found == [(7, "public.t", False), (12, "", True)]
