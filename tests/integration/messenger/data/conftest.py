"""The fixtures of tests.integration.seed.conftest, for the tests here."""

from tests.integration.seed.conftest import tiny

__all__ = ["tiny"]
