"""Pages for those who run the server: apps, people, what was allowed, and who saw what."""
