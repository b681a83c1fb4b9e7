"""The load test: recorded dialogues, hosted as sessions."""
