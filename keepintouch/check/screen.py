"""The report in a terminal: the figures, their course, what is overdue, and what the data cannot show."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.bar import Bar
from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from keepintouch.standards import sentences

from .analysis import Report
from .comparing import Comparison
from .disclosure import INSIDE, Disclosure
from .measures import Measure
from .page import headline
from .quality import DOUBT_WORDS
from .words import MEASURES, meaning, number, people, share, times

_COLOURS = {Measure.IN_TOUCH: "blue", Measure.MEANINGFUL: "red", Measure.SEEN: "green"}
_STEPS = "▁▂▃▄▅▆▇█"
_MOST_RULES, _MOST_REASONS = 12, 5


def show(console: Console, report: Report, disclosure: Disclosure = INSIDE, comparison: Comparison | None = None) -> None:
    """Print the summary."""
    console.print(Panel(_figures(report, disclosure), border_style="cyan", padding=(1, 2), title=Text(
        f"Contact with care leavers, {report.today.day} {report.today:%B %Y}", style="bold")))
    for measure in Measure:
        console.print(Text(f"  {meaning(report, measure)}", style="dim"))
    console.print()
    console.print(Text(headline(report, disclosure), style="bold"))
    if report.rules:
        console.print(Rule("Overdue, by rule", align="left", style="cyan"))
        console.print(_bars(report, disclosure))
    if report.due:
        who = disclosure.count(len({one.ref for one, _ in report.due}), report.people)
        if who is not None:
            console.print(f"  In the next two weeks something falls due for {people(who)}.")
    if comparison is not None:
        console.print(Rule("Under another policy", align="left", style="cyan"))
        console.print(_compared(report, comparison, disclosure))
    console.print(Rule("The data", align="left", style="cyan"))
    for line in _data(report, disclosure):
        console.print(Text(f"  {line}"))


def sparkline(shares: Sequence[float | None], least: float, most: float) -> str:
    """A line of blocks, on a scale from the least to the most; a dot where there is no figure."""
    spread = (most - least) or 1.0
    return "".join("·" if each is None else _STEPS[int((each - least) / spread * 7.99)] for each in shares)


def _figures(report: Report, disclosure: Disclosure) -> Table:
    table = Table.grid(padding=(0, 2))
    courses = {measure: _course(report, measure, disclosure) for measure in Measure}
    known = [each for course in courses.values() for each in course if each is not None]
    least, most = min(known, default=0.0), max(known, default=1.0)
    for measure, course in courses.items():
        have = disclosure.count(report.count(measure), report.people)
        table.add_row(Text(share(have, report.people).rjust(8), style=f"bold {_COLOURS[measure]}"),
                      Bar(1, 0, 0 if have is None or not report.people else have / report.people, width=20,
                          color=_COLOURS[measure]),
                      Text(MEASURES[measure]), Text(f"{number(have)} of {report.people:,}", style="dim"),
                      Text(sparkline(course, least, most) if len(known) > len(Measure) else "", style=_COLOURS[measure]))
    if len(known) > len(Measure):
        table.add_row("", "", "", "", Text(f"24 months, {least:.0%} to {most:.0%}".replace("%", " %"), style="dim"))
    return table


def _course(report: Report, measure: Measure, disclosure: Disclosure) -> list[float | None]:
    counts = [disclosure.count(month.counts[measure], month.people) for month in report.months]
    return [None if count is None or not month.people else count / month.people
            for count, month in zip(counts, report.months, strict=True)]


def _bars(report: Report, disclosure: Disclosure) -> Table:
    table = Table.grid(padding=(0, 1))
    most = max(len(each.listed) for each in report.rules)
    for each in report.rules[:_MOST_RULES]:
        count = disclosure.count(len(each.listed), report.people)
        table.add_row(Text(number(count).rjust(7)), Bar(most, 0, count or 0, width=28, color="red"), Text(each.words))
    if left := report.rules[_MOST_RULES:]:
        table.add_row("", "", Text(f"and {len(left)} more rules", style="dim"))
    return table


def _compared(report: Report, comparison: Comparison, disclosure: Disclosure) -> Table:
    table = Table(box=None, padding=(0, 2))
    mine, other = comparison.mine, comparison.other
    for name in ("", mine.policy.id, other.policy.id):
        table.add_column(name, justify="left" if not name else "right")
    alone = len(mine.flagged - other.flagged), len(other.flagged - mine.flagged)
    table.add_row("young people flagged today", *(number(disclosure.count(len(side.flagged), report.people))
                                                  for side in (mine, other)))
    table.add_row("of them by this policy alone", *(number(disclosure.count(count, report.people)) for count in alone))
    a_month = ("–" if side.a_month is None else f"{side.a_month:,.0f}" for side in (mine, other))
    table.add_row("alerts a month, by the records", *a_month)
    return table


def _data(report: Report, disclosure: Disclosure) -> list[str]:
    material, lags = report.material, report.lags
    lines = [f"{each.file}: {each.rows:,} rows of {each.holds}" for each in material.sources]
    if material.rejected:
        lines.append(f"{len(material.rejected):,} rows were not taken in:")
        counts = Counter((row.file, row.column, row.reason) for row in material.rejected)
        lines += [f"  {count:,} of {file}: {column and repr(column)} {reason}".replace(":  ", ": ")
                  for (file, column, reason), count in counts.most_common(_MOST_REASONS)]
        if left := len(counts) - _MOST_REASONS:
            lines += [f"  and for {left} more reasons"] if left > 0 else []
    late = sum(list(lags.bands.values())[2:])
    if lags.records:
        lines.append(f"{share(lags.records - late, lags.records)} of {lags.records:,} records were typed up by the next day")
    unseen: dict[str, list[str]] = {}
    for each in report.blind:
        unseen.setdefault(each.why, []).append(each.text)
    lines += [f"not told, since {why}: {'; '.join(texts)}" for why, texts in unseen.items()]
    lines += [f"not known for {people(disclosure.count(count, report.people))}, since a feed is behind: {sentences.rule(rule)}"
              for rule, count in report.unknown.items() if rule not in report.yardstick.policy.cannot_see]
    lines += list(report.never_told)
    lines += [f"{times(count)}: {DOUBT_WORDS[doubt]}" for doubt, count in sorted(
        report.quality.by_doubt.items(), key=lambda pair: -pair[1])[:_MOST_REASONS]] if not disclosure.published else []
    if report.newest_record is not None and (report.today - report.newest_record).days > 31:
        newest = report.newest_record
        lines.append(f"The newest record is of {newest.day} {newest:%B %Y}: if the files were made then, ask as of then "
                     f"(--as-of {newest}).")
    return lines
