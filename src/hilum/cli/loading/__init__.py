"""Loading files into a store: found, read, written through the door, remembered, reported."""
