"""The fixtures of tests.unit.report.conftest, for the tests here."""

from tests.unit.report.conftest import run

__all__ = ["run"]
