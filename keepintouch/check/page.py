"""The report as one page: for a screen, a screen reader and paper."""
from __future__ import annotations

from datetime import date

from keepintouch.standards import sentences

from . import page_data
from .analysis import Report, RuleList
from .charts import Line, bars_chart, lines_chart, share_bar
from .comparing import Comparison
from .disclosure import INSIDE, Disclosure
from .layout import document, section, table, when
from .markup import Child, Html, joined, tag
from .measures import Measure
from .subject import Subject
from .words import CUTS, HIDDEN, MEASURES, NOT_SHOWN, evidence, meaning, number, people, percent, share

_COLOURS = {Measure.IN_TOUCH: "#1d70b8", Measure.MEANINGFUL: "#aa2a16", Measure.SEEN: "#00632e"}
_DASHES = {Measure.IN_TOUCH: None, Measure.MEANINGFUL: "9 4", Measure.SEEN: "2 4"}


def page(report: Report, disclosure: Disclosure = INSIDE, comparison: Comparison | None = None) -> str:
    """The whole report, as HTML."""
    parts: list[tuple[str, str, Child]] = [
        ("figures", "The figures", _figures(report, disclosure)),
        ("months", "Over the months", _months(report, disclosure)),
        ("gap", "In touch, but not in meaningful contact", _gap(report, disclosure)),
        ("rules", "Overdue, by rule", _rules(report, disclosure)),
        ("groups", "By team and group", _cuts(report, disclosure)),
        ("due", "Due in the next two weeks", page_data.due(report, disclosure))]
    if comparison is not None:
        parts.append(("compared", "Under another policy", page_data.compared(report, comparison, disclosure)))
    parts += [
        ("lag", "How soon it is typed up", page_data.lag(report, disclosure)),
        ("unseen", "What the data cannot show", page_data.unseen(report, disclosure)),
        ("quality", "How good the data is", page_data.data_quality(report, disclosure)),
        ("rejected", "Rows that were not taken in", page_data.rejected(report, disclosure)),
        ("method", "How this was worked out", page_data.method(report, disclosure))]
    title = f"Contact with care leavers, {_long(report)}"
    header = joined(
        tag("h1", title),
        tag("p", f"{people(report.people)} in scope, held against {report.asked.title} ({report.asked.id}, version "
            f"{report.asked.version}).", class_="meta"))
    return document(title, header, [section(key, name, content) for key, name, content in parts],
                    [(key, name) for key, name, _ in parts],
                    "Made by Keep in Touch from the files named above. "
                    + ("With pseudonyms, and groups under 5 left out." if disclosure.published else
                       "Personal data: keep it accordingly."))


def _long(report: Report) -> str:
    return f"{report.today.day} {report.today:%B %Y}"


def _figures(report: Report, disclosure: Disclosure) -> Child:
    if not report.people:
        return tag("p", "Nobody in the files is in scope on this day: 16 to 24, in a leaving-care category.", class_="call")
    cards = []
    for measure in Measure:
        have = disclosure.count(report.count(measure), report.people)
        cards.append(tag(
            "li", tag("span", MEASURES[measure], class_="what"), tag("span", share(have, report.people), class_="big"),
            None if have is None else share_bar(have / report.people, _COLOURS[measure]),
            tag("span", f"{number(have)} of {report.people:,}: {_counted(report, measure)}", class_="small"),
            style=f"--c: {_COLOURS[measure]}"))
    return [tag("ul", cards, class_="cards"), tag("p", headline(report, disclosure), class_="call")]


def _counted(report: Report, measure: Measure) -> str:
    return meaning(report, measure).partition(": ")[2]


def headline(report: Report, disclosure: Disclosure) -> str:
    """What the figures come to, in a sentence or two."""
    if report.newest_record is None:
        return "There is no contact or visit in the files, so none of these figures can be told from them."
    gap = None if report.untold else disclosure.count(len(report.gap), report.people)
    alerts = disclosure.count(report.with_alert, report.people)
    first = "" if gap is None else (
        f"{people(gap)} {'is' if gap == 1 else 'are'} in touch by the headline but not in meaningful contact. ")
    return first + ("" if alerts is None else f"For {people(alerts)} something is overdue today.")


def _months(report: Report, disclosure: Disclosure) -> Child:
    counts = {measure: [disclosure.count(month.counts[measure], month.people) for month in report.months] for measure in Measure}
    shares = {measure: [None if have is None else have / (month.people or 1)
                        for have, month in zip(found, report.months, strict=True)] for measure, found in counts.items()}
    ticks = [f"{month.day:%b %y}" if (len(report.months) - 1 - place) % 4 == 0 else ""
             for place, month in enumerate(report.months)]
    told = [f"{MEASURES[m]}: {percent(found[0])} at first, {percent(found[-1])} at last"
            for m in Measure if (found := [each for each in shares[m] if each is not None])]
    rows = [[f"{month.day.day} {month.day:%b %Y}", f"{month.people:,}",
             *[each for m in Measure for each in (number(counts[m][place]), share(counts[m][place], month.people))]]
            for place, month in enumerate(report.months)]
    head = ["Day", "People", *[each for m in Measure for each in (MEASURES[m], "%")]]
    return [
        tag("figure", tag("figcaption", "Share of young people, by month"),
            lines_chart("chart-months", "Shares of young people by month", "; ".join(told) or "No figures yet.", ticks,
                        [Line(MEASURES[m], _COLOURS[m], _DASHES[m], shares[m]) for m in Measure])),
        tag("p", "At the end of each of the last 24 months, and today: worked out from the records as they are known now. Facts "
            "about people (home, category, adviser) are as they are now, for a file has no older ones; only their age is that of "
            "the day. Who has left the files since is missing from every month, and where the records do not reach back far "
            f"enough for a figure, there is none.{_begins(report)}"),
        table("Young people by month, the same figures", head, rows, range(1, len(head)))]


