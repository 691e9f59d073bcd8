"""Refs: the same id gives the same ref, only the right key turns it back, and nothing else passes for one."""
from __future__ import annotations

import base64
import re
import stat
import unicodedata
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from typer.testing import CliRunner

from keepintouch import refs
from keepintouch.cli import keys
from keepintouch.refs import RefError, Refs
from keepintouch.runtime.errors import UserError
from schemas.common import REF_PATTERN

KEY = bytes(range(64))
LANCASHIRE = Refs("lancashire", KEY)
FROZEN_PERSON = "lancashire:68o5hccyFw-SQisVlfYiI33vM2l3Aw"
FROZEN_WORKER = "lancashire:4JC7w46wTMQMX3BFzdFNhnhs2j8IkQ"


def test_the_cipher_is_aes_siv_of_rfc_5297() -> None:
    """RFC 5297 appendix A.1 (its 256-bit key shows that the primitive is the one meant)."""
    key = bytes.fromhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    about = bytes.fromhex("101112131415161718191a1b1c1d1e1f2021222324252627")
    sealed = AESSIV(key).encrypt(bytes.fromhex("112233445566778899aabbccddee"), [about])
    assert sealed.hex() == "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"


def test_frozen_vectors() -> None:
    """These may never change: every ref that a council has would be lost."""
    assert LANCASHIRE.person("100123") == FROZEN_PERSON
    assert LANCASHIRE.worker("100123") == FROZEN_WORKER


@pytest.mark.parametrize("case_id", ["1", "000123", "100123", "Ä/42 b", "x" * 32, "é" * 16])
def test_round_trip(case_id: str) -> None:
    ref = LANCASHIRE.person(case_id)
    assert re.fullmatch(REF_PATTERN, ref)
    assert ref == LANCASHIRE.person(case_id)
    assert LANCASHIRE.decode(ref, "person") == case_id
    assert LANCASHIRE.who(ref) == ("person", case_id)
    assert LANCASHIRE.who(LANCASHIRE.worker(case_id)) == ("worker", case_id)


def test_longest_id_fills_the_ref_exactly() -> None:
    assert len(LANCASHIRE.person("x" * 32).partition(":")[2]) == 64


def test_outer_spaces_and_composition_do_not_matter_but_zeros_do() -> None:
    assert LANCASHIRE.person(" 000123\t") == LANCASHIRE.person("000123")
    assert LANCASHIRE.person(unicodedata.normalize("NFD", "é1")) == LANCASHIRE.person("é1")
    assert LANCASHIRE.person("000123") != LANCASHIRE.person("123")


@pytest.mark.parametrize("case_id", ["", "  ", "x" * 33, "é" * 17, "\ud800"])
def test_ids_that_cannot_be(case_id: str) -> None:
    with pytest.raises(RefError, match="case id"):
        LANCASHIRE.person(case_id)


def test_refs_differ_by_council_kind_and_key() -> None:
    others = [Refs("kent", KEY).person("1"), LANCASHIRE.worker("1"), Refs("lancashire", KEY[::-1]).person("1")]
    assert len({ref.partition(":")[2] for ref in [LANCASHIRE.person("1"), *others]}) == 4


def test_every_changed_character_is_noticed() -> None:
    ref = LANCASHIRE.person("100123")
    start = len("lancashire:")
    for at in range(start, len(ref)):
        changed = ref[:at] + ("A" if ref[at] != "A" else "B") + ref[at + 1:]
        with pytest.raises(RefError, match="no person ref made with the key"):
            LANCASHIRE.decode(changed, "person")


def test_only_the_canonical_spelling_is_a_ref() -> None:
    """Base64 with spare bits has several spellings of the same bytes; two refs for one person would be two people."""
    ref = LANCASHIRE.person("1")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = ref[:-1] + alphabet[alphabet.index(ref[-1]) + 1]
    local = [base64.urlsafe_b64decode(r.partition(":")[2] + "==") for r in (ref, twin)]
    assert local[0] == local[1]
    with pytest.raises(RefError):
        LANCASHIRE.decode(twin, "person")


