"""People: their accounts, how they sign in, the sessions of their browsers, and the pages about themselves."""
