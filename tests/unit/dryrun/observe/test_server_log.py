from __future__ import annotations

import pytest

from inboxbench.dryrun.observe.server_log import check_log
from inboxbench.errors import ServerError
from inboxbench.server import parse_spec


@pytest.mark.parametrize("spec", ["container", "container:postgres:17", "postgresql://nobody:s3cret@127.0.0.1:1/x"])
def test_a_server_whose_log_is_out_of_reach_is_refused_before_it_is_started(spec: str) -> None:
    with pytest.raises(ServerError, match="out of reach; use --server embedded or bin:DIR") as raised:
        check_log(parse_spec(spec))
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("spec", ["embedded", "embedded:17", "bin:/nowhere"])
def test_a_server_of_ours_has_a_log(spec: str) -> None:
    check_log(parse_spec(spec))
