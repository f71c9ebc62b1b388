"""The fixtures of tests.integration.bench.conftest, for the tests here."""

from tests.integration.bench.conftest import _late, _stripped, filled, lab, late_lab, own_project

__all__ = ["_late", "_stripped", "filled", "lab", "late_lab", "own_project"]
