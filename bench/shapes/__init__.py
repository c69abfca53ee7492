"""Query shapes: many ways to search, each measured at 10 thousand, 100 thousand and a million resources."""
