"""What a petition must contain, whichever door it comes through (条例 §§17-20; 国信发〔2022〕8号 §5).

:func:`parse` reads what was told (JSON or form) and gives either a whole petition or every fault with its place, so
that nobody has to send the same form five times to learn five things.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar
from uuid import UUID, uuid5

from lianban.contracts.codes import Channel, CodeList, IdType, NoticeChannel, Purpose
from lianban.law.identity import IdentityError, identity_number, mobile_number, region_code

TITLE = 200
CONTENT = 20_000
CLAIM = 1_000
CLAIMS = 20
NAME = 100
ADDRESS = 300
REPRESENTATIVES = 4
"""Representatives besides the petitioner: a group visit has at most five in all (条例 §20③)."""
GROUP = 9_999
ACCUSED = 20
ATTACHMENTS = 20

FIELDS = frozenset(
    {
        "channel",
        "title",
        "content",
        "claims",
        "purpose",
        "region_code",
        "petitioner",
        "representatives",
        "group_size",
        "accused",
        "attachments",
        "anonymous",
        "language",
        "original_received_on",
        "source",
        "source_id",
    }
)
PERSON_FIELDS = frozenset({"name", "phone", "address", "email", "id_type", "id_number"})

EARLIEST = date(1990, 1, 1)
"""No imported matter is older."""

# Control characters and lone surrogates cannot be kept or shown; line breaks and tabs only where there are lines.
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_UNWRITABLE_OR_BREAK = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_AGENCY = re.compile(r"[a-z0-9-]{3,40}")
_PHONE = re.compile(r"\+?[0-9]{7,18}")
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
Code = TypeVar("Code", bound=CodeList)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what was told; ``pointer`` is its JSON pointer."""

    pointer: str
    slug: str
    zh: str
    en: str


class Faulty(Exception):
    """What was told cannot be registered as it is."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(", ".join(sorted({fault.slug for fault in faults})))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Person:
    """A petitioner or a representative; empty where not given."""

    name: str = ""
    phone: str = ""
    address: str = ""
    email: str = ""
    id_type: IdType = IdType.NONE
    id_number: str = ""


@dataclass(frozen=True, slots=True)
class Petition:
    """A petition that may be registered, as far as can be judged without reference data.

    ``accused`` holds codes of registered agencies, ``accused_others`` persons and organisations in words.
    """

    channel: Channel
    title: str
    content: str
    claims: tuple[str, ...]
    purpose: Purpose
    region_code: str
    petitioner: Person | None
    representatives: tuple[Person, ...] = ()
    group_size: int = 1
    accused: tuple[str, ...] = ()
    accused_others: tuple[str, ...] = ()
    attachments: tuple[UUID, ...] = ()
    language: str = "zh"
    original_received_on: date | None = None
    source: str | None = None
    source_id: str | None = None

    @property
    def anonymous(self) -> bool:
        """Whether nobody is named."""
        return self.petitioner is None

    @property
    def sealed(self) -> bool:
        """Whether the matter goes to the competent discipline body only (条例 §30)."""
        return self.purpose is Purpose.ACCUSATION

    @property
    def persons(self) -> tuple[Person, ...]:
        """The petitioner and the representatives."""
        return (self.petitioner, *self.representatives) if self.petitioner else ()

    def reachable(self, *, imported: bool) -> tuple[NoticeChannel, ...]:
        """How the petitioner can be reached; of an imported matter nobody holds the query code."""
        person = self.petitioner or Person()
        ways = {
            NoticeChannel.PORTAL: not imported,
            NoticeChannel.EMAIL: bool(person.email),
            NoticeChannel.SMS: _is_mobile(person.phone),
            NoticeChannel.LETTER: bool(person.address),
        }
        return tuple(way for way, open_ in ways.items() if open_)


def claim_id(matter: UUID, ordinal: int) -> UUID:
    """The id of a matter's ``ordinal``-th claim (from 1)."""
    return uuid5(matter, claim_name(ordinal))


def claim_name(ordinal: int) -> str:
    """What a claim's id is made from, within its matter."""
    return f"claim:{ordinal}"


