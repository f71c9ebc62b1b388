"""What the labs of `inboxbench bench` wrote as JSON, as tables of the report."""

from inboxbench.report.labs.kinds import KINDS, kind_of, read_lab
from inboxbench.report.labs.sheet import Lab, LabTable, Row

__all__ = ["KINDS", "Lab", "LabTable", "Row", "kind_of", "read_lab"]
