"""A password in --server stays out of every message, also where the whole is not understood."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.server.handle import Binaries, Container, check_reachable, check_url, parse_spec, without_password


def test_of_a_malformed_url() -> None:
    with pytest.raises(UsageError, match="URL is malformed; write postgresql://") as raised:
        check_reachable("postgresql://bob:s3c ret@127.0.0.1:1/x")
    assert "s3c" not in str(raised.value)


@pytest.mark.parametrize("secret", ["s3cr%et", "s3c/ret", "s3c@r/et"])
def test_of_a_url_whose_password_breaks_it(secret: str) -> None:
    """Before anybody connects: the driver would quote a piece of it."""
    with pytest.raises(UsageError, match="the URL of --database is malformed") as raised:
        check_url(f"postgresql://bob:{secret}@127.0.0.1:1/x", "the URL of --database")
    assert "s3c" not in str(raised.value)


def test_of_a_program_that_gets_a_url() -> None:
    target, environment = without_password("postgresql://bob:s3cret@127.0.0.1:1,2/x?sslmode=prefer")
    check_url("postgresql://bob:s3cret@one,two:1,2/x", "it")
    check_url("postgresql://bob:s3cret@db/a%40b", "it")
    assert "s3cret" not in target
    assert "sslmode=prefer" in target
    assert environment["PGPASSWORD"] == "s3cret"


@pytest.mark.parametrize(
    "text",
    ["host=db password=s3cret user=bob", "postgres:s3cret@host/db", "s3cret", "host=x password='a s3cret' dbname=d"],
)
def test_of_an_unknown_server(text: str) -> None:
    with pytest.raises(UsageError, match="the value of --server names no server") as raised:
        parse_spec(text)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "bin:postgresql://bob:s3cret@db/x",
        "container:postgres://bob:s3cret@db/x",
        "bin:host=db password=s3cret",
        "container:password='a s3cret' host=db",
        "postgresql://bob:s3c/ret@db/s3cret@x",
    ],
)
@pytest.mark.parametrize("where", ["the value of --server", "/shop/pyproject.toml [tool.inboxbench] server"])
def test_a_connection_string_in_a_wrong_place_is_not_repeated(text: str, where: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_spec(text, where)
    assert str(raised.value).startswith(where)
    assert not re.search("s3c|bob|db/", str(raised.value))


def test_paths_and_images_of_any_look_are_taken() -> None:
    assert parse_spec("bin:/opt/a=b/bin") == Binaries(Path("/opt/a=b/bin"))
    assert parse_spec("container:registry:5000/pg@sha256:00") == Container("registry:5000/pg@sha256:00")


def test_the_server_that_was_meant_is_named() -> None:
    with pytest.raises(UsageError, match="did you mean embedded"):
        parse_spec("embeded:17")


def test_a_password_that_only_arguments_could_carry_is_refused() -> None:
    with pytest.raises(UsageError, match="sslpassword") as raised:
        without_password("postgresql://bob@db/x?sslpassword=s3cret")
    assert "s3cret" not in str(raised.value)
