"""Labs: one question each, answered on data of its own: planner traps, unread counters, the N+1 page."""
