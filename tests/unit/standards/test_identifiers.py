"""Ids keep their text, and take little room where they are UUIDs."""

import pytest

from keepintouch.standards.identifiers import pack, unpack

UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize("text", [
    UUID, UUID.upper(), UUID.replace("-", ""), UUID.replace("8fad", "8f-d"), UUID.replace("0f", "zz"), f"{{{UUID[2:]}}}",
    UUID.replace("-d9cb-", "_d9cb-"), "0f8fad5b-d9cb4-69f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-7086772895 e",
    "e1", "é", "\U0001f4de", "ÿ", "x" * 16, "x" * 15, "x" * 17, "ÿ" * 8, "x" * 36, "x" * 128, "x" * 256])
def test_an_id_comes_back_as_its_source_wrote_it(text: str) -> None:
    assert unpack(pack(text)) == text


def test_only_a_canonical_uuid_is_made_small() -> None:
    assert len(pack(UUID)) == 16
    assert len(pack(UUID.upper())) == 36
    assert pack("e1") == b"e1"


def test_different_ids_differ() -> None:
    texts = [UUID, UUID.upper(), UUID[:-1] + "f", "e1", "E1", "ÿ"]
    assert len({pack(text) for text in texts}) == len(texts)


def test_a_very_long_id_is_kept_short_and_is_no_other() -> None:
    """There may be 2,000 of them in a person, and a person is one message."""
    long = "\U0001f4de" * 15_000
    assert len(pack(long)) <= 1_000
    assert pack(long) != pack(long + "x") != pack("x" + long)
    assert unpack(pack("b" + long)) > unpack(pack("a" + long))
    assert pack(unpack(pack(long))) == pack(long), "as it is stored it is stored again"
