"""Who may be on stage."""
