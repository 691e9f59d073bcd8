"""A local Kafka that lets in only whom it knows: with deploy/kafka/secured.properties and scripts/secure-kafka.sh as shipped."""
from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, check_broker
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.places import deploy_file
from keepintouch.runtime.ports import free_port
from tests.processes import until

_SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "secure-kafka.sh"


def refused(settings: KafkaSettings, why: str) -> str:
    """What is said when Kafka lets nobody in like that, once it has had the time to say it. `why`: a pattern that is in it."""
    said = list[str]()

    def told() -> bool:
        with pytest.raises(BrokerUnreachable) as caught:
            check_broker(settings, timeout=3)
        said.append(str(caught.value))
        return bool(re.search(why, said[-1]))

    until(told)
    return "".join(said)


class SecuredBroker(LocalBroker):
    """As LocalBroker; `settings` are the administrator's, `user` gives those of everybody else."""

    def __init__(self, folder: Path) -> None:
        """Certificates and passwords are made in `folder`."""
        subprocess.run([_SCRIPT, folder, "127.0.0.1"], check=True, capture_output=True)
        self.secrets, self.clients = folder, free_port()
        lines = deploy_file("kafka/secured.properties").read_text().splitlines()
        shipped = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        here = f"CLIENTS://127.0.0.1:{self.clients},INTERNAL://127.0.0.1:{{port}}"
        super().__init__(shipped | {
            "listeners": f"{here},CONTROLLER://127.0.0.1:{{control}}", "advertised.listeners": here,
            "controller.quorum.bootstrap.servers": "127.0.0.1:{control}", "log.dirs": "{data}",
            "ssl.keystore.location": str(folder / "kafka.pem"), "ssl.truststore.location": str(folder / "ca.pem")})

    @property
    def settings(self) -> KafkaSettings:
        """The administrator's way in: by certificate."""
        return KafkaSettings.model_validate({
            "bootstrap_servers": self.bootstrap, "security_protocol": "SSL", "ssl_cafile": self.secrets / "ca.pem",
            "ssl_certfile": self.secrets / "kafka-admin.pem"})

    def environment(self, name: str) -> dict[str, str]:
        """What a service is told to come in as a user of acls.yaml."""
        return {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.clients}", "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
                "KAFKA_SASL_USERNAME": name, "KAFKA_SASL_PASSWORD": (self.secrets / "passwords" / name).read_text().strip(),
                "KAFKA_SSL_CAFILE": str(self.secrets / "ca.pem")}

    def user(self, name: str, **more: object) -> KafkaSettings:
        """The same as settings."""
        told = {key.removeprefix("KAFKA_").lower(): value for key, value in self.environment(name).items()}
        return KafkaSettings.model_validate(told | more)
