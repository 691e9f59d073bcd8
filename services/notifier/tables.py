"""The tables: what is known of each alert, what is due to whom, the messages, and what is still to be published.

Two kinds of time. Columns of what people live by (`due_at`, `released_at`, `created_at`, ...) follow the service's clock.
Columns of our dealings with other machines (`lease_until`, `attempted_at`, `next_try_at`, `look_again_at`, `asked_at`,
`came_at`) are real time; outside a demo they are the same.
"""
from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from keepintouch.runtime.database import NAMES, Utc

metadata = sa.MetaData(naming_convention=NAMES)

_REF = sa.String(100)


def _index_where_set(column: str, *before: str) -> sa.Index:
    """An index, by other columns first, of the rows in which one has a value: small, however much there is that is settled."""
    there = sa.text(f"{column} IS NOT NULL")
    return sa.Index(None, *before, column, sqlite_where=there, postgresql_where=there)


alert: Final = sa.Table(
    "alert", metadata,
    sa.Column("alert_id", sa.String(36), primary_key=True),
    sa.Column("council", sa.String(32), nullable=False),
    sa.Column("person_ref", _REF, nullable=False, doc="pseudonym"),
    sa.Column("rule", sa.String(100), nullable=False),
    sa.Column("status", sa.String(16), nullable=False, doc="open, cleared, withdrawn"),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("adviser_ref", _REF),
    sa.Column("team_ref", _REF),
    sa.Column("episode", sa.Integer, nullable=False, doc="1, 2, ...: how often it has opened, as far as was seen"),
    sa.Column("ladder", sa.JSON, nullable=False, doc="frozen when the episode began"),
    sa.Column("opened_at", Utc, nullable=False, doc="what steps count from until the first has gone out"),
    sa.Column("critical_at", Utc, doc="when its severity became critical"),
    sa.Column("manager_stands_in", sa.Boolean, nullable=False),
    sa.Column("held_noted_at", Utc, doc="when the latest hold became known"),
    sa.Column("held_until", Utc, doc="end of the longest hold"),
    sa.Column("ended_noted_at", Utc, doc="when its end became known"),
    sa.Column("storm_id", sa.String(32), doc="the appeal without whose release none of its steps goes out"),
    sa.Column("ladder_from", Utc, doc="when a storm was released: what steps count from instead of its opening"),
    sa.Index(None, "council", "status"),
    sa.Index(None, "ended_noted_at"),
    _index_where_set("storm_id"),
)

