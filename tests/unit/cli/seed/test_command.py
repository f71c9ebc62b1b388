"""--messages as people write it, and what is no number of messages."""

from __future__ import annotations

import click
import pytest

from inboxbench.cli.seed.command import Amount


@pytest.mark.parametrize(("text", "count"), [("7e6", 7_000_000), ("20_000", 20_000), ("1", 1)])
def test_amounts(text: str, count: int) -> None:
    assert Amount().convert(text, None, None) == count


@pytest.mark.parametrize("text", ["inf", "nan", "1e400", "0", "-5", "1.5", "many", ""])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a"):
        Amount().convert(text, None, None)
