"""What a library gives up without telling us must end the process: its supervisor starts another."""
from __future__ import annotations

import logging
from pathlib import Path

import pytest

from services.contact_monitor import main


def said(message: str) -> logging.LogRecord:
    return logging.LogRecord("aiokafka.consumer.fetcher", logging.ERROR, __file__, 1, message, (), None)


def test_a_consumer_that_has_ceased_to_fetch_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are aiokafka's: if they change, this must be looked at again."""
    from aiokafka.consumer import fetcher

    words = "Unexpected error in fetcher routine"
    assert words in Path(fetcher.__file__).read_text()
    ended: list[str] = []
    monkeypatch.setattr(main, "fail_stop", lambda event, error: ended.append(event))
    assert main.stop_if_fetching_has_ended(said("Failed fetch messages from 1"))
    assert ended == []
    main.stop_if_fetching_has_ended(said(words))
    assert ended == ["fetching_has_ended"]