def _begins(report: Report) -> str:
    if report.begins is None:
        return ""
    day = date.fromordinal(report.begins)
    return f" Records begin in {day:%B %Y}, but for a few stray ones."


def _gap(report: Report, disclosure: Disclosure) -> Child:
    gap = report.gap
    if report.untold:
        return tag("p", "This cannot be told: no file says by what channel contacts were, or whether anyone was seen.")
    if not gap:
        return tag("p", "Nobody: whoever is in touch by the headline is in meaningful contact.")
    if disclosure.count(len(gap), report.people) is None:
        return tag("p", f"Not shown: {HIDDEN}.")
    by_rule: dict[str, int] = {}
    for subject in gap:
        for alert in subject.alerts:
            by_rule[alert.rule] = by_rule.get(alert.rule, 0) + 1
    rows = [(sentences.rule(rule), number(disclosure.count(count, len(gap))))
            for rule, count in sorted(by_rule.items(), key=lambda pair: (-pair[1], pair[0]))]
    return [
        tag("p", f"{people(len(gap))} had contact that counts for the headline, and none that is meaningful: nobody of the "
            "council has seen them, or spoken with them having met them before, for long enough."),
        table("What is overdue for them", ("Rule", "Young people"), rows, (1,)),
        table("Who they are", ("Young person", *_about_head(disclosure), "Last contact"),
              [(disclosure.name(one), *_about(one, disclosure), evidence(one, disclosure)) for one in gap])]


def _rules(report: Report, disclosure: Disclosure) -> Child:
    if not report.rules:
        return tag("p", "Nothing is overdue for anyone.")
    counts = {each.rule: disclosure.count(len(each.listed), report.people) for each in report.rules}
    bars = [(each.words, count) for each in report.rules if (count := counts[each.rule]) is not None]
    rows = [(tag("a", each.words, href=f"#rule-{place}"), each.severity, number(counts[each.rule]))
            for place, each in enumerate(report.rules)]
    return [
        tag("p", "How many young people each rule flags today; one person may be under several. A rule may rest on several "
            "standards: of those, the one that opened first is named beside each person."),
        tag("figure", tag("figcaption", "Young people flagged, by rule"),
            bars_chart("chart-rules", "Young people flagged, by rule", "; ".join(f"{words}: {n}" for words, n in bars), bars)),
        table("Young people flagged by rule, the same figures", ("Rule", "Worst severity", "Young people"), rows, (2,)),
        [_list(f"rule-{place}", each, report, disclosure, counts[each.rule]) for place, each in enumerate(report.rules)]]


def _list(key: str, rule: RuleList, report: Report, disclosure: Disclosure, count: int | None) -> Html:
    heading = tag("h3", f"{rule.words[0].upper()}{rule.words[1:]}", id=key)
    asked = [standard for standard in report.yardstick.policy.rules[rule.rule]
             if any(each.alert.standard_id == standard.id for each in rule.listed)]
    said = tag("ul", [tag("li", f"{s.text}. {sentences.asks(s)} {sentences.waits(s)} ", tag("em", s.basis)) for s in asked])
    if count is None:
        return joined(heading, said, tag("p", f"The list is not shown: {HIDDEN}."))
    rows = [(disclosure.name(one.subject), *_about(one.subject, disclosure), tag("span", one.alert.severity, class_="sev"),
             when(one.alert.due_on, disclosure), f"{one.alert.text}. {evidence(one.subject, disclosure)}")
            for one in rule.listed]
    return joined(heading, said, table(f"{rule.words}: {people(count)}", (
        "Young person", *_about_head(disclosure), "Severity", "Was due", "Standard, and last contact"), rows))


def _about_head(disclosure: Disclosure) -> tuple[str, ...]:
    return () if disclosure.published else ("Adviser", "Team")


def _about(subject: Subject, disclosure: Disclosure) -> tuple[str, ...]:
    return () if disclosure.published else (subject.adviser or "no adviser", subject.facts.team_ref or NOT_SHOWN)


def _cuts(report: Report, disclosure: Disclosure) -> Child:
    found = []
    for by, title in CUTS.items():
        cuts = [cut for cut in report.cuts if cut.by == by]
        columns = [disclosure.column([(cut.counts[measure], cut.people) for cut in cuts]) for measure in Measure]
        columns += [disclosure.column([(count, cut.people) for cut, count in zip(cuts, counts, strict=True)])
                    for counts in ([cut.gap for cut in cuts], [cut.with_alert for cut in cuts])]
        totals = disclosure.column([(cut.people, report.people) for cut in cuts])
        rows = [[cut.group.replace("_", " "), number(totals[place]),
                 *[share(column[place] if totals[place] is not None else None, cut.people) for column in columns[:3]],
                 *[number(column[place] if totals[place] is not None else None) for column in columns[3:]]]
                for place, cut in enumerate(cuts)]
        head = (title, "People", *MEASURES.values(), "In touch, not meaningful", "Something overdue")
        found.append(table(f"By {title.lower()}", head, rows, range(1, len(head))))
    return [tag("p", "A young person may be in several cohorts, so these do not add up."), found]
