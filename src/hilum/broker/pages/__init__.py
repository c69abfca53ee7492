"""The browser's side of the broker: ways to an EHR's sign-in and back, and the pages of who has signed in."""
