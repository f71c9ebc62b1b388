"""A password in --server stays out of every message, also where the whole is not understood."""

from __future__ import annotations

import pytest

from inboxbench.errors import UsageError
from inboxbench.server.handle import check_reachable
from inboxbench.server.spec import parse_spec


def test_of_a_malformed_url() -> None:
    with pytest.raises(UsageError, match="URL is malformed; write postgresql://") as raised:
        check_reachable("postgresql://bob:s3c ret@127.0.0.1:1/x")
    assert "s3c" not in str(raised.value)


def test_of_an_unknown_server() -> None:
    with pytest.raises(UsageError, match=r"unknown server 'host=db \*\*\* user=bob'") as raised:
        parse_spec("host=db password=s3cret user=bob")
    assert "s3cret" not in str(raised.value)
