import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from keepintouch.runtime.places import deploy_file


def test_in_a_checkout_it_is_the_file_beside_the_sources() -> None:
    assert deploy_file("kafka/topics.yaml") == Path(__file__).resolve().parents[3] / "deploy" / "kafka" / "topics.yaml"


@pytest.mark.slow
def test_an_installed_package_has_what_the_broker_needs(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=root,
                   check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    program = ("from keepintouch.runtime.places import deploy_file; from keepintouch.runtime.topics import load_topics;"
               "print(len(load_topics()), all(deploy_file('kafka/' + name).is_file() for name in"
               "('pom.xml', 'jars.sha256', 'server.properties', 'log4j2.properties')), deploy_file('kafka'))")
    said = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")}).stdout.split()
    assert said == ["8", "True", str(tmp_path / "installed" / "keepintouch" / "_deploy" / "kafka")]
