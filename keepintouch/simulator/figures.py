"""What a made-up council is made of: every weight in one place, each with where it comes from.

`assumed` is our own guess, to be replaced when somebody publishes better. Shares and weights need not add up to anything.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Figure(Generic[T]):
    """A value and its source: a publication, or `assumed`."""

    value: T
    source: str


_ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Every figure the simulator draws from."""

    # People
    ages: Figure[Mapping[int, float]] = Figure(
        {17: 6, 18: 22, 19: 24, 20: 22, 21: 11, 22: 6, 23: 4, 24: 3},
        "assumed from DfE 2025 (17-18 and 19-21 of each council) and support after 21 on request only, as in 2017")
    placed_ages: Figure[Mapping[int, float]] = Figure({16: 4, 17: 6}, _ASSUMED)
    qualifying: Figure[float] = Figure(0.04, _ASSUMED)
    cohorts: Figure[Weights] = Figure(
        {"uasc": 0.25, "disabled": 0.12, "parent": 0.08, "out_of_area": 0.15},
        "uasc: DfE (about a quarter of older care leavers); the others assumed")
    needs: Figure[Weights] = Figure({"standard": 76, "enhanced": 18, "high": 6}, _ASSUMED)
    no_face_to_face: Figure[float] = Figure(0.02, "assumed; that the wish exists: Ofsted, West Berkshire, 4 May 2022")

    # Homes: letters of SSDA903 ACCOM
    homes: Figure[Weights] = Figure(
        {"U": 34, "D": 15, "B": 12, "Z": 8, "C": 4, "E": 5, "K": 3, "T": 1.1, "V": 0.4, "W": 0.4, "S": 1.2, "R": 0.5, "X": 0.5,
         "G": 1, "H": 0.2, "Y": 2.4},
        "DfE 2020 (B, C, D, E, U at 19-21); Ofsted, Lancashire, 27 November 2015 (S, R, T, V, Y of 754; X comes with its own "
        "pattern, 24 of 754 in all); the others assumed")
    placements: Figure[Weights] = Figure({"": 62, "C": 22, "E": 8, "D": 8}, "assumed; a foster home has no ACCOM code")
    hostels: Figure[Weights] = Figure({"D": 50, "T": 30, "V": 20}, "assumed; SSDA903 has no code of its own for a hostel")
    hostel: Figure[Weights] = Figure({"T": 0.6, "V": 0.9, "D": 0.2}, _ASSUMED)
    provided: Figure[Weights] = Figure(
        {"D": 0.75, "E": 0.9, "T": 0.5, "V": 0.8, "W": 0.85, "C": 0.6, "U": 0.06, "K": 0.1, "Y": 0.2}, _ASSUMED)
    suitable: Figure[Weights] = Figure(
        {"S": 0, "X": 0, "W": 0.1, "V": 0.25, "K": 0.8, "Y": 0.85, "T": 0.9, "D": 0.93, "": 0.97},
        "S and X: SSDA903, which has no suitable code for them; in all about 91 %, Ofsted, Lancashire, 17 August 2018")
    moves_a_year: Figure[float] = Figure(0.5, _ASSUMED)
    moves_a_year_unsettled: Figure[float] = Figure(3.5, "assumed; very unsettled lives: Ofsted, Lancashire, 13 June 2017")
    unsettled: Figure[float] = Figure(0.05, _ASSUMED)
    unsettled_homes: Figure[Weights] = Figure(
        {"D": 20, "V": 14, "T": 12, "W": 10, "S": 14, "B": 12, "K": 10, "X": 4, "R": 4}, _ASSUMED)

    # Workers
    caseload: Figure[tuple[int, int]] = Figure((16, 22), "about 20 is manageable: Ofsted, Halton, 3 February 2015")
    heavy_caseload: Figure[tuple[int, int]] = Figure((36, 42), "over 40 is too many: Ofsted, Liverpool, 25 May 2023")
    heavy: Figure[float] = Figure(0.15, _ASSUMED)
    relies_on_texts: Figure[float] = Figure(0.25, _ASSUMED)
    replaced_in_a_year: Figure[float] = Figure(0.22, _ASSUMED)
    reallocated_in_a_year: Figure[float] = Figure(0.08, _ASSUMED)
    team: Figure[int] = Figure(8, "advisers to a manager, assumed")
    part_time: Figure[float] = Figure(0.15, _ASSUMED)

    # Contact
    written: Figure[Weights] = Figure({"text": 80, "social_media": 8, "email": 7, "letter": 5}, _ASSUMED)
    spoken: Figure[Weights] = Figure({"phone": 92, "video": 8}, _ASSUMED)
    places: Figure[Weights] = Figure(
        {"home": 60, "office": 14, "community": 18, "education": 4, "hospital": 1, "other": 3}, _ASSUMED)
    at_placement: Figure[float] = Figure(
        0.85, "of visits to looked-after young people; some workers did not know that a visit elsewhere is not a statutory one: "
        "Ofsted, Lancashire, 13 June 2017; the share is assumed")
    by_social_worker: Figure[float] = Figure(0.85, "of the same visits, assumed")
    seen_alone: Figure[float] = Figure(0.8, "of the same visits, assumed")
    face_to_face_contact: Figure[float] = Figure(0.2, "meetings kept as a contact instead of a visit, assumed")
    failed_visit: Figure[float] = Figure(0.15, _ASSUMED)
    failures: Figure[Weights] = Figure({"no_access": 60, "cancelled": 30, "refused": 10}, _ASSUMED)
    unannounced: Figure[float] = Figure(0.1, "assumed; too few, or none: Ofsted, Lancashire, 13 June 2017")
    cover: Figure[float] = Figure(0.08, "messages and calls by duty or the manager instead of the adviser, assumed")
    manager_covers: Figure[float] = Figure(0.3, "of the same, by the manager, assumed")
    strangers_duty: Figure[float] = Figure(
        0.45, "contact by duty where only strangers keep in touch; replies to texts by staff never met: Ofsted, Lancashire, "
        "27 November 2015; the share is assumed")
    duty_unnamed: Figure[float] = Figure(0.2, "contact by duty that does not say by whom, assumed")
    social_worker_writes: Figure[float] = Figure(0.5, "messages and calls to looked-after young people, assumed")
    missed_before: Figure[float] = Figure(0.25, "answered calls before which one was not, assumed")
    missed: Figure[Weights] = Figure({"no_reply": 6, "left_message": 4}, _ASSUMED)
    letters_answered: Figure[float] = Figure(0.15, "as a share of other written messages, assumed")
    visits_tried: Figure[float] = Figure(0.25, "attempts that are visits, assumed")
    doors: Figure[Weights] = Figure({"no_access": 85, "refused": 15}, _ASSUMED)
    calls_tried: Figure[Weights] = Figure({"no_reply": 70, "left_message": 25, "refused": 5}, _ASSUMED)
    inbound_written: Figure[float] = Figure(0.6, _ASSUMED)
    inbound_answered: Figure[float] = Figure(0.5, "of their calls, assumed")
    called_back_soon: Figure[float] = Figure(0.85, "missed calls returned in two days, assumed")
    new_home_visited: Figure[float] = Figure(0.6, "homes visited within days of a move, where people are seen at all, assumed")
    staff_named: Figure[float] = Figure(0.6, "records by accommodation staff that say by whom, assumed")
    staff_channels: Figure[Weights] = Figure({"face_to_face": 60, "phone": 30, "email": 10}, _ASSUMED)
    third_party_roles: Figure[Weights] = Figure({"other_professional": 75, "family": 25}, _ASSUMED)
    third_party_channels: Figure[Weights] = Figure({"phone": 55, "email": 35, "face_to_face": 10}, _ASSUMED)
    working_day: Figure[float] = Figure(0.93, _ASSUMED)
    third_party: Figure[tuple[int, int]] = Figure((70, 200), "days between records by family or other professionals, assumed")

    # Recording
    same_day: Figure[float] = Figure(0.55, _ASSUMED)
    next_day: Figure[float] = Figure(0.27, _ASSUMED)
    some_days: Figure[float] = Figure(0.12, "2 to 4 days, assumed; the rest are the tail")
    tail_days: Figure[tuple[int, int]] = Figure((5, 28), "assumed; untimely recording: Ofsted, Lancashire, 13 June 2017")
    corrected: Figure[float] = Figure(0.01, _ASSUMED)
    voided: Figure[float] = Figure(0.01, _ASSUMED)
    snapshot_same_day: Figure[float] = Figure(0.5, "changes of what is held, assumed")
    snapshot_few_days: Figure[float] = Figure(0.4, "1 to 3 days, assumed; the rest take longer")
    opt_outs: Figure[Weights] = Figure({"REFU": 45, "NREQ": 40, "RHOM": 15}, _ASSUMED)
    died: Figure[float] = Figure(0.2, "of those to whom no standard applies any more, assumed")
    never_reviewed: Figure[float] = Figure(0.15, "of overdue plans, assumed")
    offered: Figure[float] = Figure(0.9, "yearly offers made from 21 where contact is meaningful, assumed")
    offered_else: Figure[float] = Figure(0.6, "elsewhere; no regular reminder of rights: Ofsted, Harrow, 4 March 2025; assumed")
    opt_out_review: Figure[float] = Figure(0.7, "opt-outs whose review day is recorded, assumed")
    adviser_gap: Figure[float] = Figure(0.1, "changes of adviser with some days of nobody between, assumed")


FIGURES = Figures()
