"""`keepintouch erase` up to the broker: what it takes, what it asks, and when it says that somebody is forgotten."""
from __future__ import annotations

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from keepintouch.erasure import SOURCE, Memory, Traces, erasure
from keepintouch.standards import stored
from keepintouch.standards.person import Person
from schemas.events import CloudEvent
from tests.reference.command import Ran, keepintouch
from tests.unit.contact_monitor.events import REF, person, seen

AT = datetime(2024, 2, 20, 12, tzinfo=UTC)
NO_BROKER = "Kafka does not answer at 127.0.0.1:1"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.delenv("COUNCILS_FILE", raising=False)


def erase(*arguments: str, stdin: bytes = b"") -> Ran:
    return keepintouch("erase", *arguments, stdin=stdin)


class TestWhatItTakes:
    @pytest.mark.parametrize(("arguments", "says"), [
        (("lancashire:p001",), "there is no terminal to ask at: add --yes if it is meant"),
        (("lancashire", "--yes"), "that is no person's ref"),
        (("lancashire:p 001", "--yes"), "that is no person's ref"),
        (("lancashire:" + "x" * 65, "--yes"), "that is no person's ref"),
        (("essex:p001", "--yes"), "the council of that ref is not in the councils file"),
        (("lancashire:p001", "--yes", "--recorded-at", "yesterday"), "--recorded-at 'yesterday' is no instant"),
        (("lancashire:p001", "--yes", "--recorded-at", "2024-02-20T12:00:00"), "write it with an offset"),
        (("lancashire:p001", "--yes", "--recorded-at", "2999-01-01T00:00:00Z"), "cannot be: data.recorded_at: more than"),
        (("lancashire:p001", "--yes", "--within", "a while"), "--within: 'a while' is not a duration"),
        (("lancashire:p001", "--yes", "--councils", "nowhere.yaml"), "set COUNCILS_FILE to your councils file"),
        (("lancashire:p001", "--yes"), NO_BROKER)])
    def test_what_cannot_be_is_one_line_that_does_not_repeat_the_ref(self, arguments: tuple[str, ...], says: str) -> None:
        ran = erase(*arguments)
        assert (ran.status, ran.out) == (2, "")
        assert says in ran.err
        assert ran.err.count("\n") == 1
        assert "p001" not in ran.err
        assert "xxx" not in ran.err

    @pytest.mark.parametrize(("stdin", "says"), [
        (b"lancashire:p001\n", NO_BROKER), (b"  lancashire:p001", NO_BROKER), (b"p001\n", "that is no person's ref"),
        (b"", "should hold one ref, and holds 0"), (b"lancashire:p001\nlancashire:p002\n", "should hold one ref, and holds 2")])
    def test_a_ref_may_come_by_a_pipe(self, stdin: bytes, says: str) -> None:
        ran = erase("-", "--yes", stdin=stdin)
        assert (ran.status, ran.out) == (2, "")
        assert says in ran.err
        assert "p001" not in ran.err


@pytest.mark.slow
class TestWhatItAsks:
    @pytest.mark.parametrize(("answer", "status", "says"), [
        ("n", 1, "nothing was done"), ("", 1, "nothing was done"), ("y", 2, NO_BROKER)])
    def test_a_terminal_is_asked(self, answer: str, status: int, says: str) -> None:
        found, text = at_a_terminal("erase", "lancashire:p001", typed=[answer])
        assert "forget lancashire:p001? [y/N]" in text
        assert (found, says in text) == (status, True)

    def test_the_ref_may_be_typed_there(self) -> None:
        status, text = at_a_terminal("erase", "-", typed=["lancashire:p007", "n"])
        assert "ref: " in text
        assert "forget lancashire:p007? [y/N]" in text
        assert (status, "nothing was done" in text) == (1, True)


def at_a_terminal(*arguments: str, typed: list[str]) -> tuple[int, str]:
    """Exit status, and what stood on the terminal."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen([sys.executable, "-c", "from keepintouch.cli import main; main()", *arguments],
                              stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
            os.close(theirs)
            os.write(ours, "".join(f"{line}\n" for line in typed).encode())
            text = b""
            try:
                while part := os.read(ours, 4096):
                    text += part
            except OSError:   # the other side has closed
                pass
            return process.wait(30), text.decode()
    finally:
        os.close(ours)


class TestTheEvent:
    def test_the_same_person_and_instant_are_the_same_event(self) -> None:
        one, same = erasure(REF, AT), erasure(REF, AT.astimezone(None))
        assert one == same
        assert len({one.id, erasure(REF, AT + timedelta(microseconds=1)).id, erasure("lancashire:p002", AT).id}) == 3
        assert (one.source, one.subject, one.type) == (SOURCE, REF, "care.person-erased.v1")
        assert REF not in one.id


def folded(*events: dict[str, object]) -> bytes:
    """The stored form of a person of whom this was said."""
    found = Person()
    for each in events:
        event = CloudEvent.model_validate(each)
        found.fold(event.id, event.data)
    return stored.dump(found)


KNOWN = folded(person(), seen("2024-02-10"))
ERASED = erasure(REF, AT).model_dump(mode="json")
KEY = REF.encode()


class TestTraces:
    def test_nothing_is_done_while_the_state_says_nothing(self) -> None:
        traces = Traces(REF, AT)
        assert not traces.settled
        traces.state(KEY, KNOWN)
        traces.state(b"lancashire:p002", folded(ERASED))
        assert (traces.memory, traces.settled) == (Memory.NOT_ERASED, False)
        traces.state(KEY, None)
        assert not traces.settled, "forgotten long ago, and this erasure not yet seen"

    def test_done_is_when_state_and_alerts_are_gone(self) -> None:
        traces = Traces(REF, AT)
        traces.alert(b"a", b'{"person_ref":"lancashire:p001"}')
        traces.alert(b"b", b'{"person_ref":"lancashire:p001"}')
        traces.alert(b"c", b'{"person_ref":"lancashire:p0011"}')
        traces.alert(b"d", b'{"person_ref":"lancashire:p002","note":"lancashire:p001"}')
        traces.state(KEY, folded(person(), seen("2024-02-10"), ERASED))
        assert (traces.memory, traces.standing, traces.settled) == (Memory.FORGOTTEN, {b"a", b"b"}, False)
        traces.alert(b"a", None)
        traces.alert(b"c", None)
        assert not traces.settled
        traces.alert(b"b", None)
        assert (traces.done, traces.gone) == (True, {b"a", b"b"})

    def test_an_earlier_erasure_is_not_this_one_but_a_later_one_is(self) -> None:
        traces = Traces(REF, AT)
        traces.state(KEY, folded(erasure(REF, AT - timedelta(seconds=1)).model_dump(mode="json")))
        assert traces.memory is Memory.NOT_ERASED
        traces.state(KEY, folded(erasure(REF, AT + timedelta(days=1)).model_dump(mode="json")))
        assert traces.done

    @pytest.mark.parametrize("later", [person(recorded_at="2024-02-20T12:00:01Z"), seen("2024-02-20")])
    def test_who_was_spoken_of_since_is_not_forgotten(self, later: dict[str, object]) -> None:
        traces = Traces(REF, AT)
        traces.state(KEY, folded(person(), ERASED, later))
        assert (traces.memory, traces.settled, traces.done) == (Memory.SPOKEN_OF_SINCE, True, False)

    def test_a_state_of_another_version_is_not_guessed_at(self) -> None:
        with pytest.raises(stored.StoredFormError):
            Traces(REF, AT).state(KEY, b"\xff" + KNOWN[1:])
