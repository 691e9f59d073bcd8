"""`keepintouch topics`: the declared topics, and how a Kafka cluster compares."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import DEFAULT_APP_ID, Topic, check_topics, create_topics, load_topics

app = typer.Typer(name="topics", help="List, create and check the Kafka topics.", no_args_is_help=True)

_File = Annotated[Path | None, typer.Option("--file", help="Another topics file than the shipped one.")]
_Partitions = Annotated[int | None, typer.Option(
    min=1, max=1000, help="Partitions of events and state, and the most of any other topic.")]
_Replication = Annotated[int | None, typer.Option(
    min=1, max=9, help="Copies of each partition; 1 for a single broker.")]


@app.command("list")
def list_(file: _File = None, partitions: _Partitions = None, replication: _Replication = None) -> None:
    """Show the topics as they are declared."""
    table = Table("topic", "key", "partitions", "copies", "settings", box=None, pad_edge=False)
    for topic in _topics(file, partitions, replication):
        settings = " ".join(f"{key}={value}" for key, value in topic.config.items())
        table.add_row(topic.name, topic.key, str(topic.partitions), str(topic.replication_factor), settings)
    console = Console()
    if not console.is_terminal:
        console.width = 400   # one line a topic for grep and cut
    console.print(table)


@app.command()
def create(file: _File = None, partitions: _Partitions = None, replication: _Replication = None) -> None:
    """Create the topics that are missing; what exists is left as it is, and differences are shown."""
    settings, topics = load_settings(KafkaSettings), _topics(file, partitions, replication)
    created = create_topics(settings, topics)
    for name in created:
        typer.echo(f"created {name}")
    typer.echo(f"{len(created)} created, {len(topics) - len(created)} were there")
    for difference in check_topics(settings, topics):
        typer.echo(f"differs: {difference}", err=True)


@app.command()
def check(file: _File = None, partitions: _Partitions = None, replication: _Replication = None) -> None:
    """Say where the cluster differs from the declaration; exit status 1 if it does."""
    differences = check_topics(load_settings(KafkaSettings), _topics(file, partitions, replication))
    for difference in differences:
        typer.echo(str(difference))
    if differences:
        raise typer.Exit(1)
    typer.echo("all topics are as declared")


def _topics(file: Path | None, partitions: int | None, replication: int | None) -> tuple[Topic, ...]:
    app_id = os.environ.get("CONTACT_MONITOR_APP_ID", DEFAULT_APP_ID)
    return load_topics(file, app_id=app_id, partitions=partitions, replication=replication)
