"""`keepintouch demo` and `keepintouch up`: everything on this machine, with a made-up council."""
from __future__ import annotations

from keepintouch.demo.screen import Screen
from keepintouch.demo.story import tell
from keepintouch.runtime.stopping import exit_on_signals


def demo() -> None:
    """Tell the story of a county that reported 92 % in contact: on a real Kafka, in about a minute. Leaves nothing running.

    A Kafka given by KAFKA_BOOTSTRAP_SERVERS is used instead of a local one; its topics must be empty.
    """
    with exit_on_signals():
        tell(Screen())
