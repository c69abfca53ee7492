"""Apps: how they are registered and known, and what they read first: metadata, brands, style."""
