"""The councils that can be made up: how many people, over which days, with which patterns in which shares."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from keepintouch.simulator.figures import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A council to be made up. `shares` are per cent of the people by pattern; `plans_in_date` of those with a plan duty."""

    name: str
    title: str
    council: str
    people: Figure[int]
    start: date                     # first day of history
    days: int                       # days of history
    shares: Figure[Mapping[str, float]]
    plans_in_date: Figure[float]
    closes_cases: bool              # those out of touch from 21 lose their adviser
    has_cast: bool = False          # the people of `keepintouch.simulator.cast` are among them


LANCASHIRE_2017 = Scenario(
    name="lancashire-2017", title="A county whose headline was 92 %: the year to 28 February 2017", council="lancashire",
    people=Figure(750, "754 care leavers: Ofsted, Lancashire, 27 November 2015"),
    start=date(2016, 3, 1), days=365,
    shares=Figure(
        {"placed": 11, "well_served": 30, "phone_led": 15, "hostel_supported": 5, "custody_visited": 2.5,
         "stale": 5, "text_only": 8.5, "text_strangers": 6, "hostel_left_to_staff": 2, "strangers_only": 5, "attempts_only": 2,
         "drifting": 4.5, "opted_out": 2.3, "lost": 1.2, "out_of_scope": 0.6},
        "92 % in contact: Ofsted, Lancashire, 13 June 2017; how the rest divides is assumed"),
    plans_in_date=Figure(0.94, "Ofsted, Lancashire, 13 June 2017"), closes_cases=False, has_cast=True)

TYPICAL = Scenario(
    name="typical", title="An ordinary council of about 300 care leavers", council="typical",
    people=Figure(300, "assumed from DfE 2025: the median council has 206 aged 19-21 and 76 aged 17-18"),
    start=date(2025, 4, 1), days=365,
    shares=Figure(
        {"placed": 12, "well_served": 40, "phone_led": 18, "hostel_supported": 5, "custody_visited": 2.5,
         "stale": 5, "text_only": 3, "text_strangers": 1.5, "hostel_left_to_staff": 0.7, "strangers_only": 2, "attempts_only": 2,
         "drifting": 4, "opted_out": 3, "lost": 1.3, "out_of_scope": 0.6},
        "about 91 % in touch in England: DfE 2020-21; how it divides is assumed"),
    plans_in_date=Figure(0.9, "assumed"), closes_cases=True)

LARGE = Scenario(
    name="large", title="A large county of about 1,700 care leavers", council="large",
    people=Figure(1700, "assumed from DfE 2025: the largest council, Kent, has 1,191 aged 19-21"),
    start=date(2025, 4, 1), days=365, shares=TYPICAL.shares, plans_in_date=TYPICAL.plans_in_date, closes_cases=True)

PRESETS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in (LANCASHIRE_2017, TYPICAL, LARGE)}
