"""Identifiers of persons, organisations and places: checked, and masked for display.

Own checks, because ``python-stdnum`` refuses residence permits (81, 82, 83), permanent residence cards (9) and
unified social credit codes that begin with a letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from lianban.contracts.codes import IdType
from lianban.law.errors import NotAllowed


class IdentityError(NotAllowed):
    """An identifier that cannot be right; its sentences do not hold the value."""


@dataclass(frozen=True, slots=True)
class ResidentNumber:
    """An 18-character number of GB 11643 and what it says of itself."""

    number: str
    kind: IdType
    born: date


_RESIDENT = re.compile(r"\d{17}[\dX]", re.ASCII)
_PROVINCES = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[12]")
_PERMITS = frozenset({"810000", "820000", "830000"})
_WEIGHTS = tuple(2**place % 11 for place in range(17, 0, -1))
_CHECK = "10X98765432"


def resident_number(text: str, today: date | None = None) -> ResidentNumber:
    """A resident's number (GB 11643, ISO 7064 MOD 11-2), normalised.

    Prefix 810000, 820000 or 830000 is the residence permit for people from Hong Kong, Macao and Taiwan, a leading
    9 the foreigner's permanent residence card. A birth date after ``today`` is refused. Raises
    :class:`IdentityError` (id-form, id-region, id-birth, id-check).
    """
    number = text.strip().upper()
    if _RESIDENT.fullmatch(number) is None:
        raise IdentityError("id-form", "证件号码应为18位", "The number must have 18 characters")
    if number[:6] in _PERMITS:
        kind = IdType.RESIDENCE_PERMIT
    elif number[0] == "9":
        kind = IdType.FOREIGN_PERMIT
    elif _PROVINCES.match(number):
        kind = IdType.RESIDENT_ID
    else:
        raise IdentityError("id-region", "证件号码的地区部分有误", "The region in the number does not exist")
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise IdentityError("id-birth", "证件号码的出生日期有误", "The birth date in the number is no day") from None
    if not date(1850, 1, 1) <= born <= (today or date.max):
        raise IdentityError("id-birth", "证件号码的出生日期有误", "The birth date in the number cannot be right")
    if number[-1] != _CHECK[sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False)) % 11]:
        raise IdentityError("id-check", "证件号码的校验位不符", "The check digit of the number does not fit")
    return ResidentNumber(number, kind, born)


_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT = re.compile(f"[{_CREDIT_ALPHABET}]{{2}}[0-9]{{6}}[{_CREDIT_ALPHABET}]{{10}}")


def credit_code(text: str) -> str:
    """A unified social credit code (GB 32100), normalised; a leading letter (village collectives …) is allowed.

    Raises :class:`IdentityError` (credit-form, credit-check).
    """
    code = text.strip().upper()
    if _CREDIT.fullmatch(code) is None:
        raise IdentityError(
            "credit-form", "统一社会信用代码应为18位", "The code must have 18 characters of its alphabet"
        )
    total = sum(_CREDIT_ALPHABET.index(sign) * pow(3, place, 31) for place, sign in enumerate(code[:17]))
    if code[17] != _CREDIT_ALPHABET[-total % 31]:
        raise IdentityError(
            "credit-check", "统一社会信用代码的校验位不符", "The check character of the code does not fit"
        )
    return code


_PASSPORT = re.compile(r"[A-Z0-9]{5,15}", re.ASCII)


def identity_number(kind: IdType, text: str, today: date | None = None) -> str:
    """The number of a document of a kind, normalised; raises :class:`IdentityError` also when the kinds differ."""
    match kind:
        case IdType.NONE:
            if text.strip():
                raise IdentityError("id-type", "请选择证件类型", "Choose the kind of document")
            return ""
        case IdType.ORGANISATION:
            return credit_code(text)
        case IdType.PASSPORT:
            number = text.strip().upper()
            if _PASSPORT.fullmatch(number) is None:
                raise IdentityError("id-form", "护照号码有误", "The passport number cannot be right")
            return number
        case IdType.RESIDENT_ID | IdType.RESIDENCE_PERMIT | IdType.FOREIGN_PERMIT:
            found = resident_number(text, today)
            if found.kind is not kind:
                raise IdentityError(
                    "id-type", f"该号码属于{found.kind.zh}", f"The number belongs to another document: {found.kind.en}"
                )
            return found.number


_REGION = re.compile(r"[1-9]\d{11}", re.ASCII)


def region_code(text: str) -> str:
    """A 12-digit region code: province, city, county, township, village (2+2+2+3+3 digits, zeros to the right).

    A county part of zeros below a city is allowed (cities without districts have their townships there).
    Raises :class:`IdentityError` (region-form).
    """
    code = text.strip()
    city, county, township, village = code[2:4], code[4:6], code[6:9], code[9:12]
    if (
        _REGION.fullmatch(code) is None
        or (city == "00" and (county, township, village) != ("00", "000", "000"))
        or (township == "000" and village != "000")
    ):
        raise IdentityError("region-form", "行政区划代码有误", "The region code must have 12 digits in their order")
    return code


_MOBILE = re.compile(r"(?:\+?86)?(1[3-9]\d{9})", re.ASCII)


def mobile_number(text: str) -> str:
    """A mobile phone number of mainland China as 11 digits; spaces, hyphens and +86 are taken off.

    Raises :class:`IdentityError` (phone-form).
    """
    match = _MOBILE.fullmatch(re.sub(r"[\s-]", "", text))
    if match is None:
        raise IdentityError("phone-form", "手机号码应为11位", "The mobile number must have 11 digits")
    return match[1]


def is_mobile(text: str) -> bool:
    """Whether a text is a mobile phone number, see :func:`mobile_number`."""
    try:
        mobile_number(text)
    except IdentityError:
        return False
    return True


def mask_name(name: str) -> str:
    """A person's name with all but its first character hidden."""
    return name[:1] + "*" * (len(name) - 1)


def mask_number(number: str) -> str:
    """A document's number with all but its first and last three characters hidden; short ones wholly."""
    if len(number) < 9:
        return "*" * len(number)
    return number[:3] + "*" * (len(number) - 6) + number[-3:]


def mask_phone(phone: str) -> str:
    """A phone number with its middle hidden: 138****5678; short ones wholly."""
    if len(phone) < 9:
        return "*" * len(phone)
    return phone[:3] + "*" * (len(phone) - 7) + phone[-4:]


def mask_email(address: str) -> str:
    """An e-mail address with all but its first character and its domain hidden."""
    user, at, domain = address.rpartition("@")
    return f"{user[:1]}***@{domain}" if at else "***"
