"""Pages for people. They hold no data: a script fetches it from the same API as everyone, with the person's token."""
