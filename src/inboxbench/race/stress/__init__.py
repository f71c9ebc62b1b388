"""Many workers at once, in processes of their own: what they committed, what they were refused, what they broke."""
