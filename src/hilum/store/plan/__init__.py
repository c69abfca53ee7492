"""Planning of searches: the same for every store, and without any input or output."""
