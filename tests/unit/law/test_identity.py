"""Identifiers: what is accepted, what is refused and why, and how it is masked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from lianban.contracts.codes import IdType
from lianban.law import identity
from lianban.law.identity import IdentityError

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("number", "kind", "born"),
    [
        ("11010519491231002X", IdType.RESIDENT_ID, date(1949, 12, 31)),
        ("11010519491231002x", IdType.RESIDENT_ID, date(1949, 12, 31)),
        ("810000199408230021", IdType.RESIDENCE_PERMIT, date(1994, 8, 23)),
        ("830000199201300022", IdType.RESIDENCE_PERMIT, date(1992, 1, 30)),
        ("911124198108030024", IdType.FOREIGN_PERMIT, date(1981, 8, 3)),
    ],
)
def test_a_residents_number_tells_its_kind_and_birth_date(number: str, kind: IdType, born: date) -> None:
    found = identity.resident_number(number, TODAY)
    assert (found.number, found.kind, found.born) == (number.upper(), kind, born)


@pytest.mark.parametrize(
    ("number", "slug"),
    [
        ("110105491231002", "id-form"),
        ("1101051949123100２X", "id-form"),
        ("01010519491231002X", "id-region"),
        ("16010519491231002X", "id-region"),
        ("11010519490231002X", "id-birth"),
        ("110105177001010026", "id-birth"),
        ("110105202712310027", "id-birth"),
        ("110105194912310021", "id-check"),
    ],
)
def test_a_wrong_residents_number_is_refused_with_the_reason(number: str, slug: str) -> None:
    with pytest.raises(IdentityError) as caught:
        identity.resident_number(number, TODAY)
    assert caught.value.slug == slug
    assert number not in str(caught.value) + caught.value.zh


@pytest.mark.parametrize("code", ["11100000000013127D", "N2110108MF00000004", "91110000600037341L"])
def test_a_credit_code_is_accepted_also_with_a_leading_letter(code: str) -> None:
    assert identity.credit_code(code.lower()) == code


@pytest.mark.parametrize(
    ("code", "slug"),
    [
        ("11100000000013127E", "credit-check"),
        ("1110000000001312D7", "credit-check"),
        ("I1100000000013127D", "credit-form"),
        ("11100000000013127", "credit-form"),
        ("", "credit-form"),
    ],
)
def test_a_wrong_credit_code_is_refused(code: str, slug: str) -> None:
    with pytest.raises(IdentityError) as caught:
        identity.credit_code(code)
    assert caught.value.slug == slug


def test_a_number_must_be_of_the_document_that_was_chosen() -> None:
    assert identity.identity_number(IdType.NONE, " ", TODAY) == ""
    assert identity.identity_number(IdType.PASSPORT, "e12345678", TODAY) == "E12345678"
    assert identity.identity_number(IdType.ORGANISATION, "11100000000013127D", TODAY) == "11100000000013127D"
    with pytest.raises(IdentityError, match="Residence permit"):
        identity.identity_number(IdType.RESIDENT_ID, "810000199408230021", TODAY)
    with pytest.raises(IdentityError, match="Choose the kind"):
        identity.identity_number(IdType.NONE, "810000199408230021", TODAY)
    with pytest.raises(IdentityError, match="passport"):
        identity.identity_number(IdType.PASSPORT, "E 1234", TODAY)


@pytest.mark.parametrize("code", ["990101001001", "441900003000", "990100000000"])
def test_a_region_code_has_twelve_digits_in_their_order(code: str) -> None:
    assert identity.region_code(f" {code}") == code


@pytest.mark.parametrize("code", ["9901", "090100000000", "990001000000", "990100000001", "99010０000000", ""])
def test_a_wrong_region_code_is_refused(code: str) -> None:
    with pytest.raises(IdentityError) as caught:
        identity.region_code(code)
    assert caught.value.slug == "region-form"


@pytest.mark.parametrize("told", ["13800138000", "+86 138-0013-8000", "8613800138000"])
def test_a_mobile_number_is_brought_to_eleven_digits(told: str) -> None:
    assert identity.mobile_number(told) == "13800138000"
    assert identity.is_mobile(told)


@pytest.mark.parametrize("told", ["010-62345678", "12345678901", "138001380001", "1380013800０", ""])
def test_what_is_no_mobile_number_is_refused(told: str) -> None:
    with pytest.raises(IdentityError) as caught:
        identity.mobile_number(told)
    assert caught.value.slug == "phone-form"
    assert not identity.is_mobile(told)


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        (identity.mask_name, "张三", "张*"),
        (identity.mask_name, "欧阳小明", "欧***"),
        (identity.mask_name, "", ""),
        (identity.mask_number, "11010519491231002X", "110************02X"),
        (identity.mask_number, "E1234567", "********"),
        (identity.mask_phone, "13800138000", "138****8000"),
        (identity.mask_phone, "12345", "*****"),
        (identity.mask_email, "lihua@example.cn", "l***@example.cn"),
        (identity.mask_email, "lihua", "***"),
    ],
)
def test_a_mask_hides_what_tells_the_person(mask: Callable[[str], str], value: str, shown: str) -> None:
    assert mask(value) == shown
