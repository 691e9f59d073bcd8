"""*Running it, for operators*: does it run, does it keep up, do messages go out, does data come in."""
from __future__ import annotations

from .panels import Dashboard, Section, bars, figure, lines

_HERE = 'council=~"$council"'
_OURS = 'job=~"contact_monitor|notifier|intake|board"'
EVENTS, RECORDS, MESSAGES = "suffix: events", "suffix: records", "suffix: messages"
_ONLY_ERRORS = "nothing went wrong of this kind"


_WORKING = Section("Is it working?", (
    figure("Services that answer", "Each worker that Prometheus reaches is 1. Runbook of a 0: TargetDown.", "none",
           (f"sum by (job) (up{{{_OURS}}})", "{{job}}")),
    bars("What wakes somebody now", "Alerts that are firing; each has a runbook of its name. Empty is good.", "none",
         'sum by (alertname) (ALERTS{alertstate="firing", severity="page"})', "{{alertname}}", width=6,
         may_be_empty="nothing is firing"),
    figure("Heartbeat of the monitor", "Since each partition was last looked after, quiet ones too: seconds. Runbook: "
           "HeartbeatStalled, from 60 s.", "s",
           ("max(time() - max by (partition) (contact_monitor_heartbeat_timestamp_seconds))", "the oldest partition")),
    figure("Heartbeat of the notifier", "Since each of its loops last came round. Runbook: HeartbeatStalled, from 120 s.", "s",
           ("max(time() - max by (loop) (notifier_loop_heartbeat_timestamp_seconds))", "the slowest loop")),
    lines("Heartbeat, by partition", "A line that climbs is a partition that nobody looks after.", "s",
          ("time() - max by (partition) (contact_monitor_heartbeat_timestamp_seconds)", "partition {{partition}}"), width=12),
    lines("Heartbeat, by loop", "A line that climbs is a loop of the notifier that stands still.", "s",
          ("time() - max by (loop) (notifier_loop_heartbeat_timestamp_seconds)", "{{loop}}"), width=12)))

_MONITOR = Section("Does the monitor keep up?", (
    lines("Lag", "Events that Kafka holds and that are not folded yet. Runbook: LagGrowing.", EVENTS,
          ("contact_monitor:lag_records:sum", "not folded yet")),
    lines("From Kafka to durable", "From an event's acceptance by Kafka to its state and alerts being durable.", "s",
          ("histogram_quantile(0.5, sum by (le) (rate(contact_monitor_event_delay_seconds_bucket[$window])))", "half within"),
          ("histogram_quantile(0.99, sum by (le) (rate(contact_monitor_event_delay_seconds_bucket[$window])))",
           "99 in 100 within")),
    lines("Events", "What became of the events read: folded, or the reason of the dead letter.", "eps",
          ("sum by (result) (rate(contact_monitor_events_total[$window]))", "{{result}}")),
    bars("Dead letters", "Events that were not accepted within the time chosen above, by reason. Runbook: DeadLettersGrowing.",
         RECORDS, 'sum by (result) (increase(contact_monitor_events_total{result!="folded"}[$window]))', "{{result}}", width=6,
         may_be_empty=_ONLY_ERRORS),
    bars("Bad records, by source", "Share of the last 1,000 records of each source that were not accepted. Runbook: "
         "SourceBad, from 5 %.", "percentunit", "max by (source) (contact_monitor_source_bad_ratio)", "{{source}}", width=6,
         may_be_empty=_ONLY_ERRORS),
    figure("Last restore", "How long it took to read the state back after a start or a takeover.", "s",
           ("max(contact_monitor_restore_seconds)", "the longest")),
    figure("People", "Whose state is held; who settles before a first look; who has not been looked at since a start.",
           "suffix: people", ("sum(contact_monitor_people)", "held"), ("sum(contact_monitor_people_settling)", "settling"),
           ("sum(contact_monitor_people_not_looked_at)", "not looked at yet")),
    lines("Alert records", "Published within the time chosen above, by status and mode; each change of an alert is one.", RECORDS,
          ("sum by (status, mode) (increase(contact_monitor_alerts_total[$window]))", "{{status}}, {{mode}}"), width=12),
    lines("Writing", "Time to write alerts and states and have them acknowledged.", "s",
          ("histogram_quantile(0.5, sum by (le) (rate(contact_monitor_write_seconds_bucket[$window])))", "half within"),
          ("histogram_quantile(0.99, sum by (le) (rate(contact_monitor_write_seconds_bucket[$window])))", "99 in 100 within"),
          width=12)))