def parse(told: Mapping[str, Any], *, today: date) -> Petition:
    """The petition in what was told; ``today`` is the day in China. Raises :class:`Faulty` with every fault."""
    read = _Reader(today)
    read.only(told, "", FIELDS)
    purpose = read.code(told, "/purpose", Purpose, "信访目的", "purpose")
    anonymous = read.flag(told, "/anonymous")
    petitioner = read.petitioner(told.get("petitioner"), anonymous=anonymous)
    representatives = tuple(
        read.person(person, f"/representatives/{index}", contact=False)
        for index, person in enumerate(
            read.items(told, "/representatives", 0, REPRESENTATIVES, "代表", "representatives")
        )
    )
    if representatives and petitioner is None and anonymous:
        read.fault(
            "/representatives",
            "representatives-without-petitioner",
            "匿名信访不能填写代表",
            "an anonymous petition has no representatives",
        )
    accused, accused_others = read.accused(told)
    petition = Petition(
        channel=read.code(told, "/channel", Channel, "信访形式", "channel") or Channel.WEB,
        title=read.text(told, "/title", TITLE, "标题", "title"),
        content=read.text(told, "/content", CONTENT, "事实和理由", "content", lines=True),
        claims=tuple(
            read.claim(claim, index)
            for index, claim in enumerate(read.items(told, "/claims", 1, CLAIMS, "诉求", "claims"))
        ),
        purpose=purpose or Purpose.APPEAL,
        region_code=read.region(told),
        petitioner=petitioner,
        representatives=representatives,
        group_size=read.group_size(told, 1 + len(representatives)),
        accused=accused,
        accused_others=accused_others,
        attachments=tuple(
            read.attachment(item, index)
            for index, item in enumerate(read.items(told, "/attachments", 0, ATTACHMENTS, "附件", "attachments"))
        ),
        language=read.language(told),
        original_received_on=read.day(told, "/original_received_on"),
        source=read.text(told, "/source", NAME, "来源", "source", needed=False) or None,
        source_id=read.text(told, "/source_id", NAME, "来源编号", "source id", needed=False) or None,
    )
    if (petition.source is None) != (petition.source_id is None):
        read.fault("/source_id", "source-not-whole", "来源和来源编号必须同时填写", "source and source_id go together")
    if len(set(petition.attachments)) != len(petition.attachments):
        read.fault("/attachments", "attachment-twice", "同一附件重复填写", "the same attachment is given twice")
    if read.faults:
        raise Faulty(read.faults)
    return petition


def normalise_phone(text: str) -> str | None:
    """A telephone number in its one form: a mobile number as 11 digits, others without blanks and hyphens; or None."""
    plain = unicodedata.normalize("NFKC", text)
    try:
        return mobile_number(plain)
    except IdentityError:
        digits = re.sub(r"[\s()/-]", "", plain)
        return digits if _PHONE.fullmatch(digits) else None


def _is_mobile(phone: str) -> bool:
    try:
        return bool(mobile_number(phone))
    except IdentityError:
        return False


def unknown_fields(told: Mapping[str, Any], pointer: str, fields: frozenset[str]) -> list[Fault]:
    """A field that nobody knows is more likely misspelt than meaningless, so it is not ignored."""
    found = []
    for name in sorted(str(name) for name in told if name not in fields)[:20]:
        place = name[:50].replace("~", "~0").replace("/", "~1")
        found.append(Fault(f"{pointer}/{place}", "unknown-field", "没有这一项", "there is no such field"))
    return found


