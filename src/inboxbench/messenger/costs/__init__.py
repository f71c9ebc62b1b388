"""What each rule, counter and page of the messenger costs beside its alternatives, in counters that a busy machine does
not change: one office, one way to measure."""
