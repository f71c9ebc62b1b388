"""What each rule of the messenger costs beside its alternatives, in counters that a busy machine does not change.

counted measures an operation; posting, reading and holding hold the rules; bench runs them all.
"""

from inboxbench.messenger.costs.run import RULES, CostRow, find_rules, run_costs

__all__ = ["RULES", "CostRow", "find_rules", "run_costs"]
