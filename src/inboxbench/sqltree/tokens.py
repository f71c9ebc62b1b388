"""The words and signs of a text of SQL, with their places, by PostgreSQL's own scanner.

Places are counted in characters, although libpg_query counts bytes. What is to be reproduced exactly is cut out of the
text between two tokens; the scanner also reads texts that the grammar refuses, such as a template or one with `:name`.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import postgast
from postgast import pg_query_pb2 as pb

TokenKind = Literal["identifier", "keyword", "string", "number", "parameter", "comment", "sign"]

_KINDS: dict[int, TokenKind] = {
    pb.IDENT: "identifier",
    pb.UIDENT: "identifier",
    pb.SCONST: "string",
    pb.USCONST: "string",
    pb.BCONST: "string",
    pb.XCONST: "string",
    pb.ICONST: "number",
    pb.FCONST: "number",
    pb.PARAM: "parameter",
    pb.SQL_COMMENT: "comment",
    pb.C_COMMENT: "comment",
}
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # the server leaves other letters as they are
_DEEPEST = 3  # a literal within the body of a function within DO


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign, as it is written, from the character `start` up to `end`.

    reserved: a keyword that is no name unless it is quoted.
    """

    kind: TokenKind
    text: str
    start: int
    end: int
    reserved: bool = False

    @property
    def value(self) -> str:
        """Return a name as the catalogue has it, a keyword in lower case."""
        return unquoted(self.text)

    @property
    def content(self) -> str:
        """Return what stands between the quotes of a literal, its escapes as they are written."""
        if self.text.startswith("$"):
            tag = self.text[: self.text.index("$", 1) + 1]
            return self.text[len(tag) : -len(tag)]
        return self.text[self.text.index("'") + 1 : -1]

    def means(self, *words: str) -> bool:
        """Return whether it is one of these keywords (in lower case) or signs."""
        return self.kind in ("keyword", "sign") and self.text.translate(_FOLD) in words


def scan(text: str, *, comments: bool = False) -> tuple[Token, ...]:
    """Return the tokens of `text`; none where a quote or a comment is not closed."""
    try:
        scanned = postgast.scan(text).tokens
    except (postgast.PgQueryError, UnicodeEncodeError):
        return ()
    places = characters(text)
    tokens = (_token(text, places[token.start], places[token.end], token) for token in scanned)
    return tuple(token for token in tokens if comments or token.kind != "comment")


def _token(text: str, start: int, end: int, scanned: Any) -> Token:
    keyword = scanned.keyword_kind != pb.NO_KEYWORD
    kind = "keyword" if keyword else _KINDS.get(scanned.token, "sign")
    return Token(kind, text[start:end], start, end, keyword and scanned.keyword_kind != pb.UNRESERVED_KEYWORD)


def characters(text: str) -> Sequence[int]:
    """For each byte of the text in UTF-8, the place of its character; last, the length."""
    if text.isascii():
        return range(len(text) + 1)
    sizes = [len(sign.encode()) for sign in text]
    places = [place for place, size in enumerate(sizes) for _ in range(size)]
    return [*places, len(text)]


def flat(tokens: Sequence[Token]) -> str:
    """Tokens on one line, with a space wherever white space or a comment stood between two of them."""
    pieces: list[str] = []
    for before, token in zip((None, *tokens), tokens, strict=False):
        pieces.append(" " if before and token.start > before.end else "")
        pieces.append(token.text)
    return "".join(pieces)


def folded(text: str) -> str:
    """Return the text on one line with `?` for each constant, so that statements that differ in values alone are alike.

    >>> folded("UPDATE t\\nSET a = 'it''s', b1 = 1.5 WHERE id > 7")
    'UPDATE t SET a = ?, b1 = ? WHERE id > ?'
    """
    tokens = [replace(token, text="?") if token.kind in ("string", "number") else token for token in scan(text)]
    return flat(tokens) or " ".join(text.split())


