"""How we talk to Kafka: one set of settings, and from it what each client library wants to be told.

The client libraries are imported only when they are used: `keepintouch evaluate` runs without any.
"""

import contextlib
import re
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from keepintouch.runtime.durations import AtLeastASecond
from keepintouch.runtime.errors import UserError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

MAX_RECORD_BYTES = 6 * 1024 * 1024
"""The largest request a producer of ours sends: what any topic of ours may hold, wrapped as a dead letter."""


class BrokerUnreachable(UserError):  # noqa: N818 – it names a state of the world
    """No broker answered at the address set, or it would not let us in."""


class TopicMissing(UserError):  # noqa: N818
    """A topic that is needed does not exist, or brokers do not show it to this user, who has no right to it."""

    def __init__(self, topic: str) -> None:
        """`topic`: its name."""
        super().__init__(f"Kafka has no topic {topic}: create the topics first (keepintouch topics create); or it shows us none, "
                         "where users have rights: see what is missing (keepintouch access check)")


class Record(NamedTuple):
    """One record as it lies on a topic."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


_LOOK_AGAIN_MS = 10_000
_PORT, _PORTS = re.compile(r"[0-9]{1,5}"), range(1, 65_536)


class KafkaSettings(BaseSettings):
    """Where Kafka is and how to get in; the same for every service and tool."""

    # Set and empty is as if left out: so Compose hands on what its .env does not say.
    model_config = SettingsConfigDict(env_prefix="KAFKA_", env_ignore_empty=True, frozen=True, extra="ignore",
                                      populate_by_name=True, use_attribute_docstrings=True)

    bootstrap_servers: str = "127.0.0.1:9092"
    """Comma-separated host:port."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """PLAINTEXT only where nobody else can listen."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the password is shown; PLAIN sends it as it is, so only inside TLS."""
    sasl_username: str | None = Field(
        None, validation_alias=AliasChoices("KAFKA_SASL_USERNAME", "KAFKA_SASL_PLAIN_USERNAME"))
    """Needed with SASL_PLAINTEXT and SASL_SSL."""
    sasl_password: SecretStr | None = Field(
        None, validation_alias=AliasChoices("KAFKA_SASL_PASSWORD", "KAFKA_SASL_PLAIN_PASSWORD"))
    """Needed with SASL_PLAINTEXT and SASL_SSL."""
    ssl_cafile: Path | None = Field(None, validation_alias=AliasChoices("KAFKA_SSL_CAFILE", "KAFKA_SSL_CA_LOCATION"))
    """PEM file of the authorities that may sign the brokers' certificates; default: the system's."""
    ssl_certfile: Path | None = Field(
        None, validation_alias=AliasChoices("KAFKA_SSL_CERTFILE", "KAFKA_SSL_CERTIFICATE_LOCATION"))
    """PEM file of our own certificate, where brokers ask for one."""
    ssl_keyfile: Path | None = Field(
        None, validation_alias=AliasChoices("KAFKA_SSL_KEYFILE", "KAFKA_SSL_KEY_LOCATION"))
    """PEM file of its key."""
    ssl_password: SecretStr | None = Field(
        None, validation_alias=AliasChoices("KAFKA_SSL_PASSWORD", "KAFKA_SSL_KEY_PASSWORD"))
    """What the key is locked with, if it is."""
    ssl_check_hostname: bool = True
    """Whether a broker's certificate must bear the name it was reached by."""
    session_timeout: AtLeastASecond = timedelta(seconds=10)
    """How long a dead consumer keeps its partitions. Kafka's own lower bound is 6s unless its operator lowered it."""

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for server in value.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not _PORT.fullmatch(port) or int(port) not in _PORTS:
                raise ValueError("give host:port, several with commas between")
            try:
                host.encode("idna")
            except UnicodeError:
                raise ValueError(f"{host!r} can be no host: a part of its name is empty or too long") from None
        return value

    @field_validator("ssl_cafile", "ssl_certfile", "ssl_keyfile")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {value}")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.uses_sasl and (self.sasl_username is None or self.sasl_password is None):
            raise ValueError(f"KAFKA_SECURITY_PROTOCOL={self.security_protocol} needs KAFKA_SASL_USERNAME and "
                             "KAFKA_SASL_PASSWORD")
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            raise ValueError("KAFKA_SSL_KEYFILE needs KAFKA_SSL_CERTFILE")
        return self

    @property
    def servers(self) -> list[str]:
        """The brokers to ask first, as host:port."""
        return [server.strip() for server in self.bootstrap_servers.split(",")]

    @property
    def uses_sasl(self) -> bool:
        """Whether we log in with a name and a password."""
        return self.security_protocol.startswith("SASL")

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.security_protocol.endswith("SSL")

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return what TLS connections are made with, None without TLS. Raises UserError for files that do not fit."""
        if not self.uses_tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
            context.check_hostname = self.ssl_check_hostname
            if self.ssl_certfile is not None:
                password = self.ssl_password.get_secret_value() if self.ssl_password else None
                # Without a password OpenSSL would ask at the terminal for one.
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, password or "")
        except (ssl.SSLError, OSError):
            raise UserError("KAFKA_SSL_CAFILE, KAFKA_SSL_CERTFILE, KAFKA_SSL_KEYFILE or KAFKA_SSL_PASSWORD do not fit: "
                            "give PEM files, and the password of the key if it has one") from None
        return context

    def client_config(self) -> dict[str, Any]:
        """Return the connection arguments that kafka-python and aiokafka clients have in common."""
        config: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": self.security_protocol}
        if (context := self.ssl_context()) is not None:
            config["ssl_context"] = context
        if self.uses_sasl:
            assert self.sasl_password is not None
            config |= {"sasl_mechanism": self.sasl_mechanism, "sasl_plain_username": self.sasl_username,
                       "sasl_plain_password": self.sasl_password.get_secret_value()}
        return config

    def producer_config(self) -> dict[str, Any]:
        """Return kafka-python producer arguments: every record acknowledged by all replicas, in order.

        Not with its own idempotence (3.0.12): once what was under way has expired, it never sends anything again. One request
        at a time keeps the order, and a record that is there twice after a lost acknowledgement changes nothing: each has an id.
        The partitioner is Kafka's default (murmur2 of the key), as every producer of ours must have it.
        """
        return self.client_config() | {
            "acks": "all", "enable_idempotence": False, "max_in_flight_requests_per_connection": 1,
            "linger_ms": 5, "batch_size": 256 * 1024,
            "max_request_size": MAX_RECORD_BYTES, "allow_auto_create_topics": False, "metrics_enabled": False}

    def consumer_config(self, group: str | None) -> dict[str, Any]:
        """Return kafka-python consumer arguments: from the beginning, nothing committed but by hand.

        Only what holds is read: the monitor writes in transactions, and one that was broken off never was. Partitions that were
        not known when it joined its group, as of a topic just made, are found and shared out within seconds, not five minutes.
        """
        session = int(self.session_timeout.total_seconds() * 1000)
        return self.client_config() | {
            "group_id": group, "enable_auto_commit": False, "auto_offset_reset": "earliest",
            "isolation_level": "read_committed",
            "metadata_max_age_ms": _LOOK_AGAIN_MS,
            "session_timeout_ms": session, "heartbeat_interval_ms": min(3000, session // 4),
            "allow_auto_create_topics": False, "metrics_enabled": False}

    def faust_config(self) -> dict[str, Any]:
        """Return arguments for `faust.App`: where the broker is, how to get in, how long a session lasts."""
        session = self.session_timeout.total_seconds()
        config: dict[str, Any] = {"broker": [f"kafka://{server}" for server in self.servers],
                                  "broker_session_timeout": session, "broker_heartbeat_interval": min(3.0, session / 4)}
        import faust

        context = self.ssl_context()
        if self.uses_sasl:
            assert self.sasl_password is not None
            config["broker_credentials"] = faust.SASLCredentials(
                username=self.sasl_username, password=self.sasl_password.get_secret_value(),
                mechanism=self.sasl_mechanism, ssl_context=context)
        elif context is not None:
            config["broker_credentials"] = faust.SSLCredentials(context)
        return config


def producer(settings: KafkaSettings, **more: Any) -> "KafkaProducer":
    """Return a kafka-python producer (see `KafkaSettings.producer_config`); `more` overrides. Raises BrokerUnreachable."""
    from kafka import KafkaProducer

    with clear_errors(settings):
        return KafkaProducer(**settings.producer_config() | more)


def consumer(settings: KafkaSettings, *topics: str, group: str | None = None, **more: Any) -> "KafkaConsumer":
    """Return a kafka-python consumer (see `KafkaSettings.consumer_config`); `more` overrides. Raises BrokerUnreachable."""
    from kafka import KafkaConsumer

    with clear_errors(settings):
        return KafkaConsumer(*topics, **settings.consumer_config(group) | more)


def admin(settings: KafkaSettings, **more: Any) -> "KafkaAdminClient":
    """Return a kafka-python admin client; `more` overrides. Raises BrokerUnreachable."""
    from kafka import KafkaAdminClient

    with clear_errors(settings):
        return KafkaAdminClient(**settings.client_config() | more)


def check_broker(settings: KafkaSettings, timeout: float = 5.0) -> None:
    """Return if Kafka answers within `timeout` seconds and lets us in; raise BrokerUnreachable otherwise."""
    deadline = time.monotonic() + timeout
    context = settings.ssl_context()
    answers = {_ask(server, context, deadline) for server in settings.servers}
    if _Answer.KAFKA not in answers:
        raise _unreachable(settings) if answers == {_Answer.NONE} else BrokerUnreachable(
            f"what answers at {settings.bootstrap_servers} is not Kafka with KAFKA_SECURITY_PROTOCOL="
            f"{settings.security_protocol}: check both, and KAFKA_SSL_CAFILE if it is TLS")
    left = max(1000, int((deadline - time.monotonic()) * 1000))
    with contextlib.closing(admin(settings, bootstrap_timeout_ms=left, request_timeout_ms=left)) as client, \
            clear_errors(settings):
        client.describe_cluster()


def read_to_end(settings: KafkaSettings, *topics: str, timeout: float = 30.0,
                since: Mapping[tuple[str, int], int] | None = None) -> Iterator[Record]:
    """Yield every record of `topics` from the beginning to the end as it was at the call, in the order of each partition.

    `since`: by topic and partition, at which offset to begin instead; one beyond the end is of another topic of that name.
    Belongs to no consumer group and commits nothing. Raises TopicMissing, and BrokerUnreachable when we may not read one of
    them, or nothing has come for `timeout` seconds.
    """
    check_broker(settings)
    with contextlib.closing(consumer(settings, max_poll_records=2000, fetch_max_wait_ms=100)) as client:
        with clear_errors(settings):
            partitions = [at for topic in topics for at in partitions_of(client, topic)]
            client.assign(partitions)
            client.seek_to_beginning(*partitions)
            ends = {at: end for at, end in client.end_offsets(partitions).items() if end > 0}
            if empty := {*topics} - {at.topic for at in ends}:   # no record will come for which we could be refused
                _check_may_read(settings, sorted(empty))
            for at, end in ends.items():
                if 0 < (begin := (since or {}).get((at.topic, at.partition), 0)) <= end:
                    client.seek(at, begin)
        for r in up_to(client, settings, ends, timeout):
            yield Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))


def _check_may_read(settings: KafkaSettings, topics: list[str]) -> None:
    """Raise what reading a topic would raise that we may see but not read."""
    from kafka.errors import TopicAuthorizationFailedError

    with contextlib.closing(admin(settings)) as client:
        if any("READ" not in topic["authorized_operations"] for topic in client.describe_topics(topics)):
            raise TopicAuthorizationFailedError


def partitions_of(client: "KafkaConsumer", topic: str) -> "list[TopicPartition]":
    """The partitions of a topic, in order. Raises TopicMissing."""
    from kafka import TopicPartition

    found = client.partitions_for_topic(topic)
    if not found:
        raise TopicMissing(topic)
    return [TopicPartition(topic, number) for number in sorted(found)]


def up_to(client: "KafkaConsumer", settings: KafkaSettings, ends: "Mapping[TopicPartition, int]",
          timeout: float = 30.0) -> Iterator[Any]:
    """Yield every record from where the client stands to the ends, in the order of each partition.

    Raises BrokerUnreachable when nothing has come for `timeout` seconds.
    """
    last, left = time.monotonic(), dict(ends)
    while True:
        with clear_errors(settings):
            left = {at: end for at, end in left.items() if client.position(at) < end}
            batches = client.poll(timeout_ms=200) if left else {}
        if not left:
            return
        for at, batch in batches.items():
            yield from (record for record in batch if record.offset < left.get(at, 0))
        if batches:
            last = time.monotonic()
        elif time.monotonic() - last > timeout:
            raise _unreachable(settings)


class _Answer(Enum):
    NONE = "nobody listens"
    OTHER = "somebody does, but not as we expect"
    KAFKA = "Kafka"


# ApiVersions (18) version 0, correlation id 1, no client id, after its length: any Kafka answers it, even before a login.
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def _ask(server: str, context: ssl.SSLContext | None, deadline: float) -> _Answer:
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    try:
        plain = socket.create_connection((host, int(port)), max(0.2, deadline - time.monotonic()))
    except OSError:
        return _Answer.NONE
    try:
        with plain, context.wrap_socket(plain, server_hostname=host) if context else plain as to:
            to.settimeout(max(0.2, deadline - time.monotonic()))
            to.sendall(_API_VERSIONS)
            answer = to.recv(8, socket.MSG_WAITALL) if context is None else to.recv(8)
            return _Answer.KAFKA if answer[4:8] == b"\0\0\0\1" else _Answer.OTHER
    except OSError:
        return _Answer.OTHER


def _unreachable(settings: KafkaSettings) -> BrokerUnreachable:
    return BrokerUnreachable(f"Kafka does not answer at {settings.bootstrap_servers}: start it, or set "
                             "KAFKA_BOOTSTRAP_SERVERS to where it is")


@contextlib.contextmanager
def clear_errors(settings: KafkaSettings) -> Iterator[None]:
    """Turn what kafka-python says about a broker that is away, or does not know or let us, into BrokerUnreachable."""
    from kafka import errors

    try:
        yield
    except errors.AuthorizationError as error:
        raise BrokerUnreachable(f"Kafka lets {settings.sasl_username or 'us'} in, but not do this: see what rights are missing "
                                "(keepintouch access check)") from error
    except (errors.KafkaConnectionError, errors.KafkaTimeoutError, errors.SaslAuthenticationFailedError,
            errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError) as error:
        if settings.uses_sasl:   # a refused login looks like a broken connection to kafka-python
            raise BrokerUnreachable(
                f"Kafka at {settings.bootstrap_servers} does not let us in, or went away: check KAFKA_SASL_MECHANISM, "
                "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD") from error
        raise _unreachable(settings) from error
