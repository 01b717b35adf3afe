"""What holds for every test."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def journal_as_it_was() -> Iterator[None]:
    """A test that sets the journal up leaves none of it to the next one: its stream is closed by then."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        root = logging.getLogger()
        for handler in root.handlers[:]:
            if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
                root.removeHandler(handler)
        logging.getLogger("heliograph").setLevel(logging.NOTSET)