def in_a_line(text: str, longest: int, times: int = 1) -> str:
    """Return a statement on one line of at most so many characters; one that stands for many without their values, and
    with their number behind it.

    >>> in_a_line("UPDATE t\\n SET a = 3 WHERE id = 17", 30), in_a_line("UPDATE t SET a = 3 WHERE id = 17", 20, 9_000)
    ('UPDATE t SET a = 3 WHERE id =…', 'UPDATE t SET a = ?… ×9,000')
    """
    line = " ".join((text if times == 1 else folded(text)).split())
    cut = line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"
    return cut if times == 1 else f"{cut} ×{times:,}"


def split(tokens: Sequence[Token], sign: str) -> list[list[Token]]:
    """Return the tokens between those that are this sign or keyword and stand in no parentheses or brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += token.means("(", "[") - token.means(")", "]")
        if depth == 0 and token.means(sign):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def listed(text: str) -> list[str]:
    """Return the parts of a list with commas, as they are written; nothing of an empty text.

    >>> listed('tenant, "No, 1"')
    ['tenant', '"No, 1"']
    """
    return [flat(part) for part in split(scan(text), ",") if part]


def assignments(text: str) -> dict[str, str] | None:
    """Return the values of `name = 'value', …` by name; None for a text that is something else.

    >>> assignments("app.tenant = '42', enable_sort = off")
    {'app.tenant': '42', 'enable_sort': 'off'}
    """
    values = {}
    for item in split(scan(text), ","):
        name, *given = split(item, "=")
        value = given[0] if len(given) == 1 else ()
        written = text[name[0].start : name[-1].end] if name else ""
        if not value or not all(part.isidentifier() for part in written.split(".")):
            return None
        alone = len(value) == 1 and value[0].kind == "string"
        values[written] = value[0].content.replace("''", "'") if alone else text[value[0].start : value[-1].end]
    return values


def name_parts(text: str) -> list[str]:
    """Return the parts of a qualified name, as they are written.

    >>> name_parts('app."Or.ders"')
    ['app', '"Or.ders"']
    """
    return [token.text for token in scan(text) if not token.means(".")]


def unquoted(name: str) -> str:
    """Return a name as the catalogue has it.

    >>> unquoted('Orders'), unquoted('"Or""ders"')
    ('orders', 'Or"ders')
    """
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.translate(_FOLD)


def quoted(name: str) -> str:
    """A name as SQL has to spell it, as quote_ident() of the server does.

    >>> quoted("IX_Mixed"), quoted("ix"), quoted("order")
    ('"IX_Mixed"', 'ix', '"order"')
    """
    tokens = scan(name)
    plain = len(tokens) == 1 and tokens[0].text == tokens[0].value == name and name.isascii()
    if plain and tokens[0].kind in ("identifier", "keyword") and not tokens[0].reserved:
        return name
    return '"' + name.replace('"', '""') + '"'


def placeholders(text: str) -> list[str]:
    """Return the numbers of the placeholders, each once, in the order in which they come.

    >>> placeholders("UPDATE t SET a = $2, b = $1 + $2"), placeholders("CREATE FUNCTION f(int) AS 'SELECT $1'")
    (['2', '1'], [])
    """
    if "$" not in text:
        return []
    return list(dict.fromkeys(token.text[1:] for token in scan(text) if token.kind == "parameter"))


def inlined(text: str, values: Mapping[str, str]) -> str:
    """Return the text with these values (SQL, by number) in place of its placeholders, literals and bodies left alone.

    >>> inlined("SELECT '$1', $1::INTEGER, $2", {"1": "'7'"})
    "SELECT '$1', '7'::INTEGER, $2"
    """
    if not values or "$" not in text:
        return text
    pieces, end = [], 0
    for token in scan(text):
        if token.kind == "parameter" and token.text[1:] in values:
            pieces += [text[end : token.start], values[token.text[1:]]]
            end = token.end
    return "".join(pieces) + text[end:]


def words(text: str) -> Iterator[str]:
    """Names and keywords, folded; also those in literals, for the body of a function names what it works on there."""
    return _words(text, 0)


def _words(text: str, depth: int) -> Iterator[str]:
    for token in scan(text):
        if token.kind in ("identifier", "keyword"):
            yield token.value
        elif token.kind == "string" and depth < _DEEPEST:
            yield from _words(token.content, depth + 1)
