from datetime import timedelta

import pytest

from keepintouch.runtime.durations import parse_duration


@pytest.mark.parametrize(("text", "span"), [
    ("10s", timedelta(seconds=10)), ("90s", timedelta(seconds=90)), ("30min", timedelta(minutes=30)),
    ("1h", timedelta(hours=1)), ("5d", timedelta(days=5)), ("2w", timedelta(days=14)), (" 0s ", timedelta(0)),
])
def test_reads_what_people_write(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "10", "s", "10m", "1.5h", "-5d", "1h30min", "10 s", "9999999d", "٣s x"])
def test_refuses_the_rest_and_says_what_would_do(text: str) -> None:
    with pytest.raises(ValueError, match="such as 10s, 30min"):
        parse_duration(text)
