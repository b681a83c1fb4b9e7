"""Tests are quiet: what a runtime logs is only shown by the test that looks for it."""

from __future__ import annotations

import logging

import structlog

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
