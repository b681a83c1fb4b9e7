"""Pipelines that come with greenroom."""
