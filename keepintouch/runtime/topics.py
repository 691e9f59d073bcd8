"""The topics: read from the one file that declares them, created where missing, compared with what a cluster has."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from keepintouch.runtime.durations import parse_duration
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, admin, check_broker, clear_errors
from keepintouch.runtime.places import deploy_file
from keepintouch.yaml_file import YamlError, read_yaml

EVENTS = "care.events.v1"
ALERTS = "care.alerts.v1"
STAFF = "care.staff.v1"
ALERT_ACTIONS = "care.alert-actions.v1"
NOTIFICATIONS = "care.notifications.v1"
DEAD_LETTERS = "care.dead-letters.v1"
AUDIT = "care.audit.v1"

DEFAULT_APP_ID = "contact-monitor"


def people_changelog(app_id: str = DEFAULT_APP_ID) -> str:
    """Return the name of the topic with the monitor's state."""
    return f"{app_id}-people-changelog"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be. `config` has Kafka's names and values."""

    name: str
    key: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


class Aspect(StrEnum):
    """What may differ between a topic as declared and as it is."""

    MISSING = "missing"
    PARTITIONS = "partitions"
    REPLICATION = "replication_factor"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of one topic."""

    topic: str
    aspect: Aspect
    setting: str | None = None
    wanted: str | None = None
    found: str | None = None

    def __str__(self) -> str:
        if self.aspect is Aspect.MISSING:
            return f"{self.topic} does not exist, or Kafka does not show it to this user"
        return f"{self.topic}: {self.setting or self.aspect.value} is {self.found}, declared {self.wanted}"


_SIZE = re.compile(r"(\d{1,6})(KiB|MiB|GiB)")
_FACTOR = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_APP_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_KNOWN = frozenset({
    "cleanup.policy", "compression.type", "delete.retention.ms", "file.delete.delay.ms", "max.compaction.lag.ms",
    "max.message.bytes", "message.timestamp.type", "min.cleanable.dirty.ratio", "min.compaction.lag.ms",
    "min.insync.replicas", "retention.bytes", "retention.ms", "segment.bytes", "segment.ms"})


def _config(given: object) -> object:
    return {key: _value(key, value) for key, value in given.items()} if isinstance(given, dict) else given


def _value(key: str, value: object) -> str:
    if key not in _KNOWN:
        raise ValueError(f"{key} is no topic setting of Kafka that is used here")
    text = str(value)
    if key.endswith(".ms") and not text.lstrip("-").isdigit():
        return str(int(parse_duration(text).total_seconds() * 1000))
    if key.endswith(".bytes") and not text.lstrip("-").isdigit():
        size = _SIZE.fullmatch(text)
        if size is None:
            raise ValueError(f"{key}: {text!r} is not a size such as 64KiB or 5MiB")
        return str(int(size[1]) * _FACTOR[size[2]])
    return text


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Config = Annotated[dict[str, str], BeforeValidator(_config)]


class _Common(_Strict):
    replication_factor: int = Field(ge=1)
    config: _Config = {}


class _Declared(_Strict):
    key: str
    partitions: int = Field(ge=1)
    same_partitions_as: str | None = None
    replication_factor: int | None = Field(None, ge=1)
    config: _Config


class _File(_Strict):
    common: _Common
    topics: dict[str, _Declared]


def load_topics(path: Path | None = None, *, app_id: str = DEFAULT_APP_ID, partitions: int | None = None,
                replication: int | None = None) -> tuple[Topic, ...]:
    """Read the topics file (default: `deploy/kafka/topics.yaml`).

    `partitions` overrides the number of the events topic and of the state that goes with it, and is the most that any
    other gets; `replication` overrides the number of copies of all. Raises UserError that names file, topic and field.
    """
    path = path or deploy_file("kafka/topics.yaml")
    if not _APP_ID.fullmatch(app_id):
        raise UserError(f"CONTACT_MONITOR_APP_ID: {app_id!r} must be letters, digits, dots, dashes and underscores")
    declared = _read(path)
    counts = {name: each.partitions for name, each in declared.topics.items()}
    for name, each in declared.topics.items():
        if (other := each.same_partitions_as) is not None and counts.get(other) != each.partitions:
            raise UserError(f"{path}: topics: {name}: partitions: must be as many as {other} has")
    if partitions is not None:
        events = {name for name, each in declared.topics.items() if EVENTS in (name, each.same_partitions_as)}
        counts = {name: partitions if name in events else min(partitions, n) for name, n in counts.items()}
    return tuple(_topic(declared.common, name, each, counts[name], replication, app_id)
                 for name, each in declared.topics.items())


def _topic(common: _Common, name: str, declared: _Declared, partitions: int, replication: int | None,
           app_id: str) -> Topic:
    copies = replication or declared.replication_factor or common.replication_factor
    config = common.config | declared.config
    if "min.insync.replicas" in config:   # more than there are copies would stop every write
        config["min.insync.replicas"] = str(min(int(config["min.insync.replicas"]), copies))
    return Topic(name.replace("{app_id}", app_id), declared.key, partitions, copies, config)


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(read_yaml(path))
    except YamlError as error:
        raise UserError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ": ".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}") from None


def create_topics(settings: KafkaSettings, topics: Iterable[Topic]) -> list[str]:
    """Create those of `topics` that the cluster does not have, and return their names; what exists is left as it is.

    May be called by several at once. Returns when every topic can be written to. Raises BrokerUnreachable, and UserError
    if the cluster refuses.
    """
    from kafka import errors

    check_broker(settings)
    wanted = list(topics)
    with contextlib.closing(admin(settings)) as client, clear_errors(settings):
        there = set(client.list_topics())
        missing = {topic.name: {"num_partitions": topic.partitions, "replication_factor": topic.replication_factor,
                                "configs": dict(topic.config)} for topic in wanted if topic.name not in there}
        answers = client.create_topics(missing, raise_errors=False)["topics"] if missing else []
        created = []
        for answer in answers:
            match errors.for_code(answer["error_code"]):
                case errors.NoError:
                    created.append(answer["name"])
                case errors.TopicAlreadyExistsError:   # somebody else was quicker
                    pass
                case errors.InvalidReplicationFactorError:
                    raise UserError(f"{answer['name']} is to have more copies than the cluster has brokers: give "
                                    "--replication with as many as there are")
                case error if issubclass(error, errors.AuthorizationError):
                    raise error
                case error:
                    raise UserError(f"Kafka refuses to create {answer['name']}: "
                                    f"{answer.get('error_message') or error.description}")
        try:
            client.wait_for_topics([topic.name for topic in wanted])
        except errors.KafkaTimeoutError:
            unseen = sorted({topic.name for topic in wanted}.difference(client.list_topics()))
            raise UserError(f"Kafka has {', '.join(unseen) or 'the topics'} and does not let us use them: run it again, or see "
                            "what rights are missing (keepintouch access check)") from None
    return created


def check_topics(settings: KafkaSettings, topics: Iterable[Topic]) -> list[Difference]:
    """Return where the cluster differs from `topics`, in their order. Raises BrokerUnreachable."""
    from kafka import errors
    from kafka.admin import ConfigResource, ConfigResourceType

    check_broker(settings)
    wanted = list(topics)
    with contextlib.closing(admin(settings)) as client, clear_errors(settings):
        there = {topic["name"]: topic["partitions"] for topic in client.describe_topics() if topic["partitions"]}
        present = [topic for topic in wanted if topic.name in there]
        configs = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, t.name) for t in present],
                                          config_filter="all")["topic"] if present else {}
        if any(not configs.get(topic.name) for topic in present):   # every topic has some
            raise errors.TopicAuthorizationFailedError
        differences = []
        for topic in wanted:
            if topic.name not in there:
                differences.append(Difference(topic.name, Aspect.MISSING))
            else:
                differences += _differences(topic, there[topic.name], configs[topic.name])
    return differences


def _differences(topic: Topic, partitions: list[dict[str, Any]], config: Mapping[str, dict[str, Any]]) -> list[Difference]:
    copies = min(len(partition["replica_nodes"]) for partition in partitions)
    pairs = [(Aspect.PARTITIONS, None, str(topic.partitions), str(len(partitions))),
             (Aspect.REPLICATION, None, str(topic.replication_factor), str(copies)),
             *((Aspect.CONFIG, key, value, config.get(key, {}).get("value")) for key, value in topic.config.items())]
    return [Difference(topic.name, *pair) for pair in pairs if pair[2] != pair[3]]
