import os
import socket
import ssl
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, check_broker
from keepintouch.runtime.settings import load_settings, variable


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KAFKA_")]:
        monkeypatch.delenv(name)


def settings(monkeypatch: pytest.MonkeyPatch, **env: str) -> KafkaSettings:
    for name, value in env.items():
        monkeypatch.setenv(f"KAFKA_{name}", value)
    return load_settings(KafkaSettings)


def test_defaults_lead_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = settings(monkeypatch)
    assert kafka.client_config() == {"bootstrap_servers": ["127.0.0.1:9092"], "security_protocol": "PLAINTEXT"}
    assert kafka.session_timeout == timedelta(seconds=10)


def test_what_every_producer_and_consumer_of_ours_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = settings(monkeypatch, SESSION_TIMEOUT="6s", BOOTSTRAP_SERVERS="a:1, b:2")
    producer, consumer = kafka.producer_config(), kafka.consumer_config("notifier")
    assert (producer["acks"], producer["enable_idempotence"]) == ("all", False)
    assert producer["max_in_flight_requests_per_connection"] == 1
    assert "partitioner" not in producer   # the library's default is Kafka's: see the integration test
    assert (consumer["enable_auto_commit"], consumer["auto_offset_reset"]) == (False, "earliest")
    assert (consumer["session_timeout_ms"], consumer["heartbeat_interval_ms"]) == (6000, 1500)
    assert consumer["bootstrap_servers"] == ["a:1", "b:2"]
    assert kafka.faust_config() == {"broker": ["kafka://a:1", "kafka://b:2"], "broker_session_timeout": 6.0,
                                    "broker_heartbeat_interval": 1.5}


@pytest.mark.parametrize("names", [("SASL_USERNAME", "SASL_PASSWORD"), ("SASL_PLAIN_USERNAME", "SASL_PLAIN_PASSWORD")])
def test_a_login_goes_to_both_libraries(monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]) -> None:
    kafka = settings(monkeypatch, SECURITY_PROTOCOL="SASL_SSL", **dict(zip(names, ("monitor", "hush-hush"), strict=True)))
    config = kafka.client_config()
    assert (config["sasl_mechanism"], config["sasl_plain_username"]) == ("SCRAM-SHA-512", "monitor")
    assert config["sasl_plain_password"] == "hush-hush"
    assert isinstance(config["ssl_context"], ssl.SSLContext)
    assert config["ssl_context"].check_hostname
    credentials = kafka.faust_config()["broker_credentials"]
    assert (credentials.username, credentials.password, credentials.protocol.value) == ("monitor", "hush-hush", "SASL_SSL")
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert "hush-hush" not in repr(kafka)


@pytest.mark.parametrize(("env", "words"), [
    ({"BOOTSTRAP_SERVERS": "kafka"}, ["KAFKA_BOOTSTRAP_SERVERS", "host:port"]),
    ({"BOOTSTRAP_SERVERS": "kafka:99999"}, ["KAFKA_BOOTSTRAP_SERVERS", "host:port"]),
    ({"BOOTSTRAP_SERVERS": "kafka:9092,kafka..svc:9092"}, ["KAFKA_BOOTSTRAP_SERVERS", "kafka..svc"]),
    ({"SECURITY_PROTOCOL": "TLS"}, ["KAFKA_SECURITY_PROTOCOL", "SASL_SSL"]),
    ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_PASSWORD": "hush-hush"}, ["KAFKA_SASL_USERNAME"]),
    ({"SASL_MECHANISM": "GSSAPI"}, ["KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"]),
    ({"SESSION_TIMEOUT": "10"}, ["KAFKA_SESSION_TIMEOUT", "10s"]),
    ({"SESSION_TIMEOUT": "0s"}, ["KAFKA_SESSION_TIMEOUT", "1s or more"]),
    ({"SSL_CA_LOCATION": "/nowhere/ca.pem"}, ["KAFKA_SSL_C", "/nowhere/ca.pem"]),
    ({"SSL_KEYFILE": __file__}, ["KAFKA_SSL_CERTFILE"]),
])
def test_what_cannot_be_read_is_one_line_with_the_variable(monkeypatch: pytest.MonkeyPatch, env: dict[str, str],
                                                           words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        settings(monkeypatch, **env)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hush-hush" not in str(caught.value)


def test_what_is_set_and_empty_is_as_if_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """So Compose hands on what its .env does not say."""
    given = {field: "" for name in KafkaSettings.model_fields if (field := variable(KafkaSettings, name).removeprefix("KAFKA_"))}
    assert settings(monkeypatch, **given) == KafkaSettings.model_construct()
    with pytest.raises(UserError, match="needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"):
        settings(monkeypatch, **given | {"SECURITY_PROTOCOL": "SASL_SSL"})


def test_certificates_that_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    kafka = settings(monkeypatch, SECURITY_PROTOCOL="SSL", SSL_CAFILE=str(tmp_path / "ca.pem"))
    with pytest.raises(UserError, match="KAFKA_SSL_CAFILE"):
        kafka.client_config()


def test_every_field_is_named_by_its_variable() -> None:
    names = {variable(KafkaSettings, field) for field in KafkaSettings.model_fields}
    assert {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SASL_PASSWORD", "KAFKA_SSL_CAFILE", "KAFKA_SESSION_TIMEOUT"} <= names
    assert all(name.startswith("KAFKA_") for name in names)


def test_a_broker_that_is_not_there_is_one_line_with_its_address() -> None:
    with pytest.raises(BrokerUnreachable, match=r"does not answer at 127.0.0.1:1: .*KAFKA_BOOTSTRAP_SERVERS"):
        check_broker(KafkaSettings(bootstrap_servers="127.0.0.1:1"), timeout=60)


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_something_else_on_the_port_is_no_broker(says: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        def talk() -> None:
            with other.accept()[0] as caller:
                caller.sendall(says)

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(BrokerUnreachable, match="is not Kafka with KAFKA_SECURITY_PROTOCOL=PLAINTEXT"):
            check_broker(KafkaSettings(bootstrap_servers=f"127.0.0.1:{other.getsockname()[1]}"), timeout=60)
        thread.join(60)
