"""People kept decoded: the latest, as many as weigh no more than they may, and nobody's reckoning beyond that."""
from __future__ import annotations

from typing import cast

from keepintouch.standards.evaluation import Reckoned
from keepintouch.standards.person import Person
from services.contact_monitor.decoded import FORGOTTEN, Decoded, LatelyHeardOf

EMPTY = Decoded(Person()).weight


def somebody() -> Decoded:
    """A decoded person about whom something was reckoned."""
    decoded = Decoded(Person())
    decoded.person.reckoned = cast(Reckoned, object())   # only whether it goes is looked at
    return decoded


def test_those_longest_unheard_of_go() -> None:
    lately = LatelyHeardOf(2 * EMPTY)
    people = {key: somebody() for key in (b"a", b"b", b"c")}
    lately.keep(b"a", people[b"a"])
    lately.keep(b"b", people[b"b"])
    lately.keep(b"a", people[b"a"])   # heard of again
    lately.keep(b"c", people[b"c"])
    assert [lately.get(key) for key in people] == [people[b"a"], None, people[b"c"]]
    assert [each.person.reckoned is None for each in people.values()] == [False, True, False]


def test_weight_is_what_it_was_when_they_came() -> None:
    lately = LatelyHeardOf(EMPTY + 1)
    grown = somebody()
    lately.keep(b"a", grown)
    grown.person.registers.update(dict.fromkeys(map(str, range(100))))   # type: ignore[arg-type]  # as many as it takes
    lately.drop(b"a")
    lately.keep(b"b", somebody())
    assert lately.get(b"b") is not None


def test_who_weighs_too_much_alone_is_not_kept() -> None:
    lately, heavy = LatelyHeardOf(EMPTY - 1), somebody()
    lately.keep(b"a", heavy)
    assert lately.get(b"a") is None
    assert heavy.person.reckoned is None


def test_all_go_at_the_end() -> None:
    lately, people = LatelyHeardOf(), [somebody() for _ in range(3)]
    for number, each in enumerate(people):
        lately.keep(b"%d" % number, each)
    lately.close()
    assert not any(each.person.reckoned for each in people)
    assert lately.get(b"0") is None


def test_of_who_is_forgotten_nothing_is_stored() -> None:
    assert Decoded(Person(), due_on=FORGOTTEN).stored() is None
    assert Decoded(Person()).stored() is not None
