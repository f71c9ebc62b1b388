"""Whether a database's locale knows the letters that a project's queries compare without regard to case."""

from __future__ import annotations

import re
from collections.abc import Iterable

from inboxbench.database import Connection
from inboxbench.sqlfile import QueryFile

# What goes by the locale's letters: ILIKE, ~*, lower() and upper(), and the operators and functions of pg_trgm.
_BY_LETTERS = re.compile(r"\b(?:ilike|lower|upper|similarity|word_similarity|strict_word_similarity)\b|~\*|<%|%>", re.I)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
# Under LC_CTYPE C a letter outside ASCII has no other case, and no word has a trigram with one in it.
_KNOWS_LETTERS = "SELECT 'É' ILIKE 'é'"


def locale_remark(connection: Connection, queries: Iterable[QueryFile]) -> str | None:
    """A warning that names the queries for which the database's locale knows too few letters; None where all is well.

    Queries that compare no text by its letters are as right under a C locale as under any other.
    """
    names = [query.name for query in queries if _BY_LETTERS.search(_COMMENT.sub("", query.text))]
    if not names:
        return None
    row = connection.execute(_KNOWS_LETTERS).fetchone()
    if row is None or row[0]:
        return None
    return (
        f"the locale of database {connection.info.dbname!r} knows the letters of ASCII alone: in other text, ILIKE, "
        f"lower() and trigrams (pg_trgm) find too little for {', '.join(names)}; make it with LOCALE 'C.UTF-8' instead"
    )
