"""The first tables. What the columns mean is said in `services.notifier.tables`."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from keepintouch.runtime.database import Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "act",
        sa.Column("action_id", sa.String(128), nullable=False),
        sa.Column("alert_id", sa.String(36), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("actor_ref", sa.String(100), nullable=False),
        sa.Column("at", Utc, nullable=False),
        sa.Column("via", sa.String(8), nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("note_code", sa.String(32)),
        sa.Column("by_manager", sa.Boolean, nullable=False),
        sa.Column("noted_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("action_id", name="pk_act"),
    )
    op.create_index("ix_act_alert_id", "act", ["alert_id"])
    op.create_table(
        "alert",
        sa.Column("alert_id", sa.String(36), nullable=False),
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("person_ref", sa.String(100)),
        sa.Column("rule", sa.String(100), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("adviser_ref", sa.String(100)),
        sa.Column("team_ref", sa.String(100)),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("ladder", sa.JSON, nullable=False),
        sa.Column("opened_at", Utc, nullable=False),
        sa.Column("critical_at", Utc),
        sa.Column("manager_stands_in", sa.Boolean, nullable=False),
        sa.Column("held_noted_at", Utc),
        sa.Column("held_until", Utc),
        sa.Column("ended_noted_at", Utc),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alert"),
    )
    op.create_index("ix_alert_council_status", "alert", ["council", "status"])
    op.create_index("ix_alert_ended_noted_at", "alert", ["ended_noted_at"])
    op.create_table(
        "inbound",
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("provider_id", sa.String(64), nullable=False),
        sa.Column("sender", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("received_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("provider", "provider_id", name="pk_inbound"),
    )
    op.create_index("ix_inbound_sender_received_at", "inbound", ["sender", "received_at"])
    op.create_table(
        "message",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("recipient_ref", sa.String(100), nullable=False),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("template", sa.String(32), nullable=False),
        sa.Column("ref", sa.String(8), nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
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
        sa.Column("provider_turn", sa.Integer, nullable=False),
        sa.Column("provider_id", sa.String(64)),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("look_again_at", Utc),
        sa.Column("asked_at", Utc),
        sa.Column("possible_duplicate", sa.Boolean, nullable=False),
        sa.Column("sent_again", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sa.UniqueConstraint("provider", "provider_id", name="uq_message_provider_provider_id"),
        sa.UniqueConstraint("ref", name="uq_message_ref"),
    )
    op.create_index("ix_message_recipient_ref_created_at", "message", ["recipient_ref", "created_at"])
    op.create_index("ix_message_state_next_try_at", "message", ["state", "next_try_at"])
    op.create_table(
        "provider_event",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("message_id", sa.String(32), nullable=False),
        sa.Column("provider_id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("code", sa.String(16)),
        sa.Column("received_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_provider_event"),
        sa.UniqueConstraint("provider", "provider_id", "status", name="uq_provider_event_provider_provider_id_status"),
    )
    op.create_index("ix_provider_event_message_id", "provider_event", ["message_id"])
    op.create_table(
        "publication",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("topic", sa.String(64), nullable=False),
        sa.Column("keys", sa.JSON, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_publication"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "turn",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_turn"),
    )
    op.create_table(
        "unreachable",
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("since", Utc, nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_unreachable"),
    )
    op.create_table(
        "line",
        sa.Column("message_id", sa.String(32), nullable=False),
        sa.Column("alert_id", sa.String(36), nullable=False),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("target", sa.String(32), nullable=False),
        sa.Column("hops", sa.String(200)),
        sa.Column("dedupe_key", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name="fk_line_alert_id"),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_line_message_id"),
        sa.PrimaryKeyConstraint("message_id", "alert_id", "step", "target", name="pk_line"),
        sa.UniqueConstraint("dedupe_key", name="uq_line_dedupe_key"),
    )
    op.create_index("ix_line_alert_id", "line", ["alert_id"])
    op.create_table(
        "step",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("alert_id", sa.String(36), nullable=False),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("target", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", Utc, nullable=False),
        sa.Column("look_at", Utc),
        sa.Column("reason", sa.String(32)),
        sa.Column("recipient_ref", sa.String(100)),
        sa.Column("release_at", Utc),
        sa.Column("released_at", Utc),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name="fk_step_alert_id"),
        sa.PrimaryKeyConstraint("id", name="pk_step"),
        sa.UniqueConstraint("alert_id", "episode", "key", "target", name="uq_step_alert_id_episode_key_target"),
    )
    op.create_index("ix_step_recipient_ref_state", "step", ["recipient_ref", "state"])
    op.create_index("ix_step_state_look_at", "step", ["state", "look_at"])
    op.create_index("ix_step_state_release_at", "step", ["state", "release_at"])
    op.execute("INSERT INTO turn (name, count) VALUES ('planner', 0)")


def downgrade() -> None:
    """Remove all tables."""
    op.drop_index("ix_step_state_release_at", table_name="step")
    op.drop_index("ix_step_state_look_at", table_name="step")
    op.drop_index("ix_step_recipient_ref_state", table_name="step")
    op.drop_table("step")
    op.drop_index("ix_line_alert_id", table_name="line")
    op.drop_table("line")
    op.drop_table("unreachable")
    op.drop_table("turn")
    op.drop_table("publication")
    op.drop_index("ix_provider_event_message_id", table_name="provider_event")
    op.drop_table("provider_event")
    op.drop_index("ix_message_state_next_try_at", table_name="message")
    op.drop_index("ix_message_recipient_ref_created_at", table_name="message")
    op.drop_table("message")
    op.drop_index("ix_inbound_sender_received_at", table_name="inbound")
    op.drop_table("inbound")
    op.drop_index("ix_alert_ended_noted_at", table_name="alert")
    op.drop_index("ix_alert_council_status", table_name="alert")
    op.drop_table("alert")
    op.drop_index("ix_act_alert_id", table_name="act")
    op.drop_table("act")