_NOTIFIER = Section("Do messages go out?", (
    lines("Outbox", "Messages by state. What stays pending or uncertain has a runbook: OutboxStuck, MessageUncertain.", MESSAGES,
          ("max by (state) (notifier_outbox_messages)", "{{state}}"), width=9),
    figure("Oldest that waits", "How long ago the oldest message was made that has not gone out yet, and the oldest that is "
           "uncertain. Runbook: OutboxStuck, from 15 minutes.", "s",
           ('max(notifier_outbox_oldest_seconds{state=~"pending|sending"})', "not gone out"),
           ('max(notifier_outbox_oldest_seconds{state="uncertain"})', "uncertain"), width=5, height=8),
    figure("Uncertain", "Messages of which nobody knows whether they were sent; each is looked for at the provider before it "
           "is sent again. Runbook: MessageUncertain.", MESSAGES, ('max(notifier_outbox_messages{state="uncertain"})', "now"),
           width=5, height=8),
    figure("Perhaps sent twice", "Sent again without proof that the first was lost; and results that came after a lease was "
           "lost. Within the time chosen above.", MESSAGES,
           ("sum(increase(notifier_possible_duplicates_total[$window]))", "possible duplicates"),
           ("sum(increase(notifier_stale_claims_total[$window]))", "late results"), width=5, height=8),
    lines("Calls of providers", "By outcome. Anything but *accepted* for long has a runbook: ChannelFailing.", "suffix: calls",
          ("sum by (provider, outcome) (increase(notifier_attempts_total[$window]))", "{{provider}}: {{outcome}}")),
    lines("Errors of providers", "Share of calls that were refused, not sent or uncertain.", "percentunit",
          ("1 - (sum by (provider) (increase(notifier_attempts_total{outcome=\"accepted\"}[$window]))"
           " or 0 * sum by (provider) (increase(notifier_attempts_total[$window])))"
           " / sum by (provider) (increase(notifier_attempts_total[$window]))", "{{provider}}"), may_be_empty="nothing was sent"),
    lines("How long providers take", "Nine in ten calls, and 99 in 100, were answered within.", "s",
          ("histogram_quantile(0.9, sum by (provider, le) (rate(notifier_attempt_duration_seconds_bucket[$window])))",
           "{{provider}}: nine in ten"),
          ("histogram_quantile(0.99, sum by (provider, le) (rate(notifier_attempt_duration_seconds_bucket[$window])))",
           "{{provider}}: 99 in 100")),
    bars("Channels that stand still", "1 where a provider refuses everything of a council. Runbook: ChannelFailing.", "none",
         f"max by (council, channel, provider) (notifier_channel_stopped{{{_HERE}}})", "{{council}} {{channel}} {{provider}}",
         width=6, may_be_empty=_ONLY_ERRORS),
    bars("Callbacks", "What providers said of messages. *Refused*: not signed as it should be, which is a wrong token or "
         "somebody knocking.", "suffix: callbacks", "sum by (provider, result) (increase(notifier_callbacks_total[$window]))",
         "{{provider}}: {{result}}", width=6, may_be_empty="no provider has called back"),
    bars("Steps not sent, by reason", "Steps that were due and did not go out then. *nobody* has a runbook: "
         "FallbackUnresolvable.",
         "suffix: steps", "sum by (reason) (increase(notifier_steps_held_total[$window]))", "{{reason}}", width=6,
         may_be_empty="none was held"),
    bars("Replies", "Texts received from staff, by what they did.", "suffix: texts",
         "sum by (outcome) (increase(notifier_replies_total[$window]))", "{{outcome}}", width=6,
         may_be_empty="nobody has replied by text"),
    figure("Not read yet", "Alerts and answers that Kafka holds and that the notifier has not read.", RECORDS,
           ("sum by (topic) (notifier_lag_records)", "{{topic}}")),
    figure("Waiting for Kafka", "Records of the notifier that are in its database and not on their topic yet.", RECORDS,
           ("max(notifier_unpublished_records)", "not published")),
    figure("Addresses that do not work", "Numbers and addresses that a provider will not reach: somebody must put them right.",
           "suffix: addresses", ("max(notifier_recipients_unreachable)", "now")),
    figure("Does it balance?", "What the last audit found astray: alerts without a next step, messages without an end. "
           "Runbook: AuditUnbalanced.", "none", (f"sum(max by (council, kind) (notifier_audit_found{{{_HERE}}}))", "found")),
    figure("Last audit", "How long ago the audit came to its end.", "s",
           ("time() - max(notifier_audit_timestamp_seconds)", "ago")),
    figure("Held for a storm", "Open alerts that wait for a service manager to release them, because one release would have "
           "opened more than the council's limit.", "suffix: alerts",
           (f"sum(max by (council) (notifier_storm_held{{{_HERE}}}))", "held")),
    bars("Fallback that cannot be told", "1 where the council's fallback contact is gone, or has no address that works. "
         "Runbook: FallbackUnresolvable.", "none", f"max by (council) (notifier_fallback_unresolvable{{{_HERE}}})", "{{council}}",
         width=6),
    bars("Not accepted by the notifier", "Records on its topics that could not be read, by topic and reason.", RECORDS,
         "sum by (topic, reason) (increase(notifier_dead_letters_total[$window]))", "{{topic}}: {{reason}}", width=6,
         may_be_empty=_ONLY_ERRORS)))

