"""No password is ever shown: neither by what is printed instead of a connection string, nor in the text of others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench import credentials
from inboxbench.credentials import (
    UNREADABLE,
    masked,
    masked_arguments,
    masked_json,
    named,
    parts_of,
    place,
    remember_arguments,
)


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    credentials._known.clear()
    yield
    credentials._known.clear()


@pytest.mark.parametrize(
    ("conninfo", "shown"),
    [
        ("postgresql://me:s3cret@db.example:5433/prod?sslmode=require", "db.example:5433/prod"),
        ("host=db password='s3 cret' dbname=d", "db/d"),
        ("postgresql://u@/d?password=s3cret&host=/run/x", "/run/x/d"),
        ("postgresql://s3cret@db/a%40b", "db/a@b"),
        ("postgresql://bob:pa@ss/s3cret@127.0.0.1:1/x", UNREADABLE),
        ("postgresql://bob:12/s3cret@db/x", UNREADABLE),
        ("postgresql://bob:12?s3cret@db/x", UNREADABLE),
        ("postgresql://bob:s3c%ret@db/x", UNREADABLE),
        ("postgres:s3cret@host/db", UNREADABLE),
        ("host=x password='s3cret", UNREADABLE),
    ],
)
def test_what_is_shown_of_a_connection_string(conninfo: str, shown: str) -> None:
    assert place(conninfo) == shown


@pytest.mark.parametrize("value", ["host=db password=s3cret", "bob:s3cret@db", "postgresql://bob:s3cret@db/x"])
def test_a_name_that_may_be_a_connection_string_is_not_repeated(value: str) -> None:
    assert named(value, "--database") == "the value of --database"
    assert named("shop two", "--database") == "'shop two'"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host=db password=s3cret user=bob", "host=db password=*** user=bob"),
        ("host=db password = 's3 cret' user=bob", "host=db password = *** user=bob"),
        ("host=db password='s3 cret", "host=db password=***"),
        ("postgresx://bob:s3cret@db/x", "postgresx://bob:***@db/x"),
        ("postgresql//bob:s3@cret@db/x", "postgresql//bob:***@db/x"),
        ("bob:s3/cret@db", "bob:***@db"),
        ("postgres:s3cret@host/db", "postgres:***@host/db"),
        ("postgresql://h/d?sslpassword=s3cret&user=u", "postgresql://h/d?sslpassword=***&user=u"),
        ("CREATE ROLE bob PASSWORD 's3 cret'", "CREATE ROLE bob PASSWORD ***"),
        ("{'user': 'u', 'password': 's3 cret'}", "{'user': 'u', 'password': ***}"),
        (r"unknown 'host=x password=\'s3 cret\' dbname=d'", "unknown 'host=x password=*** dbname=d'"),
        ("embedded:a", "embedded:a"),
        ("shop", "shop"),
    ],
)
def test_no_password_is_shown(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("postgresql://bench:s3cret@db.example:5432/app", "postgresql://bench:***@db.example:5432/app"),
        ("postgresql+psycopg://u:p@ss@host/db", "postgresql+psycopg://u:***@host/db"),
        ("see postgres://u:p@h/d and postgres://a:b@h/d", "see postgres://u:***@h/d and postgres://a:***@h/d"),
        ("host=h password=s3cret dbname=d", "host=h password=*** dbname=d"),
        ("password = 'two words' user=u", "password = *** user=u"),
        (
            "postgresql://h/d?user=u&password=s3cret&sslmode=require",
            "postgresql://h/d?user=u&password=***&sslmode=require",
        ),
        ("PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"),
    ],
)
def test_passwords_are_masked(text: str, safe: str) -> None:
    assert masked(text) == safe


@pytest.mark.parametrize(
    "text",
    ["postgresql://bench@db/app", "password_encryption=scram-sha-256", "mail to a@b.example, 12:30", "http://h:80/a"],
)
def test_the_rest_is_left_alone(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "text",
    ["/etc/passwd: is a directory", "open '/run/secret: no such file'", r"no password", "~/.pgpass and /pwd: denied"],
)
def test_a_path_is_no_secret(text: str) -> None:
    assert masked(text) == text
    assert masked("https://h/x?password=s3cret&y and /passwd=s3cret") == "https://h/x?password=***&y and /passwd=***"


def test_every_string_of_a_document_is_reached() -> None:
    document = {"a": [{"b": "postgresql://u:pw@h/d"}], "postgresql://u:pw@h/d": 1, "password": "pw", "n": 3, "x": None}
    assert masked_json(document) == {
        "a": [{"b": "postgresql://u:***@h/d"}],
        "postgresql://u:***@h/d": 1,
        "password": "***",
        "n": 3,
        "x": None,
    }


@given(
    user=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    password=st.from_regex(r"Q[A-Za-z0-9@:!$%&*+=~-]{6,20}Z", fullmatch=True),
    host=st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,5})?", fullmatch=True),
)
def test_no_password_of_a_url_survives(user: str, password: str, host: str) -> None:
    assert password not in masked(f"cannot reach postgresql://{user}:{password}@{host}:5432/db: refused")


@pytest.mark.parametrize(
    ("argument", "pieces"),
    [
        ("postgresql://u:Can ary1 Two2@h/d", ["Can ary1 Two2", "Can%20ary1%20Two2"]),
        ("postgresql://u:Can@Ary1/Two2@h/d", ["Can@Ary1/Two2", "Ary1", "Two2"]),
        ("--server=postgres:Canary1@host/db", ["Canary1"]),
        ("host=x password='Can ary1' dbname=d", ["Can ary1"]),
        ("postgresql://h/d?pass%77ord=Canary1", ["Canary1"]),
        ("postgresql://u:Can%40ary@h/d", ["Can@ary", "Can%40ary"]),
    ],
)
def test_a_secret_once_seen_is_masked_wherever_it_stands(argument: str, pieces: list[str]) -> None:
    remember_arguments([argument])
    for piece in pieces:
        assert piece not in masked(f"some program said that {piece} is wrong")


def test_a_word_that_stands_elsewhere_too_is_not_masked() -> None:
    remember_arguments(["postgresql://postgres:postgres@localhost:5432/shop", "SELECT '{}'::jsonb @> x"])
    assert (
        masked("postgres is the role of shop on port 5432, ::jsonb")
        == "postgres is the role of shop on port 5432, ::jsonb"
    )


def test_a_command_line_names_places() -> None:
    arguments = [
        "bench",
        "--database",
        "postgresql://bob:s3cret@db/x",
        "--server=postgresql://s3cret@db:1/y",
        "--seed",
        "1",
    ]
    assert masked_arguments(arguments) == ["bench", "--database", "db/x", "--server=db:1/y", "--seed", "1"]


@given(text=st.text(max_size=60))
def test_any_text_is_taken(text: str) -> None:
    remember_arguments([text])
    place(text)
    parts_of(text)
    assert isinstance(masked(text), str)
