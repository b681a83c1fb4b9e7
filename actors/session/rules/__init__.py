"""The rules: what each command causes, and when it is refused."""