@pytest.mark.parametrize("ref", ["", "lancashire", "lancashire:", "Lancashire:abc", "lancashire:a b", "lancashire:" + "a" * 65])
def test_what_is_no_ref(ref: str) -> None:
    with pytest.raises(RefError, match="not a ref"):
        LANCASHIRE.who(ref)


@pytest.mark.parametrize("local", ["A", "AA", "A" * 21, "A" * 22, "A" * 64])
def test_what_was_not_made_here(local: str) -> None:
    with pytest.raises(RefError, match="made with the key"):
        LANCASHIRE.who(f"lancashire:{local}")


def test_another_councils_ref_and_the_wrong_kind() -> None:
    with pytest.raises(RefError, match="of the council kent"):
        LANCASHIRE.decode(Refs("kent", KEY).person("1"), "person")
    with pytest.raises(RefError, match="no worker ref"):
        LANCASHIRE.decode(LANCASHIRE.person("1"), "worker")


def test_no_key_in_what_is_printed_of_it() -> None:
    assert repr(LANCASHIRE) == "Refs(council='lancashire')"


def test_a_key_that_is_too_short() -> None:
    with pytest.raises(RefError, match="64 bytes"):
        Refs("lancashire", b"short")


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = refs.new_key(tmp_path / "keys", "lancashire")
    assert path == tmp_path / "keys" / "lancashire.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert len(base64.b64decode(before)) == 64
    with pytest.raises(RefError, match="not overwritten"):
        refs.new_key(tmp_path / "keys", "lancashire")
    assert path.read_bytes() == before
    loaded = refs.load_key(tmp_path / "keys", "lancashire")
    assert loaded.who(loaded.person("7")) == ("person", "7")


@pytest.mark.parametrize("council", ["../up", "A", "a", "x" * 33, "a/b", ""])
def test_a_council_is_never_a_path(tmp_path: Path, council: str) -> None:
    with pytest.raises(RefError, match="2 to 32"):
        refs.new_key(tmp_path, council)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [b"", b"not base64!", b"QUJD", "é".encode()])
def test_a_damaged_key_file(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "kent.key").write_bytes(text)
    with pytest.raises(RefError, match="does not hold a key"):
        refs.load_key(tmp_path, "kent")


def command() -> typer.Typer:
    app = typer.Typer()
    app.add_typer(keys.app, name="keys")
    app.command("who")(keys.who)
    return app


def test_the_commands(tmp_path: Path) -> None:
    env = {"COUNCIL_KEYS_DIR": str(tmp_path / "k")}
    run = CliRunner(env=env).invoke
    made = run(command(), ["keys", "new", "lancashire"])
    assert (made.exit_code, made.stdout) == (0, f"{tmp_path}/k/lancashire.key\n")
    again = run(command(), ["keys", "new", "lancashire"])
    assert isinstance(again.exception, UserError)
    assert "not overwritten" in str(again.exception)
    ours = refs.load_key(tmp_path / "k", "lancashire")
    for ref in (ours.person("000123"), ours.worker("000123")):
        found = run(command(), ["who", ref])
        assert (found.exit_code, found.stdout) == (0, "000123\n")


@pytest.mark.parametrize(("ref", "says"), [
    ("kent:abc", "the key of kent is not at hand"), ("nonsense", "not a ref"), ("lancashire:abcd", "made with the key")])
def test_who_says_in_one_line_why_not(tmp_path: Path, ref: str, says: str) -> None:
    refs.new_key(tmp_path, "lancashire")
    found = CliRunner().invoke(command(), ["who", ref, "--keys", str(tmp_path)])
    assert isinstance(found.exception, UserError)
    assert says in str(found.exception)
    assert "\n" not in str(found.exception)
    assert ref not in str(found.exception)
    assert found.stdout == ""
