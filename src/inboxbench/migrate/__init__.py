"""Online migrations: operations that a live, large table survives, backfills that resume, and what runs them."""
