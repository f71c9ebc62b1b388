"""What concurrent writers do to each other: strategies, stress, and the proof of what went wrong."""

from inboxbench.race.result import RaceResult, require_safe
from inboxbench.race.strategies import STRATEGIES, Attempt, Strategy, find_strategy
from inboxbench.race.stress import run_races

__all__ = ["STRATEGIES", "Attempt", "RaceResult", "Strategy", "find_strategy", "require_safe", "run_races"]
