"""Logs are read here as a collector would read them: the lines of a process of its own."""

import json
import subprocess
import sys
from typing import Any

PREPARE = """
import logging, threading, warnings
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.logs import configure, get_logger
configure("notifier")
log = get_logger("services.notifier.outbox")
"""
CANARY = "lancashire:CANARY-07700900123"


def lines(program: str, status: int = 0) -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, "-c", PREPARE + program.replace("CANARY", CANARY)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == status, done.stderr
    assert done.stderr == ""
    assert CANARY not in done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_object_a_line_with_time_level_service_and_place() -> None:
    (line,) = lines("log.info('release_sent', council='lancashire', count=3, seconds=0.25)")
    assert line.pop("at").endswith("+00:00")
    assert line == {"level": "info", "service": "notifier", "event": "release_sent", "council": "lancashire", "count": 3,
                    "seconds": 0.25, "logger": "services.notifier.outbox"}


def test_keys_that_are_not_listed_are_left_out_and_named() -> None:
    (line,) = lines("log.info('text_sent', person_ref='CANARY', body='CANARY', alert_id='a1', **{'CANARY': 'CANARY'})")
    assert line["alert_id"] == "a1"
    assert line["dropped"] == ["?", "body", "person_ref"]


def test_nothing_is_formatted_into_an_events_name() -> None:
    (line,) = lines("log.info('sent to CANARY')")
    assert line["event"] == "event_without_slug"


def test_values_are_made_plain_and_what_is_not_plain_is_only_named() -> None:
    (line,) = lines("""
class Odd:
    def __repr__(self): return "CANARY"
log.info('odd', id=Odd(), seconds=timedelta(minutes=1), version=date(2026, 3, 2), partitions={1}, file=Path('a'),
         reason='x' * 999, code={'a': 'CANARY'}, count=True)
""")
    assert (line["id"], line["code"], line["partitions"], line["file"]) == ("Odd", "dict", [1], "a")
    assert (line["seconds"], line["version"], len(line["reason"]), line["count"]) == (60.0, "2026-03-02", 200, True)


def test_of_an_exception_the_type_and_the_place() -> None:
    (line,) = lines("""
def look_up(): raise KeyError("CANARY")
try: look_up()
except KeyError: log.exception('lookup_failed')
""")
    assert (line["error"], line["level"]) == ("KeyError", "error")
    assert line["where"][-1].endswith("look_up")
    assert "message" not in line


def test_a_user_error_is_made_to_be_read() -> None:
    (line,) = lines("log.error('stopped', exc_info=UserError('set NOTIFIER_TRIAL'))")
    assert line["message"] == "set NOTIFIER_TRIAL"


def test_of_other_libraries_only_that_they_spoke() -> None:
    said = lines("""
logging.getLogger('twilio.http_client').info('POST CANARY')
logging.getLogger('kafka.coordinator').info('CANARY')
logging.getLogger('faust.topics').warning('Send failed: %r', 'CANARY')
try: raise ValueError('CANARY')
except ValueError: logging.getLogger('uvicorn.error').exception('CANARY')
logging.getLogger('a CANARY').log(35, 'CANARY')
warnings.warn('CANARY')
""")
    assert [(line.get("logger"), line["level"], line["event"], line.get("error")) for line in said] == [
        ("faust.topics", "warning", "library_message", None),
        ("uvicorn.error", "error", "library_message", "ValueError"),
        (None, "warning", "library_message", None),
        ("py.warnings", "warning", "library_message", None)]


def test_what_a_library_says_again_and_again_is_passed_on_once() -> None:
    said = lines("""
for n in range(50):
    logging.getLogger('aiokafka.client').error('Unable to connect to %s', n)
    logging.getLogger('services.notifier').warning('provider_slow')
logging.getLogger('aiokafka.client').error('Topic %s not found', 'CANARY')
""")
    assert [line["event"] for line in said].count("library_message") == 2
    assert [line["event"] for line in said].count("provider_slow") == 50


def test_a_plain_logger_of_ours_may_say_its_slug() -> None:
    said = lines("""
logging.getLogger('services.notifier').warning('provider_slow')
logging.getLogger('services.notifier').warning('provider %s', 'CANARY')
""")
    assert [line["event"] for line in said] == ["provider_slow", "event_without_slug"]


def test_what_nobody_caught_is_a_line_without_its_text() -> None:
    (line,) = lines("raise ValueError('CANARY')", status=1)
    assert (line["event"], line["level"], line["error"]) == ("uncaught_exception", "critical", "ValueError")
    (line,) = lines("""
def work(): raise ValueError('CANARY')
thread = threading.Thread(target=work, name='CANARY'); thread.start(); thread.join()
""")
    assert (line["event"], line["error"]) == ("uncaught_exception", "ValueError")


def test_fail_stop_says_why_and_ends_at_once_whatever_else_runs() -> None:
    (line,) = lines("""
from keepintouch.runtime.stopping import fail_stop
threading.Thread(target=threading.Event().wait).start()
try: raise RuntimeError('CANARY')
except RuntimeError as error: fail_stop('batch_failed', error)
""", status=70)
    assert (line["event"], line["reason"], line["error"]) == ("fail_stop", "batch_failed", "RuntimeError")


def test_without_configuration_the_fences_stand_and_standard_output_is_free() -> None:
    done = subprocess.run([sys.executable, "-c", "from keepintouch.runtime.logs import get_logger;"
                           f"get_logger('keepintouch.cli').info('read', body={CANARY!r}); print('result')"],
                          capture_output=True, text=True, check=True)
    assert done.stdout == "result\n"
    assert CANARY not in done.stderr
    assert json.loads(done.stderr)["dropped"] == ["body"]