_INTAKE = Section("Does data come in?", (
    bars("Age of feeds", "Days since the last day up to which each feed is complete. Runbook: FeedSilent, from four days.", "d",
         f"max by (council, feed) (board_feed_age_days{{{_HERE}}})", "{{council}} {{feed}}", width=6, height=8,
         may_be_empty="no council has a feed"),
    bars("Feeds that never came", "1 where a feed that a council or its policy requires was never said to be complete. Runbook: "
         "FeedSilent.", "none",
         f"max by (council, feed) (board_feed_never_complete{{{_HERE}}}) > 0", "{{council}} {{feed}}", width=6, height=8,
         may_be_empty="each that is required has come"),
    lines("Events posted", "By result: accepted, repeated, or why refused. Within the time chosen above.", EVENTS,
          (f"sum by (result) (increase(intake_events_total{{{_HERE}}}[$window]))", "{{result}}"), width=6,
          may_be_empty="case systems write to Kafka directly"),
    lines("Requests", "How long 99 in 100 took to be answered, by what was asked for.", "s",
          ("histogram_quantile(0.99, sum by (route, le) (rate(intake_request_duration_seconds_bucket[$window])))", "{{route}}"),
          width=6, may_be_empty="case systems write to Kafka directly"),
    bars("Requests by status", "Requests answered within the time chosen above.", "suffix: requests",
         "sum by (route, status) (increase(intake_request_duration_seconds_count[$window]))", "{{route}}: {{status}}",
         may_be_empty="case systems write to Kafka directly"),
    bars("Turned away", "Requests that were not looked into: no key, too many, too large, or Kafka away.", "suffix: requests",
         "sum by (reason) (increase(intake_requests_turned_away_total[$window]))", "{{reason}}", may_be_empty=_ONLY_ERRORS),
    bars("Not taken by Kafka", "Records that Kafka did not acknowledge in time, by topic.", RECORDS,
         "sum by (topic) (increase(intake_kafka_errors_total[$window]))", "{{topic}}", may_be_empty=_ONLY_ERRORS)))

_BOARD = Section("Is the board fresh?", (
    figure("People it knows", "Young people of whom the board holds a snapshot. Different boards should say the same.",
           "suffix: people", ("max(board_people_known)", "known")),
    figure("Kafka away", "1 while a board has not heard Kafka for a while: it shows what was last so. Runbook: "
           "BoardStale.", "none",
           ("max(board_kafka_away)", "away")),
    figure("Audit entries waiting", "Entries of who looked at whom that Kafka has not acknowledged yet. Runbook: BoardStale.",
           "suffix: entries", ("max(board_audit_waiting)", "waiting")),
    figure("Unreadable records", "Records that a board passed over because it could not read them.", RECORDS,
           ("max(board_unreadable_records)", "passed over")),
    bars("Answers on the board", "What staff pressed within the time chosen above.", "suffix: answers",
         "sum by (action) (increase(board_actions_total[$window]))", "{{action}}", width=24,
         may_be_empty="nobody has pressed anything")))

OPERATORS = Dashboard(
    uid="kit-running", title="Running it, for operators",
    description="Whether it runs, keeps up, sends and is fed. What wakes somebody has a runbook in docs/runbooks.",
    windows=("5m", "1h", "6h", "1d"), since="now-6h", refresh="15s", sections=(_WORKING, _MONITOR, _NOTIFIER, _INTAKE, _BOARD))
