"""Which numbers may be texted: mobiles. Pure; what is known of numbering plans comes with `phonenumbers`."""
from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

_MOBILE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})   # in North America none can tell
_BRITISH_MOBILE: Final = re.compile(r"7[1-57-9]\d{8}")
"""Ofcom's plan: 070 is for personal numbers and 076 for pagers. What it holds back for drama (07700 900…) is among them, as
are blocks given out since the library was made."""


@lru_cache(maxsize=20_000)
def may_be_texted(number: str) -> bool:
    """Whether a number in E.164 is a mobile's: not a landline, nor one that costs extra, nor one that cannot be."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return False
    if not number.startswith("+") or phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) != number:
        return False
    if phonenumbers.is_valid_number(parsed):
        return phonenumbers.number_type(parsed) in _MOBILE
    return parsed.country_code == 44 and _BRITISH_MOBILE.fullmatch(str(parsed.national_number)) is not None
