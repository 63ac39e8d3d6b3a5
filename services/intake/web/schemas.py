"""The shapes of intake's requests and answers, for the OpenAPI document; what is accepted is judged in ``domain``."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from lianban.contracts.codes import Channel, CodeList, IdType, Purpose, RatingTarget, RatingValue
from services.intake.domain import petition


def _text(most: int, description: str, **more: Any) -> fields.String:
    return fields.String(validate=validate.Length(max=most), metadata={"description": description}, **more)


def _code(codes: type[CodeList], description: str, **more: Any) -> fields.String:
    known = [code.value for code in codes]
    return fields.String(validate=validate.OneOf(known), metadata={"description": description}, **more)


class ClaimObject(Schema):
    """A claim as an object."""

    text = _text(petition.CLAIM, "诉求 / claim", required=True)


class _Claim(fields.Field[Any]):
    """A claim: a text, or an object with a text."""


class PersonSchema(Schema):
    """A petitioner or representative; a petitioner gives at least one way to be reached."""

    name = _text(petition.NAME, "姓名（名称） / name", required=True)
    phone = _text(40, "电话 / telephone")
    address = _text(petition.ADDRESS, "住址 / postal address")
    email = _text(254, "电子邮箱 / e-mail")
    id_type = _code(IdType, "证件类型 / kind of identity document")
    id_number = _text(40, "证件号码 / its number")


class MatterSchema(Schema):
    """A petition as it is submitted."""

    channel = _code(Channel, "信访形式；未登录时只能为web / without a token only web", required=True)
    title = _text(petition.TITLE, "标题 / title", required=True)
    content = _text(petition.CONTENT, "事实和理由 / facts and reasons", required=True)
    claims = fields.List(
        _Claim(
            metadata={
                "oneOf": [
                    {"type": "string", "minLength": 1, "maxLength": petition.CLAIM},
                    {
                        "type": "object",
                        "properties": {"text": {"type": "string", "minLength": 1, "maxLength": petition.CLAIM}},
                        "required": ["text"],
                    },
                ]
            }
        ),
        required=True,
        validate=validate.Length(1, petition.CLAIMS),
        metadata={"description": '诉求，每项为文字或{"text": …} / claims, each a text or {"text": …}'},
    )
    purpose = _code(Purpose, "信访目的 / purpose", required=True)
    region_code = fields.String(
        required=True,
        validate=validate.Regexp(r"^[0-9]{12}$"),
        metadata={"description": "问题属地，12位区划代码 / place of the problem, a region code"},
    )
    petitioner = fields.Nested(PersonSchema, metadata={"description": "信访人；匿名时不填 / left out when anonymous"})
    representatives = fields.List(fields.Nested(PersonSchema), validate=validate.Length(max=petition.REPRESENTATIVES))
    group_size = fields.Integer(
        strict=True, validate=validate.Range(1, petition.GROUP), metadata={"description": "信访人数 / persons in all"}
    )
    accused = fields.List(
        _Claim(
            metadata={
                "oneOf": [
                    {"type": "string", "description": "单位代码 / code of a registered agency"},
                    {"type": "object", "properties": {"agency": {"type": "string"}}, "required": ["agency"]},
                    {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
                ]
            }
        ),
        validate=validate.Length(max=petition.ACCUSED),
        metadata={"description": "被反映的单位或者人 / organisations or persons complained about"},
    )
    attachments = fields.List(
        fields.UUID(),
        validate=validate.Length(max=petition.ATTACHMENTS),
        metadata={"description": "POST /api/v1/uploads给出的id / ids of uploads by the same caller"},
    )
    anonymous = fields.Boolean(metadata={"description": "匿名：true时不填petitioner / true: no petitioner is given"})
    language = fields.String(validate=validate.OneOf(["zh", "en"]), metadata={"description": "通知语言 / of messages"})
    original_received_on = fields.Date(metadata={"description": "原收到日期，限导入员 / original date, importers only"})
    source = _text(petition.NAME, "来源系统，限代他人提交者 / system that the matter comes from")
    source_id = _text(petition.NAME, "来源系统中的编号；同一编号只登记一次 / its number there; registered once")


class RegisteredSchema(Schema):
    """A registered matter; number and query code open its status."""

    id = fields.UUID(required=True)
    number = fields.String(required=True)
    query_code = fields.String(required=True)
    received_at = fields.AwareDateTime(required=True, format="iso")


class AgencySchema(Schema):
    """An agency."""

    code = fields.String(required=True, allow_none=True)
    name = fields.String(required=True)


class PartSchema(Schema):
    """One agency's part."""

    agency = fields.Nested(AgencySchema, required=True)
    role = fields.String(required=True)
    role_label = fields.String(required=True)
    state = fields.String(required=True)
    state_label = fields.String(required=True)
    since = fields.AwareDateTime(required=True, format="iso")