act: Final = sa.Table(
    "act", metadata,
    sa.Column("action_id", sa.String(128), primary_key=True),
    sa.Column("alert_id", sa.String(36), nullable=False, index=True),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("actor_ref", _REF, nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("via", sa.String(8), nullable=False),
    sa.Column("until", sa.Date),
    sa.Column("note_code", sa.String(32)),
    sa.Column("by_manager", sa.Boolean, nullable=False, doc="whether the actor was a manager when it became known"),
    sa.Column("noted_at", Utc, nullable=False),
)

step: Final = sa.Table(
    "step", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("alert_id", sa.String(36), sa.ForeignKey("alert.alert_id"), nullable=False),
    sa.Column("episode", sa.Integer, nullable=False),
    sa.Column("key", sa.String(32), nullable=False, doc="1, 2, ..., critical, not_mine, backfill"),
    sa.Column("target", sa.String(32), nullable=False, doc="adviser, manager, service_manager"),
    sa.Column("state", sa.String(16), nullable=False, doc="waiting, gathering, released, cancelled"),
    sa.Column("due_at", Utc, nullable=False),
    sa.Column("look_at", Utc, doc="when waiting: the next time to look at it; null: not by time alone"),
    sa.Column("reason", sa.String(32), doc="why it is held, or was cancelled"),
    sa.Column("recipient_ref", _REF, doc="who would get it, when last looked at"),
    sa.Column("release_at", Utc, doc="when gathering: the latest instant of its release"),
    sa.Column("released_at", Utc),
    sa.UniqueConstraint("alert_id", "episode", "key", "target"),
    sa.Index(None, "recipient_ref", "state"),
    _index_where_set("look_at", "state"),
    _index_where_set("release_at", "state"),
    _index_where_set("released_at"),
)

message: Final = sa.Table(
    "message", metadata,
    sa.Column("id", sa.String(32), primary_key=True, doc="goes to the provider in the callback address"),
    sa.Column("council", sa.String(32), nullable=False),
    sa.Column("recipient_ref", _REF, nullable=False),
    sa.Column("channel", sa.String(8), nullable=False),
    sa.Column("address", sa.String(254), nullable=False),
    sa.Column("template", sa.String(32), nullable=False),
    sa.Column("ref", sa.String(8), nullable=False, unique=True),
    sa.Column("subject", sa.String(200), doc="of an e-mail"),
    sa.Column("body", sa.Text),
    sa.Column("counts", sa.JSON(none_as_null=True), doc="what it says, fixed when it was made; null: read from the book later"),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(16), nullable=False,
              doc="pending, sending, uncertain, accepted, sent, delivered, undelivered, failed, dropped"),
    sa.Column("reason", sa.String(64)),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("changed_at", Utc, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("attempted_at", Utc),
    sa.Column("next_try_at", Utc, nullable=False),
    sa.Column("owner", sa.String(64)),
    sa.Column("lease_until", Utc),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("provider", sa.String(16)),
    sa.Column("provider_turn", sa.Integer, nullable=False, doc="goes up when a provider definitely did not send it"),
    sa.Column("provider_id", sa.String(64)),
    sa.Column("looks", sa.Integer, nullable=False, doc="how often it was looked for in vain"),
    sa.Column("look_again_at", Utc),
    sa.Column("asked_at", Utc, doc="when the provider last said anything about it"),
    sa.Column("possible_duplicate", sa.Boolean, nullable=False),
    sa.Column("sent_again", sa.Boolean, nullable=False, doc="once more after a handset was out of reach"),
    sa.Index(None, "state", "next_try_at"),
    sa.Index(None, "council", "state"),
    sa.Index(None, "recipient_ref", "created_at"),
    sa.Index(None, "attempted_at"),
    _index_where_set("lease_until"),
    _index_where_set("look_again_at"),
)

line: Final = sa.Table(
    "line", metadata,
    sa.Column("message_id", sa.String(32), sa.ForeignKey("message.id"), nullable=False),
    sa.Column("alert_id", sa.String(36), sa.ForeignKey("alert.alert_id"), nullable=False, index=True),
    sa.Column("episode", sa.Integer, nullable=False),
    sa.Column("step", sa.String(32), nullable=False),
    sa.Column("target", sa.String(32), nullable=False),
    sa.Column("hops", sa.String(200), doc="past whom it came to the recipient, and why"),
    sa.Column("dedupe_key", sa.String(300), nullable=False, unique=True,
              doc="alert, episode, step, recipient and channel: nobody is told the same twice"),
    sa.PrimaryKeyConstraint("message_id", "alert_id", "step", "target"),
)

provider_event: Final = sa.Table(
    "provider_event", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("provider", sa.String(16), nullable=False),
    sa.Column("message_id", sa.String(32), nullable=False),
    sa.Column("provider_id", sa.String(64), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("code", sa.String(16)),
    sa.Column("received_at", Utc, nullable=False),
    sa.UniqueConstraint("message_id", "provider", "provider_id", "status"),
)

inbound: Final = sa.Table(
    "inbound", metadata,
    sa.Column("provider", sa.String(16), nullable=False),
    sa.Column("provider_id", sa.String(64), nullable=False),
    sa.Column("sender", sa.String(64), nullable=False, doc="SHA-256 of the number"),
    sa.Column("outcome", sa.String(32), nullable=False),
    sa.Column("answer", sa.Text, doc="what was answered; null: nothing"),
    sa.Column("received_at", Utc, nullable=False),
    sa.PrimaryKeyConstraint("provider", "provider_id"),
    sa.Index(None, "sender", "received_at"),
)

unreachable: Final = sa.Table(
    "unreachable", metadata,
    sa.Column("address", sa.String(254), primary_key=True),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("since", Utc, nullable=False),
)

publication: Final = sa.Table(
    "publication", metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("topic", sa.String(64), nullable=False),
    sa.Column("keys", sa.JSON, nullable=False, doc="one record is published under each"),
    sa.Column("value", sa.Text, nullable=False),
    sqlite_autoincrement=True,   # a number is never given twice, or order would be lost
)

appeal: Final = sa.Table(
    "appeal", metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("council", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, doc="storm, audit"),
    sa.Column("begun_at", Utc, nullable=False),
    sa.Column("grown_at", Utc, nullable=False, doc="when something last joined it"),
    sa.Column("look_at", Utc, doc="next time to ask somebody; null: they have been asked"),
    sa.Column("reason", sa.String(32), doc="why nobody has been asked yet"),
    sa.Column("message_id", sa.String(32), doc="the message by which somebody was asked"),
    sa.Column("counts", sa.JSON, nullable=False, doc="what the message says, where that is not read from the book"),
    sa.Column("about", sa.JSON, nullable=False, doc="ids of alerts, where the book does not say which"),
    sa.Column("ended_at", Utc),
    sa.Column("ended_by", _REF, doc="who released it; null: it came into balance by itself"),
    sa.Index(None, "council", "kind", "ended_at"),
    sa.Index(None, "message_id"),
)
"""What somebody who answers for a council is asked to see to: one message each."""

weekly: Final = sa.Table(
    "weekly", metadata,
    sa.Column("recipient_ref", _REF, nullable=False),
    sa.Column("week", sa.Date, nullable=False, doc="the day of the weekly message in that week"),
    sa.Column("made_at", Utc, nullable=False),
    sa.Column("message_id", sa.String(32), doc="null: there was nothing to say, or nobody who might get it"),
    sa.PrimaryKeyConstraint("recipient_ref", "week"),
)
"""Whose weekly message of which week has been seen to."""

backfill: Final = sa.Table(
    "backfill", metadata,
    sa.Column("council", sa.String(32), primary_key=True),
    sa.Column("came_at", Utc, nullable=False, doc="real time"),
)
"""When the latest alert of a first look came, of councils whose managers have not had their summaries since."""

last_known: Final = sa.Table(
    "last_known", metadata,
    sa.Column("worker_ref", _REF, primary_key=True),
    sa.Column("council", sa.String(32), nullable=False),
    sa.Column("team_ref", _REF),
    sa.Column("manager_ref", _REF),
    sa.Column("gone_at", Utc, doc="when it became known that their record was taken away"),
)
"""Where the record of each member of staff leads, also of those who have gone."""

turn: Final = sa.Table(
    "turn", metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)
"""One row per thing that instances do in turns; who updates it has the turn until the end of the transaction."""
