"""What the monitor is told by its environment."""
from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from keepintouch.runtime.places import deploy_file
from keepintouch.runtime.topics import DEFAULT_APP_ID
from keepintouch.standards.policy_file import SHIPPED


class MonitorSettings(BaseSettings):
    """Settings of contact_monitor; where Kafka is, see `keepintouch.runtime.kafka.KafkaSettings`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True)

    councils_file: Path = Field(deploy_file("councils.yaml"), validation_alias="COUNCILS_FILE",
                                description="which councils there are, and the policy of each")
    policies_dir: Path = Field(SHIPPED, validation_alias="POLICIES_DIR", description="where policies are looked up by id")
    app_id: str = Field(DEFAULT_APP_ID, validation_alias="CONTACT_MONITOR_APP_ID", pattern=r"^[a-z0-9-]{1,64}$",
                        description="consumer group, and prefix of the changelog")
    settle_seconds: float = Field(60, ge=0, validation_alias="CONTACT_MONITOR_SETTLE_SECONDS",
                                  description="a new person is first evaluated when no event for them has come for so long")
    http_port: int = Field(8101, ge=0, le=65_535, validation_alias="CONTACT_MONITOR_HTTP_PORT",
                           description="port of /metrics, /healthz and /readyz")
    http_host: str = Field("127.0.0.1", validation_alias="CONTACT_MONITOR_HTTP_HOST",
                           description="address to listen on; 0.0.0.0 inside a container")
