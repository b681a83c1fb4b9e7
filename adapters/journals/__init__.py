"""Journals: where sessions are kept."""
