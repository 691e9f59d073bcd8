"""The councils file: what is taken, and how mistakes are named."""
from pathlib import Path
from typing import Any

import pytest
import yaml

from keepintouch.councils import SIGN_IN_LENGTH, load_councils, unsafe_addresses
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.places import deploy_file


def given(folder: Path, council: dict[str, Any] | None = None, ladder: dict[str, Any] | None = None,
          without: str | None = None) -> Path:
    """A good file but for what is given."""
    described = {"name": "Demo", "policy": "standard_8_week", "ladder": "standard", "fallback": "demo:duty",
                 "sign_in": "https://contact.example.gov.uk", "channels": {"sms": ["twilio"]}} | (council or {})
    described.pop(without or "", None)
    steps = {"calendar": "always", "steps": [{"after": "0d", "to": ["adviser"]}]} | (ladder or {})
    file = folder / "councils.yaml"
    file.write_text(yaml.safe_dump({"councils": {"demo": described}, "ladders": {"standard": steps}}))
    return file


def test_the_shipped_example_loads_and_uses_every_setting() -> None:
    councils = load_councils(deploy_file("councils.yaml"))
    assert councils.slugs == {"lancashire"}
    assert [step.after for step in councils.ladder_of("lancashire").steps] == ["0d", "1wd", "2wd", "5wd"]
    assert unsafe_addresses(councils.councils) == []


def test_defaults(tmp_path: Path) -> None:
    council = load_councils(given(tmp_path)).councils["demo"]
    assert (council.limits.storm_alerts, council.limits.storm_share) == (50, 0.2)
    assert (council.people, council.feeds, council.case_link) == (None, [], None)
    assert council.channels.providers == {"twilio"}


def test_every_release_may_be_a_storm(tmp_path: Path) -> None:
    council = load_councils(given(tmp_path, {"limits": {"storm_alerts": 0, "storm_share": 0}})).councils["demo"]
    assert (council.limits.storm_alerts, council.limits.storm_share) == (0, 0)


def test_a_slash_at_the_end_of_an_address_does_not_matter(tmp_path: Path) -> None:
    assert load_councils(given(tmp_path, {"sign_in": "http://x.example/"})).councils["demo"].sign_in == "http://x.example"
    assert unsafe_addresses(load_councils(given(tmp_path, {"sign_in": "http://x.example/"})).councils) == ["demo"]


@pytest.mark.parametrize(("council", "ladder", "said"), [
    ({"colour": "red"}, {}, "council demo: colour: is not a setting that exists here"),
    ({"name": False}, {}, "council demo: name: should be text"),
    ({"ladder": "other"}, {}, "council demo: ladder: there is no ladder 'other'"),
    ({"fallback": "elsewhere:duty"}, {}, "council demo: fallback: should be a worker of this council"),
    ({"fallback": "duty"}, {}, "council demo: fallback: "),
    ({"sign_in": "contact.example.gov.uk"}, {}, "council demo: sign_in: should be an https:// address"),
    ({"sign_in": "https://" + "x" * SIGN_IN_LENGTH}, {}, "council demo: sign_in: should have at most 60 characters"),
    ({"sign_in": "https://contact.example\n"}, {}, "council demo: sign_in: should be an https:// address"),
    ({"sign_in": "https://kontakt.exämple"}, {}, "council demo: sign_in: should be an https:// address"),
    ({"people": 0}, {}, "council demo: people: "),
    ({"case_link": "https://lcs.example"}, {}, "council demo: case_link: should contain {id}"),
    ({"channels": {"sms": ["pigeon"]}}, {}, "council demo: channels.sms.0: "),
    ({"limits": {"storm_share": 2}}, {}, "council demo: limits.storm_share: "),
    ({}, {"calendar": "sometimes"}, "ladder standard: calendar: "),
    ({}, {"steps": []}, "ladder standard: steps: "),
    ({}, {"steps": [{"after": "1m", "to": ["adviser"]}]}, "ladder standard: steps.0.after: "),
    ({}, {"steps": [{"after": "1d", "to": ["mayor"]}]}, "ladder standard: steps.0.to.0: "),
    ({}, {"weekly": "monday"}, "ladder standard: weekly: "),
])
def test_a_mistake_is_named_with_its_place(tmp_path: Path, council: dict[str, Any], ladder: dict[str, Any], said: str) -> None:
    file = given(tmp_path, council, ladder)
    with pytest.raises(UserError) as caught:
        load_councils(file)
    assert f"{file}: " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["name", "policy", "ladder", "fallback", "sign_in", "channels"])
def test_what_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(UserError, match=f"council demo: {missing}: Field required"):
        load_councils(given(tmp_path, without=missing))


@pytest.mark.parametrize(("text", "said"), [
    ("councils: [", "line 2"), ("", "should be"), ("councils: {}\nladders: {}", "councils"), ("- x", "should be"),
    ("councils:\n  demo: {}\n  demo: {}\n", "line 3: 'demo' is stated twice"), ("Councils: {}", "Councils: is not a setting"),
    ("councils:\n  demo: {closed: [2026-02-30]}", "line 2: 2026-02-30 cannot be read"),
    ("councils: {NO: {}}\nladders: {}", "councils")])
def test_what_is_no_councils_file_at_all(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "councils.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=said):
        load_councils(file)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="set COUNCILS_FILE"):
        load_councils(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\x80\x81")
    with pytest.raises(UserError, match="not UTF-8"):
        load_councils(tmp_path / "binary.yaml")
