"""What concurrent sessions do to each other: every schedule explored, or many workers at once."""
