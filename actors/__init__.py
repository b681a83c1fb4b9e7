"""What a session is, and how it runs."""
