"""*Contact, for managers*: is contact real, what is overdue, and do alerts do any good."""
from __future__ import annotations

from .panels import Dashboard, Section, bars, figure, lines, matrix

_HERE = 'council=~"$council"'
PEOPLE, ALERTS = "suffix: people", "suffix: alerts"
_NO_ALERT_YET = "nothing before the first live alert, and what follows it"


def _quantile(share: float, metric: str) -> str:
    """Over several boards as over one: each has seen the same."""
    return f"histogram_quantile({share}, sum by (council, le) (increase({metric}_bucket{{{_HERE}}}[$window])))"


def _half_and_nine_in_ten(metric: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (_quantile(0.5, metric), "{{council}}: half within"), (_quantile(0.9, metric), "{{council}}: nine in ten within")


_CONTACT = Section("Is contact real?", (
    figure("In touch, meaningful, seen", "Three shares of the same people. *In touch* is the headline that councils report. "
           "*Meaningful* is contact face to face, or a talk with somebody they know, within the policy's time. *Seen* is "
           "face to face within that time. What lies between the first and the others is what the headline does not "
           "show.", "percentunit",
           (f"council:people_in_touch:ratio{{{_HERE}}}", "{{council}}: in touch"),
           (f"council:people_meaningful:ratio{{{_HERE}}}", "{{council}}: meaningful"),
           (f"council:people_seen:ratio{{{_HERE}}}", "{{council}}: seen"), width=12, height=8),
    lines("The same over time", "A headline that stays level while the other two fall is contact that has become messages.",
          "percentunit", (f"council:people_in_touch:ratio{{{_HERE}}}", "{{council}}: in touch"),
          (f"council:people_meaningful:ratio{{{_HERE}}}", "{{council}}: meaningful"),
          (f"council:people_seen:ratio{{{_HERE}}}", "{{council}}: seen"), width=12),
    figure("People in the gap", "In touch by the headline, and not in meaningful contact. Who they are is on the board, "
           "under the same words.", PEOPLE, (f"council:people_in_the_gap:sum{{{_HERE}}}", "{{council}}"), height=9),
    bars("The gap by rule", "What is overdue for the people in the gap; one person may be under several rules. `none`: "
         "nothing is overdue yet.",
         PEOPLE, f"sum by (rule) (max by (council, rule) (board_people_in_the_gap{{{_HERE}}}))", "{{rule}}",
         width=9, height=9),
    bars("The gap by team", "People in the gap, by the team that holds them; `none` has no team.", PEOPLE,
         f"max by (council, team) (board_people_in_touch{{{_HERE}}})"
         f" - max by (council, team) (board_people_meaningful{{{_HERE}}})", "{{council}} {{team}}", width=9, height=9)))

_OVERDUE = Section("What is overdue", (
    lines("People overdue, by rule", "Each line is a promise that is not being kept to so many people.", PEOPLE,
          (f"sum by (rule) (council:people_overdue:sum{{{_HERE}}})", "{{rule}}"), width=12, height=12),
    matrix("How each rule stands", "People whom each rule covers: ok, due soon, overdue, or unknown. *Unknown* is past its "
           "day, but what would settle it is not in yet or is not recorded at all: it is never counted as kept.", PEOPLE,
           f"sum by (rule, state) (max by (council, rule, state) (board_people_by_rule{{{_HERE}}}))", "rule", "state"),
    matrix("Open alerts, by rule and severity", "Alerts that stand open now.", ALERTS,
           f"sum by (rule, severity) (max by (council, rule, severity, age) (board_alerts_open{{{_HERE}}}))", "rule", "severity"),
    lines("Open alerts, by how long", "Days since each opened. Old ones that grow are alerts that nobody answers.", ALERTS,
          (f"sum by (age) (max by (council, rule, severity, age) (board_alerts_open{{{_HERE}}}))", "{{age}}"), width=12,
          height=12),
    figure("Opened, cleared, withdrawn", "Within the time chosen above. *Cleared*: put right after the alert. *Withdrawn*: "
           "it had been done in time and was typed up late, or was an error.", ALERTS,
           (f"sum by (what) (max by (council, rule, what) (increase(board_alerts_total{{{_HERE}}}[$window])))", "{{what}}"),
           width=24)))

_GOOD = Section("Do alerts do any good?", (
    figure("Contact within five working days", "Share of live alerts after which somebody of the council had two-way contact "
           "with the young person within five working days. It says that contact followed, not that the alert was why.",
           "percentunit", (
               f'sum by (council) (increase(board_alerts_followed_total{{within_5wd="yes", {_HERE}}}[$window]))'
               f" / sum by (council) (increase(board_alerts_followed_total{{{_HERE}}}[$window]))", "{{council}}"),
           height=8, may_be_empty=_NO_ALERT_YET),
    figure("The same, last four weeks", "As recorded by the rule, whatever time is chosen above.", "percentunit",
           (f"council:alerts_followed_within_5wd:ratio28d{{{_HERE}}}", "{{council}}"), height=8, may_be_empty=_NO_ALERT_YET),
    lines("From alert to contact", "Days from a live alert to the next two-way contact by the council.", "d",
          *_half_and_nine_in_ten("board_alert_to_contact_days"), width=12, may_be_empty=_NO_ALERT_YET),
    lines("From alert to an answer", "Hours from a live alert to the first answer of anybody, by text or on the board.", "h",
          *_half_and_nine_in_ten("board_alert_to_acknowledgement_hours"), may_be_empty=_NO_ALERT_YET),
    lines("From alert to a manager", "Hours from a live alert to the first message to a manager about it, for those that "
          "came so far.", "h", *_half_and_nine_in_ten("board_alert_to_escalation_hours"), may_be_empty=_NO_ALERT_YET),
    lines("Typed up after", "Days from a contact or visit to its being typed up. What is typed up late is seen late: an "
          "alert may go out about a visit that has been made.", "d", *_half_and_nine_in_ten("board_recording_lag_days"),
          may_be_empty=_NO_ALERT_YET),
    bars("What became of messages", "Messages to staff: delivered, failed, still on their way (pending), or astray, which "
         "should be none.", "suffix: messages",
         f'sum by (state) (max by (council, state) (notifier_council_messages{{state!="sent", {_HERE}}}))', "{{state}}",
         width=12, height=8),
    lines("Messages by kind", "Messages to staff, by wording, within the time chosen above.", "suffix: messages",
          (f"sum by (template) (increase(notifier_messages_total{{{_HERE}}}[$window]))", "{{template}}"), width=12)))

MANAGERS = Dashboard(
    uid="kit-contact", title="Contact, for managers",
    description="Whether contact with care leavers is what the headline says, what is overdue, and whether alerts do any good.",
    windows=("28d", "7d", "90d"), since="now-90d", refresh="1m", sections=(_CONTACT, _OVERDUE, _GOOD))
