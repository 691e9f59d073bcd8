"""The sections of the page that are about the data itself, and what follows from the rules."""
from __future__ import annotations

from collections import Counter

from keepintouch.standards import sentences

from .analysis import Report
from .comparing import Comparison
from .disclosure import SMALLEST, Disclosure
from .layout import table, when
from .markup import Child, tag
from .measures import Measure
from .quality import DOUBT_WORDS
from .words import HIDDEN, NOT_SHOWN, meaning, number, people, share

_MOST_ROWS = 500
"""Rejected rows on the page; the CSV file has all."""


def due(report: Report, disclosure: Disclosure) -> Child:
    """What falls due soon, day by day."""
    if not report.due:
        return tag("p", "Nothing falls due in the next two weeks.")
    who = {one.ref for one, _ in report.due}
    if disclosure.count(len(who), report.people) is None:
        return tag("p", f"Not shown: {HIDDEN}.")
    aside = [() if disclosure.published else (one.adviser or "no adviser",) for one, _ in report.due]
    rows = [(disclosure.name(one), *more, sentences.rule(each.rule), when(each.due_on, disclosure),
             "its day has passed, the alert waits" if each.due_on < report.today else "")
            for (one, each), more in zip(report.due, aside, strict=True)]
    head = ("Young person", *(() if disclosure.published else ("Adviser",)), "Would be", "Due", "Note")
    return [tag("p", f"For {people(len(who))} something falls due by then. Done in time, it never becomes an alert."),
            table("Due soon", head, rows)]


def compared(report: Report, comparison: Comparison, disclosure: Disclosure) -> Child:
    """Two policies side by side."""
    mine, other = comparison.mine, comparison.other
    people_in = report.people
    rows = [(sentences.rule(rule), number(disclosure.count(mine.by_rule.get(rule, 0), people_in)),
             number(disclosure.count(other.by_rule.get(rule, 0), people_in)))
            for rule in sorted({*mine.by_rule, *other.by_rule}, key=lambda rule: (-mine.by_rule.get(rule, 0), rule))]
    months = [(f"{month:%b %Y}", number(disclosure.count(mine.opened[month], people_in)),
               number(disclosure.count(other.opened[month], people_in))) for month in mine.opened]
    names = (mine.policy.id, other.policy.id)
    flagged = [("Flagged today", number(disclosure.count(len(mine.flagged), people_in)),
                number(disclosure.count(len(other.flagged), people_in))),
               ("Flagged by this policy alone", number(disclosure.count(len(mine.flagged - other.flagged), people_in)),
                number(disclosure.count(len(other.flagged - mine.flagged), people_in)))]
    shown = [tag("p", comparison.sentence),
             table("Young people flagged", ("Who", *names), flagged, (1, 2)),
             table("Young people flagged today, by rule", ("Rule", *names), rows, (1, 2)),
             table("Alerts that would have opened, by month", ("Month", *names), months, (1, 2))]
    if not disclosure.published:
        shown += [table(f"Flagged by {name} alone", ("Young person", "Rules"), [
            (one.name, ", ".join(sentences.rule(rule) for rule in rules)) for one, rules in alone])
            for name, alone in zip(names, comparison.alone(report), strict=True) if alone]
    return shown


def lag(report: Report, disclosure: Disclosure) -> Child:
    """How long after a contact it is typed up."""
    found = report.lags
    if not found.records:
        return tag("p", "No record says when it was typed up, so this cannot be told.")
    rows = [(f"{name[0].upper()}{name[1:]}", number(disclosure.count(count, found.records)),
             share(disclosure.count(count, found.records), found.records)) for name, count in found.bands.items()]
    head = ("Typed up", "Records", "Share")
    return [tag("p", "What is typed up late is told late: until then a visit that was made looks as if it was missed. "
                "Only records that say when they were typed up are counted here."),
            table(f"{found.records:,} contacts and visits, by when they were typed up", head, rows, (1, 2))]


