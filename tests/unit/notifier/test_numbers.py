"""Which numbers may be texted."""
import pytest

from services.notifier.numbers import may_be_texted


@pytest.mark.parametrize("number", [
    "+447911123456", "+447400123456", "+447700900123", "+447999999999", "+447797712345", "+447624123456", "+353851234567",
    "+4915112345678", "+12125551234"])
def test_mobiles_may(number: str) -> None:
    assert may_be_texted(number)


@pytest.mark.parametrize("number", [
    "+442079460000", "+441632960001", "+443069990000", "+449098790001", "+448081570000", "+447012345678", "+447640123456",
    "+33145678901", "+44791112345", "+4479111234567", "07911123456", "447911123456", "+44 7911 123456", "+", "", "+0", "ada",
    "+4407911123456", "+999123456789"])
def test_landlines_premium_rate_pagers_and_what_is_no_number_may_not(number: str) -> None:
    assert not may_be_texted(number)
