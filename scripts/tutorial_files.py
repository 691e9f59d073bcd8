"""Makes a council's exports up: a case-note report as Liquidlogic writes it, and Ofsted's Annex A workbook.

`python -m scripts.tutorial_files docs/tutorial/files` makes those of the tutorial. Nobody in them exists. A few cells are wrong,
as they are in life.
"""
from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from openpyxl import Workbook

from keepintouch.calendar import LONDON
from keepintouch.simulator import LANCASHIRE_2017, Simulation, simulate
from schemas.events import Contact, Person, Visit

PEOPLE, START = 30, date(2025, 9, 1)
LAST_DAY = date(2026, 11, 25)
NOTES = ("Client ID", "Case Note ID", "Case Note Type", "Contact Date", "Contact Time", "Worker ID", "Worker Role", "Outcome",
         "Seen Alone", "Date Recorded", "Note")
_TYPES = {"text": "Text message", "phone": "Telephone call", "video": "Video call", "email": "Email", "letter": "Letter",
          "social_media": "WhatsApp", "face_to_face": "Office visit", "other": "Other"}
_VISITS = {"home": "Home visit", "placement": "Placement visit", "custody": "Prison visit"}
_HOMES = {
    "B": "B: Parents/relatives", "C": "C: Community home", "D": "D: Semi-independent, transitional accommodation",
    "E": "E: Supported lodgings", "G": "G: Gone abroad", "H": "H: Deported", "K": "K: Ordinary lodgings",
    "R": "R: Residence not known", "S": "S: No fixed abode/homeless", "T": "T: Foyers", "U": "U: Independent living",
    "V": "V: Emergency accommodation", "W": "W: Bed and breakfast", "X": "X: In custody", "Y": "Y: Other accommodation",
    "Z": "Z: With former foster carers"}
_CATEGORIES = {"relevant": "a) Relevant child", "former_relevant": "b) Former relevant child",
               "qualifying": "c) Qualifying care leaver", "eligible": "d) Eligible child"}
_CODES = {"YES": "a) Yes", "NO": "b) No", "DIED": "c) Died", "REFU": "d) Refu", "NREQ": "e) NREQ", "RHOM": "f) Rhom"}
_LIST_9 = ("Child Unique ID", "Gender", "Ethnicity", "Date of Birth", "Age of Child (Years)",
           "Unaccompanied Asylum Seeking Child (UASC), or formerly UASC if 18 or over (Y/N)", "Does the Child have a Disability",
           "Allocated Team", "Allocated Worker", "Allocated Personal Advisor", "Eligibility Category",
           "Latest Pathway Plan Review Date", "LA in Touch", "Latest Date of Contact", "Type of Accommodation",
           "Suitability of Accommodation", "Activity Status")


def main() -> None:
    """Write the files of the tutorial into the folder named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    council = simulate(LANCASHIRE_2017, people=PEOPLE, start=START, days=(LAST_DAY - START).days + 1, council="madeup")
    people, records = council.as_it_stands()
    write_notes(folder / "casenotes.csv", council, records)
    write_annex_a(folder / "annex-a.xlsx", council, people, records)


def write_notes(path: Path, council: Simulation, records: list[Contact | Visit], mistakes: bool = True) -> None:
    """The case-note report, in Windows-1252 and with days as they are written in England."""
    with path.open("w", encoding="cp1252", newline="") as file:
        to = csv.writer(file)
        to.writerow(NOTES)
        for number, row in enumerate(_notes(council, records)):
            to.writerow(_mistaken(number, row) if mistakes else row)


def _notes(council: Simulation, records: list[Contact | Visit]) -> Iterator[list[str]]:
    for record in records:
        at, recorded = record.occurred_at.astimezone(LONDON), record.recorded_at.astimezone(LONDON)
        worker = "" if record.worker_ref is None else council.refs.who(record.worker_ref)[1]
        if isinstance(record, Contact):
            kind, alone = _TYPES[record.channel], ""
            kind += " received" if record.direction == "in" else ""
        else:
            kind = _VISITS.get(record.location, "Visit elsewhere")
            kind += "" if record.outcome == "seen" else f" - {_plain(record.outcome)}"
            alone = {True: "Y", False: "N", None: ""}[record.seen_alone]
        outcome = _plain(record.outcome) if isinstance(record, Contact) else ""
        yield [council.refs.who(record.person_ref)[1], record.record_id, kind, _day(at), f"{at:%H:%M}", worker,
               _plain(record.worker_role), outcome, alone, f"{_day(recorded)} {recorded:%H:%M}", ""]


def _mistaken(number: int, row: list[str]) -> list[str]:
    """A wrong cell here and there: a day that is none, a type nobody listed, a client id left out; and a note about no one."""
    if number == 150:
        return [*row[:3], "31/02/2026", *row[4:]]
    if number == 151:
        return [*row[:2], "Supervision", *row[3:]]
    if number == 152:
        return ["", *row[1:]]
    return row


def write_annex_a(path: Path, council: Simulation, people: dict[str, Person], records: list[Contact | Visit]) -> None:
    """Ofsted's workbook; only its list 9 is filled in."""
    newest = {record.person_ref: record.occurred_at for record in records}
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "List 9"
    sheet.append(list(_LIST_9))
    for ref, person in sorted(people.items(), key=lambda pair: council.refs.who(pair[0])[1]):
        if person.category == "none":
            continue
        home, adviser = person.accommodation, person.adviser_ref
        name = "" if adviser is None else council.refs.who(adviser)[1]
        contact = newest.get(ref)
        sheet.append([
            council.refs.who(ref)[1], "c) Not stated/recorded", "u) UNKNOWN", _day(person.born_on),
            (LAST_DAY - person.born_on).days // 365, "Y" if "uasc" in person.cohorts else "N",
            "Y" if "disabled" in person.cohorts else "N", person.team_ref or "", name, name, _CATEGORIES[person.category],
            "" if person.plan_reviewed_on is None else _day(person.plan_reviewed_on), _CODES[person.in_touch or "YES"],
            "" if contact is None else _day(contact.astimezone(LONDON)),
            "" if home is None or home.code is None else _HOMES[home.code],
            "" if home is None or home.suitable is None else "a) Suitable" if home.suitable else "b) Unsuitable", ""])
    book.save(path)


def _plain(code: str) -> str:
    """A code as a case system shows it: `no_reply` is `No reply`."""
    return code.replace("_", " ").capitalize()


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"


if __name__ == "__main__":
    main()
