"""A provider in memory, with a ledger: for tests of everything above the providers."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Final

from schemas.notifications import Provider
from services.notifier.channels import Accepted, LookUpFailedError, NotSent, Outcome, Outgoing, Refused, Seen, Uncertain


class ProviderStandIn:
    """`ledger`: what it accepted. Each call takes the next outcome of the script; "lost": accepted, but nobody hears of it."""

    def __init__(self, provider: Provider = "twilio") -> None:
        self.provider: Final[Provider] = provider
        self.ledger: list[Outgoing] = []
        self.calls: list[Outgoing] = []
        self.states: dict[str, Seen] = {}
        self.hidden = False
        self.away = False
        self._script: deque[Refused | NotSent | Uncertain | str | None] = deque()

    @property
    def _sid(self) -> str:
        return "SM" if self.provider == "twilio" else f"{self.provider}-"

    def next(self, *outcomes: Refused | NotSent | Uncertain | str | None) -> None:
        """The coming calls end like this."""
        self._script.extend(outcomes)

    def send(self, message: Outgoing) -> Outcome:
        self.calls.append(message)
        outcome = self._script.popleft() if self._script else None
        if isinstance(outcome, (Refused, NotSent, Uncertain)):
            return outcome
        self.ledger.append(message)
        sid = f"{self._sid}{len(self.ledger)}"
        self.states[sid] = Seen(sid, "accepted")
        return Uncertain("ReadTimeout") if outcome == "lost" else Accepted(sid)

    def find(self, message: Outgoing) -> list[Seen]:
        if self.away:
            raise LookUpFailedError("away")
        mine = [f"{self._sid}{n}" for n, sent in enumerate(self.ledger, 1) if sent.id == message.id]
        return [] if self.hidden else [self.states[sid] for sid in reversed(mine)]

    def ask(self, provider_id: str) -> Seen | None:
        if self.away:
            raise LookUpFailedError("away")
        return self.states.get(provider_id)


class Immediately(Executor):
    """Runs what it is given before it returns."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Later(Executor):
    """Runs what it was given when told to."""

    def __init__(self) -> None:
        """Nothing to run yet."""
        self._given: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._given.append((future, partial(fn, *args, **kwargs)))
        return future

    def run(self) -> int:
        """Run all; return how many that were."""
        given, self._given = self._given, []
        for future, call in given:
            future.set_result(call())
        return len(given)