@dataclass(slots=True)
class _Reader:
    """Reads values and collects what is wrong; a value that is wrong is answered with something harmless."""

    today: date
    faults: list[Fault] = field(default_factory=list)

    def fault(self, pointer: str, slug: str, zh: str, en: str) -> None:
        self.faults.append(Fault(pointer, slug, zh, en))

    def only(self, told: Mapping[str, Any], pointer: str, fields: frozenset[str]) -> None:
        self.faults += unknown_fields(told, pointer, fields)

    def string(self, value: Any, pointer: str, most: int, zh: str, en: str, *, lines: bool = False) -> str:
        """A text without its outer blanks; empty where nothing was given or it is wrong."""
        if value is None:
            return ""
        if not isinstance(value, str):
            self.fault(pointer, "not-text", f"{zh}必须是文字", f"{en} must be text")
            return ""
        text = value.replace("\r\n", "\n").replace("\r", "\n").strip()
        if (_UNWRITABLE if lines else _UNWRITABLE_OR_BREAK).search(text):
            self.fault(
                pointer, "unwritable-characters", f"{zh}含有无法保存的字符", f"{en} has characters that cannot be kept"
            )
            return ""
        if len(text) > most:
            self.fault(
                pointer,
                "too-long",
                f"{zh}不能超过{most}个字，现有{len(text)}个字",
                f"{en} may have at most {most} characters, it has {len(text)}",
            )
            return ""
        return text

    def text(
        self,
        told: Mapping[str, Any],
        pointer: str,
        most: int,
        zh: str,
        en: str,
        *,
        needed: bool = True,
        lines: bool = False,
    ) -> str:
        before = len(self.faults)
        text = self.string(told.get(pointer.rpartition("/")[2]), pointer, most, zh, en, lines=lines)
        if needed and not text and len(self.faults) == before:
            self.fault(pointer, "missing", f"请填写{zh}", f"{en} is missing")
        return text

    def items(self, told: Mapping[str, Any], pointer: str, least: int, most: int, zh: str, en: str) -> list[Any]:
        value = told.get(pointer[1:])
        if value is None:
            value = []
        if not isinstance(value, list | tuple):
            self.fault(pointer, "not-a-list", f"{zh}必须是列表", f"{en} must be a list")
            return []
        if len(value) < least:
            self.fault(pointer, "missing", f"请至少填写{least}项{zh}", f"{en}: at least {least} needed")
        if len(value) > most:
            self.fault(
                pointer,
                "too-many",
                f"{zh}最多{most}项，现有{len(value)}项",
                f"{en}: at most {most}, there are {len(value)}",
            )
            return []
        return list(value)

    def code(self, told: Mapping[str, Any], pointer: str, codes: type[Code], zh: str, en: str) -> Code | None:
        value = told.get(pointer.rpartition("/")[2])
        if value is None or value == "":
            self.fault(pointer, "missing", f"请选择{zh}", f"{en} is missing")
            return None
        try:
            return codes(value)
        except ValueError:
            known = ", ".join(code.value for code in codes)
            self.fault(pointer, "unknown-code", f"未知的{zh}，可选：{known}", f"unknown {en}, known: {known}")
            return None

    def flag(self, told: Mapping[str, Any], pointer: str) -> bool:
        value = told.get(pointer[1:])
        if value is None or isinstance(value, bool):
            return bool(value)
        self.fault(pointer, "not-true-or-false", "必须是true或false", "must be true or false")
        return False

    def claim(self, value: Any, index: int) -> str:
        pointer = f"/claims/{index}"
        if isinstance(value, Mapping):
            return self.text(value, f"{pointer}/text", CLAIM, "诉求", "claim", lines=True)
        before = len(self.faults)
        text = self.string(value, pointer, CLAIM, "诉求", "claim", lines=True)
        if not text and len(self.faults) == before:
            self.fault(pointer, "missing", "请填写诉求", "claim is missing")
        return text

    def region(self, told: Mapping[str, Any]) -> str:
        before = len(self.faults)
        code = self.text(told, "/region_code", 12, "问题属地", "region code")
        if len(self.faults) == before:
            try:
                return region_code(code)
            except IdentityError:
                self.fault(
                    "/region_code", "region-code-form", "问题属地须为12位区划代码", "a region code has twelve digits"
                )
        return code

    def group_size(self, told: Mapping[str, Any], least: int) -> int:
        value = told.get("group_size")
        if value is None:
            return least
        if not isinstance(value, int) or isinstance(value, bool):
            self.fault("/group_size", "not-a-number", "信访人数必须是整数", "group size must be a whole number")
            return least
        if not least <= value <= GROUP:
            self.fault(
                "/group_size",
                "out-of-range",
                f"信访人数应在{least}至{GROUP}之间",
                f"group size must be {least} to {GROUP}",
            )
            return least
        return value

    def petitioner(self, value: Any, *, anonymous: bool) -> Person | None:
        if anonymous:
            if value not in (None, {}):
                self.fault(
                    "/petitioner",
                    "anonymous-with-petitioner",
                    "匿名信访不应填写信访人信息",
                    "an anonymous petition names no petitioner",
                )
            return None
        if value is None:
            self.fault("/petitioner", "missing", "请填写信访人", "petitioner is missing")
            return None
        return self.person(value, "/petitioner", contact=True)

    def person(self, value: Any, pointer: str, *, contact: bool) -> Person:
        if not isinstance(value, Mapping):
            self.fault(pointer, "not-an-object", "信访人必须是对象", "a person must be an object")
            return Person()
        self.only(value, pointer, PERSON_FIELDS)
        before = len(self.faults)
        name = self.text(value, f"{pointer}/name", NAME, "姓名", "name")
        phone = self.string(value.get("phone"), f"{pointer}/phone", 40, "电话", "telephone")
        if phone:
            known = normalise_phone(phone)
            if known is None:
                self.fault(f"{pointer}/phone", "phone-form", "电话号码格式不正确", "this is no telephone number")
            phone = known or ""
        email = self.string(value.get("email"), f"{pointer}/email", 254, "电子邮箱", "e-mail")
        if email and not _EMAIL.fullmatch(email):
            self.fault(f"{pointer}/email", "email-form", "电子邮箱格式不正确", "this is no e-mail address")
        address = self.string(value.get("address"), f"{pointer}/address", ADDRESS, "住址", "address")
        if contact and not (phone or email or address) and len(self.faults) == before:
            self.fault(
                f"{pointer}/phone",
                "no-contact",
                "电话、电子邮箱、住址请至少填写一项",
                "give a telephone number, an e-mail address or a postal address",
            )
        id_type, id_number = self.document(value, pointer)
        return Person(name, phone, address, email, id_type, id_number)

    def document(self, value: Mapping[str, Any], pointer: str) -> tuple[IdType, str]:
        """Type and number of an identity document; both or none."""
        given = value.get("id_type")
        id_type = (
            IdType.NONE
            if given in (None, "")
            else self.code(value, f"{pointer}/id_type", IdType, "证件类型", "document type")
        )
        number = self.string(value.get("id_number"), f"{pointer}/id_number", 40, "证件号码", "document number").upper()
        if id_type is None:
            return IdType.NONE, ""
        if id_type is IdType.NONE and number:
            self.fault(
                f"{pointer}/id_type", "missing", "请选择证件类型", "say what kind of document the number belongs to"
            )
        elif id_type is not IdType.NONE and not number:
            self.fault(f"{pointer}/id_number", "missing", "请填写证件号码", "document number is missing")
        elif number:
            try:
                return id_type, identity_number(id_type, number, self.today)
            except IdentityError as error:
                self.fault(f"{pointer}/id_number", error.slug, error.zh, error.en[:1].lower() + error.en[1:])
        return id_type, number

    def accused(self, told: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        codes: list[str] = []
        others: list[str] = []
        for index, item in enumerate(self.items(told, "/accused", 0, ACCUSED, "被反映对象", "accused")):
            pointer = f"/accused/{index}"
            if isinstance(item, Mapping) and "name" in item:
                others.append(self.text(item, f"{pointer}/name", 200, "被反映对象名称", "name of the accused"))
                continue
            code = item.get("agency") if isinstance(item, Mapping) else item
            text = self.string(code, pointer, 40, "被反映单位代码", "agency code")
            if not _AGENCY.fullmatch(text):
                self.fault(
                    pointer,
                    "unknown-agency",
                    '未知的单位代码；不在名册中的对象请写成{"name": …}',
                    'unknown agency code; write {"name": …} for whom the register does not hold',
                )
            elif text not in codes:
                codes.append(text)
        return tuple(codes), tuple(others)

    def attachment(self, value: Any, index: int) -> UUID:
        try:
            return UUID(value) if isinstance(value, str) else UUID(int=-1)
        except ValueError:
            self.fault(f"/attachments/{index}", "unknown-attachment", "没有这个附件", "there is no such upload")
            return UUID(int=0)

    def language(self, told: Mapping[str, Any]) -> str:
        value = told.get("language") or "zh"
        if value not in ("zh", "en"):
            self.fault("/language", "unknown-code", "语言可选：zh, en", "known languages: zh, en")
            return "zh"
        return str(value)

    def day(self, told: Mapping[str, Any], pointer: str) -> date | None:
        value = told.get(pointer[1:])
        if value is None or value == "":
            return None
        try:
            day = date.fromisoformat(value)
        except (TypeError, ValueError):
            self.fault(pointer, "not-a-day", "日期须写成2026-01-31的形式", "a day is written 2026-01-31")
            return None
        if not EARLIEST <= day <= self.today:
            zh, en = f"日期应在{EARLIEST}至{self.today}之间", f"the day must be from {EARLIEST} to {self.today}"
            self.fault(pointer, "out-of-range", zh, en)
            return None
        return day


def read_supplement(text: Any, uploads: Sequence[UUID]) -> str:
    """The words of a supplement; raises :class:`Faulty` where they are wrong, or neither words nor files are given."""
    read = _Reader(EARLIEST)
    words = read.string(text, "/text", CONTENT, "补充内容", "text", lines=True)
    if not read.faults and not words and not uploads:
        read.fault("/text", "missing", "请填写补充内容或者添加附件", "give a text or a file")
    if len(uploads) > ATTACHMENTS:
        read.fault("/attachments", "too-many", f"附件最多{ATTACHMENTS}个", f"at most {ATTACHMENTS} files")
    if read.faults:
        raise Faulty(read.faults)
    return words


def read_attachments(value: Any) -> tuple[UUID, ...]:
    """The ids in a list of uploads; raises :class:`Faulty`."""
    read = _Reader(EARLIEST)
    items = read.items({"attachments": value}, "/attachments", 0, ATTACHMENTS, "附件", "attachments")
    ids = tuple(read.attachment(item, index) for index, item in enumerate(items))
    if read.faults:
        raise Faulty(read.faults)
    return ids