class ClockSchema(Schema):
    """A statutory clock; days are days in China."""

    rule = fields.String(required=True)
    label = fields.String(required=True)
    article = fields.String(required=True, allow_none=True)
    agency = fields.Nested(AgencySchema, required=True, allow_none=True)
    bound = fields.String(required=True, allow_none=True)
    started_on = fields.Date(required=True)
    raw_due = fields.Date(required=True)
    due = fields.Date(required=True)
    provisional = fields.Boolean(required=True)
    running = fields.Boolean(required=True)
    days_left = fields.Integer(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True)
    stopped_at = fields.AwareDateTime(required=True, allow_none=True, format="iso")


class EntrySchema(Schema):
    """An entry of the time line."""

    at = fields.AwareDateTime(required=True, format="iso")
    kind = fields.String(required=True)
    text = fields.String(required=True)
    agency = fields.Nested(AgencySchema, required=True, allow_none=True)


class DocumentSchema(Schema):
    """A document; ``href`` works for half an hour."""

    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    kind_label = fields.String(required=True)
    number = fields.String(required=True)
    issuer = fields.Nested(AgencySchema, required=True)
    issued_at = fields.AwareDateTime(required=True, format="iso")
    served_at = fields.AwareDateTime(required=True, allow_none=True, format="iso")
    href = fields.String(required=True)


class TargetSchema(Schema):
    """Somebody who can be rated, with the vote of this round."""

    target = _code(RatingTarget, "评价对象 / target", required=True)
    agency = fields.Nested(AgencySchema, required=True, allow_none=True)
    value = fields.String(required=True, allow_none=True)


class RatingStateSchema(Schema):
    """What can be rated now, and what has been."""

    open = fields.Boolean(required=True)
    round = fields.Integer(required=True)
    targets = fields.List(fields.Nested(TargetSchema), required=True)
    solved = fields.Boolean(required=True, allow_none=True)


class StatusSchema(Schema):
    """Where a matter stands."""

    id = fields.UUID(required=True)
    number = fields.String(required=True)
    status = fields.String(required=True, metadata={"description": "MatterState"})
    status_label = fields.String(required=True)
    channel = fields.String(required=True)
    purpose = fields.String(required=True)
    region = fields.Nested(AgencySchema, required=True)
    received_at = fields.AwareDateTime(required=True, format="iso")
    original_received_on = fields.Date(
        required=True,
        allow_none=True,
        metadata={"description": "原系统收到的日期，仅导入的事项 / day of receipt in the system it was imported from"},
    )
    withdrawn_at = fields.AwareDateTime(required=True, allow_none=True, format="iso")
    held_by = fields.Nested(AgencySchema, required=True, allow_none=True)
    next_due = fields.Nested(ClockSchema, required=True, allow_none=True)
    agencies = fields.List(fields.Nested(PartSchema), required=True)
    clocks = fields.List(fields.Nested(ClockSchema), required=True)
    timeline = fields.List(fields.Nested(EntrySchema), required=True)
    documents = fields.List(fields.Nested(DocumentSchema), required=True)
    rating = fields.Nested(RatingStateSchema, required=True)
    may_supplement = fields.Boolean(required=True)
    may_withdraw = fields.Boolean(required=True)


class StatusQuery(Schema):
    """The query code may stand in the address or in the header ``X-Query-Code``."""

    query_code = fields.String(metadata={"description": "查询码 / query code"})


class VoteSchema(Schema):
    """A vote on one target."""

    target = _code(RatingTarget, "评价对象 / target", required=True)
    agency = fields.String(
        metadata={"description": "单位代码，target为agency时必填 / code, where the target is an agency"}
    )
    value = _code(RatingValue, "满意度 / satisfaction", required=True)


class RatingSchema(Schema):
    """Votes of a petitioner."""

    query_code = fields.String(required=True)
    votes = fields.List(fields.Nested(VoteSchema))
    solved = fields.Boolean(metadata={"description": "问题是否解决 / whether the problem is solved"})


class RatedSchema(Schema):
    """What was recorded."""

    rating = fields.Nested(RatingStateSchema, required=True)


class SupplementSchema(Schema):
    """Further facts or files."""

    query_code = fields.String(required=True)
    text = _text(petition.CONTENT, "补充内容 / text")
    attachments = fields.List(fields.UUID(), validate=validate.Length(max=petition.ATTACHMENTS))


class SupplementedSchema(Schema):
    """A supplement that was added."""

    supplement_id = fields.UUID(required=True)


class WithdrawalSchema(Schema):
    """A withdrawal."""

    query_code = fields.String(required=True)


class UploadSchema(Schema):
    """A file that was taken in; its id goes into ``attachments`` within 24 hours."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    media_type = fields.String(required=True)
    bytes = fields.Integer(required=True)
    sha256 = fields.String(required=True)


class DisclosureSchema(Schema):
    """Which matters another service asks for, and why."""

    ids = fields.List(fields.UUID(), required=True, validate=validate.Length(1, 500))
    purpose = fields.String(required=True, validate=validate.Length(1, 100))