def unseen(report: Report, disclosure: Disclosure) -> Child:
    """What cannot be told."""
    lines = [f"{each.text[0].upper()}{each.text[1:]}: not told, since {each.why}."
             + ("" if each.whole else " Other standards of the same rule still are.") for each in report.blind]
    lines += [f"{sentences.rule(rule)}: not known for {people(disclosure.count(count, report.people))}, since a feed is behind."
              for rule, count in report.unknown.items() if rule not in report.yardstick.policy.cannot_see]
    lines += report.never_told
    lines += ["Whether a message was read, whether a meeting was any use, and what was never written down.",
              "Who was closed and left the files before they were made: they are in no figure here."]
    return tag("ul", [tag("li", line) for line in lines])


def data_quality(report: Report, disclosure: Disclosure) -> Child:
    """What is filled in, and what contradicts itself."""
    found = report.quality
    filled = [(each.what, *_of(disclosure.count(each.have, each.of), each.of)) for each in found.filled]
    doubts = [(DOUBT_WORDS[doubt], number(count if not disclosure.published or count >= SMALLEST else None))
              for doubt, count in sorted(found.by_doubt.items(), key=lambda pair: -pair[1])]
    none = disclosure.count(found.without_record, report.people)
    return [
        table("What is filled in", ("What", "Filled in", "Of", "Share"), filled, (1, 2, 3)),
        tag("p", f"No contact, visit or attempt at all is recorded of {people(none)} in scope."),
        table("What contradicts itself", ("Contradiction", "Times"), doubts, (1,)) if doubts else tag(
            "p", "Nothing contradicts itself."),
        None if disclosure.published else tag("p", "Each of them, with its person and record: quality.csv (--csv).")]


def _of(have: int | None, of: int) -> tuple[str, str, str]:
    return number(have), number(of), share(have, of)


def rejected(report: Report, disclosure: Disclosure) -> Child:
    """Every row that was left out, and why."""
    found, skipped = report.material.rejected, sum(each.skipped for each in report.material.sources)
    meant = f" Besides, the mapping leaves {skipped:,} out." if skipped else ""
    if not found:
        return tag("p", f"None: every row was taken in.{meant}")
    rows = [(file, column, reason, number(count))
            for (file, column, reason), count in Counter((each.file, each.column, each.reason) for each in found).most_common()]
    many = "row was" if len(found) == 1 else "rows were"
    shown = [tag("p", f"{len(found):,} {many} not taken in. Nothing else was dropped.{meant}"),
             table("By reason", ("File", "Column", "Reason", "Rows"), rows, (3,))]
    if not disclosure.published:
        listed = [(each.file, str(each.row), each.column, each.value, each.reason) for each in found[:_MOST_ROWS]]
        shown.append(table("The rows", ("File", "Row", "Column", "Value", "Reason"), listed, (1,)))
        if len(found) > _MOST_ROWS:
            shown.append(tag("p", f"The first {_MOST_ROWS:,} are shown; rejected.csv (--csv) has all."))
    return shown


def method(report: Report, disclosure: Disclosure) -> Child:
    """Which files, which policy, which assumptions."""
    sources = [(each.file, each.holds, number(each.rows)) for each in report.material.sources]
    gone = disclosure.count(report.out_of_scope, report.out_of_scope + report.people)
    lines = [
        *[meaning(report, measure) for measure in Measure],
        f"{people(gone)} in the files {'is' if gone == 1 else 'are'} out of scope on this day: "
        "under 16, 25 or over, in no leaving-care category, or dead.",
        "Young people who have opted out, for now, are counted in the figures; most rules leave them alone until the opt-out "
        "is to be looked at again.",
        "A worker has met someone from the first time they saw them, in whatever role. Without a worker's id a record counts as "
        "by somebody they had not met.",
        "Records by family, accommodation staff and other professionals are kept, but satisfy nothing.",
        *report.material.notes]
    if disclosure.published:
        lines.append(f"Pseudonyms are drawn anew for each report. Counts under {SMALLEST}, and those that leave fewer than "
                     f"{SMALLEST} over, are not shown ({NOT_SHOWN}), nor days.")
    return [table("What was read", ("File", "Holds", "Rows"), sources, (2,)), tag("ul", [tag("li", line) for line in lines])]
