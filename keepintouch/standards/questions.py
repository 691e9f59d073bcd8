"""Which records a policy looks for. However many standards ask it, each question is answered once, all in one pass.

And later only by what is new: a record that is added answers what it is the newest for, and leaves the other answers as they are.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence

from .clocks import Newest
from .history import History
from .ladder import BY_COUNCIL, RUNG_OF, Rung
from .person import Register
from .policy import Headline, Standard, Who

Kinds = frozenset[int]


class Questions:
    """The distinct questions of a policy: which is the newest record of some kinds, and by such a worker? Each is one bit.

    What is asked for is what satisfies a standard, what a `despite` counts (by whomever), and what the headlines rest on.
    """

    def __init__(self, standards: Sequence[Standard], in_touch: Headline) -> None:
        self._bits: dict[tuple[Kinds, Who], int] = {}
        self._of_kind: dict[int, int] = {}
        self._by_known = self._by_adviser = 0
        self.in_touch = self._ask(frozenset(n for n in BY_COUNCIL if RUNG_OF[n] >= in_touch.rung), Who.ANY)
        self.meaningful = (self._ask(frozenset(n for n in BY_COUNCIL if RUNG_OF[n] >= Rung.SEEN), Who.ANY)
                           | self._ask(frozenset(n for n in BY_COUNCIL if RUNG_OF[n] is Rung.SPOKE), Who.KNOWN))
        """Two questions: seen, or spoken with by someone known."""
        self._of_needs = {s.place: self._ask(s.needs.kinds, s.needs.by) for s in standards if s.needs is not None}
        self._of_despite = {s.place: self._ask(s.despite.kinds, Who.ANY) for s in standards if s.despite is not None}

    def needed(self, standard: Standard) -> int:
        """The question for the newest record that satisfies; 0 where none is needed."""
        return self._of_needs.get(standard.place, 0)

    def meanwhile(self, standard: Standard) -> int:
        """The question for the newest record that its `despite` counts; 0 without one."""
        return self._of_despite.get(standard.place, 0)

    def answer(self, history: History, wanted: int) -> dict[int, Newest]:
        """The newest record that answers each wanted question; a question that none answers is left out."""
        answers: dict[int, Newest] = {}
        for register in reversed(history.records):
            if self._of_kind.get(register.kind, 0) & wanted and (hit := self._answered_by(register, history, wanted)):
                found = Newest(register, register.day)
                wanted ^= hit
                while hit:
                    question = hit & -hit
                    answers[question] = found
                    hit ^= question
                if not wanted:
                    break
        return answers

    def days(self, history: History, wanted: int) -> list[int]:
        """The day of every record that answers any of some questions, oldest first."""
        return [register.day for register in history.records
                if self._of_kind.get(register.kind, 0) & wanted and self._answered_by(register, history, wanted)]

    def answer_anew(self, history: History, came: Iterable[Register], wanted: int, answers: dict[int, Newest]) -> int:
        """Let records that have come answer what they are newest for; returns the questions that any of them is an answer to."""
        found = 0
        for register in came:
            if hit := self._answered_by(register, history, wanted):
                found |= hit
                newest = Newest(register, register.day)
                while hit:
                    question = hit & -hit
                    held = answers.get(question)
                    if held is None or held.register.occurred_at < register.occurred_at:
                        answers[question] = newest
                    hit ^= question
        return found

    def _answered_by(self, register: Register, history: History, wanted: int) -> int:
        hit = self._of_kind.get(register.kind, 0) & wanted
        if hit & self._by_known and not history.known(register):
            hit &= ~self._by_known
        if hit & self._by_adviser and register.worker != history.adviser:
            hit &= ~self._by_adviser
        return hit

    def _ask(self, kinds: Kinds, by: Who) -> int:
        bit = self._bits.get((kinds, by))
        if bit is None:
            bit = self._bits[kinds, by] = 1 << len(self._bits)
            self._by_known |= bit if by is Who.KNOWN else 0
            self._by_adviser |= bit if by is Who.ADVISER else 0
            for kind in kinds:
                self._of_kind[kind] = self._of_kind.get(kind, 0) | bit
        return bit


