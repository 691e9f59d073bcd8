"""A real Prometheus on this machine, with the rules that are shipped; and what it answers."""
from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.places import deploy_file
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child

NAME = "prometheus"
_EVERY = "2s"
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a panel: its labels, and points of real time in seconds and value, all finite."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def latest(self) -> float:
        """The newest value."""
        return self.points[-1][1]


class QueryError(Exception):
    """Prometheus did not answer a query; says what it said."""


class Prometheus:
    """One server. `child` is what to start; the rest asks it."""

    def __init__(self, folder: Path, ports: Mapping[str, int]) -> None:
        """`ports`: where each job of the shipped configuration listens here. Raises UserError if it is not installed."""
        program = shutil.which(NAME)
        if program is None:
            raise UserError("there is no prometheus on this machine: install it (Debian and Ubuntu: apt-get install prometheus)")
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(base_url=f"{self.address}/api/v1", timeout=_PATIENCE)
        self.child = Child(
            name=NAME, log=folder / "prometheus.log", ready_url=f"{self.address}/-/ready", command=[
                program, f"--config.file={_configured(folder, ports)}", f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"])

    def close(self) -> None:
        """Ask nothing more."""
        self._client.close()

    def now(self, expr: str) -> list[Series]:
        """What an expression says now; series without a value are left out. Raises QueryError."""
        return [_series(each["metric"], [each["value"]]) for each in self._ask("query", query=expr)["result"]
                if math.isfinite(float(each["value"][1]))]

    def since(self, expr: str, start: float) -> list[Series]:
        """What an expression has said since a real instant, in seconds since 1970. Raises QueryError."""
        end = time.time()
        asked = self._ask("query_range", query=expr, start=start, end=end, step=max(1.0, (end - start) / 120))
        found = (_series(each["metric"], each["values"]) for each in asked["result"])
        return [series for series in found if series.points]

    def names(self) -> set[str]:
        """Every metric that a service has spoken of, those without a value too, and every recorded figure."""
        spoken_of = set(self._ask("metadata"))
        return {*spoken_of, *(f"{name}_total" for name in spoken_of), *self._ask("label/__name__/values"),
                *(rule["name"] for group in self._ask("rules")["groups"] for rule in group["rules"])}

    def councils(self, metric: str) -> list[str]:
        """What `$council` offers."""
        return sorted({series.labels["council"] for series in self.now(metric)})

    def _ask(self, path: str, **asked: object) -> Any:
        try:
            answer = self._client.get(f"/{path}", params={name: str(value) for name, value in asked.items()}).json()
        except (httpx.HTTPError, ValueError) as error:
            raise QueryError(str(error)) from None
        if answer["status"] != "success":
            raise QueryError(str(answer.get("error", "no reason given")))
        return answer["data"]


def _series(labels: Mapping[str, str], points: list[list[Any]]) -> Series:
    read = ((float(at), float(value)) for at, value in points)
    return Series(labels, tuple((at, value) for at, value in read if math.isfinite(value)))


def _configured(folder: Path, ports: Mapping[str, int]) -> Path:
    """The shipped configuration, aimed at this machine and at a month that passes in a minute.

    Rules are the shipped files; only how often they are worked out is quicker. Nobody is paged.
    """
    shipped = deploy_file("prometheus")
    config = yaml.safe_load((shipped / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": _EVERY, "scrape_timeout": _EVERY, "evaluation_interval": _EVERY}
    config.pop("alerting", None)
    config["scrape_configs"] = [{"job_name": job["job_name"], "static_configs": [
        {"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]} for job in config["scrape_configs"]]
    (folder / "rules").mkdir(parents=True)
    for path in sorted(shipped.glob("rules/*.yml")):
        rules = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in rules["groups"]:
            group.pop("interval", None)
        (folder / "rules" / path.name).write_text(yaml.safe_dump(rules), encoding="utf-8")
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return file
