"""Who may come in: the ways in which a request shows who sends it."""
