"""What the officers' API takes and gives."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from lianban.chassis.web import PageQuery
from lianban.contracts.codes import AgencyRole, MatterState, TransferKind
from services.routing.domain.parts import Attention

LONGEST_REASON = 2000


def _text(zh: str, en: str) -> dict[str, str]:
    return {"description": f"{zh} / {en}"}


class AgencyName(Schema):
    """An agency's code and name."""

    code = fields.String(required=True)
    name = fields.String(required=True)


class RegionName(Schema):
    """A region's code and name."""

    code = fields.String(required=True)
    name = fields.String(required=True)


class PublicKeys(Schema):
    """A JSON Web Key Set (RFC 7517)."""

    keys = fields.List(fields.Dict(), required=True)


class TriageQuery(PageQuery):
    """Which cases to list."""

    state = fields.String(
        validate=validate.OneOf([s.value for s in MatterState]), metadata=_text("事项状态", "State of the matter")
    )
    attention = fields.String(
        validate=validate.OneOf([a.value for a in Attention]), metadata=_text("待办事由", "What waits for an officer")
    )
    region = fields.String(validate=validate.Regexp(r"^[0-9]{12}\Z"), metadata=_text("区划代码", "Region code"))
    q = fields.String(
        validate=validate.Length(2, 50), metadata=_text("编号或正文中的词", "Number, or words of the text")
    )
    scope = fields.String(
        validate=validate.OneOf(["waiting", "all"]),
        load_default="waiting",
        metadata=_text("waiting 待办，all 全部", "waiting for an officer, or all"),
    )


class TriageRow(Schema):
    """A line of the list."""

    id = fields.UUID(required=True)
    number = fields.String(required=True)
    title = fields.String(required=True, allow_none=True)
    channel = fields.String(required=True)
    region = fields.Nested(RegionName, required=True)
    received_at = fields.AwareDateTime(required=True)
    state = fields.String(required=True)
    attention = fields.String(required=True, allow_none=True)
    round = fields.Integer(required=True)
    version = fields.Integer(required=True)
    matter_type = fields.String(required=True, allow_none=True)
    suggested_lead = fields.Nested(AgencyName, required=True, allow_none=True)
    suggested_co_handlers = fields.List(fields.Nested(AgencyName), required=True)


class TriagePage(Schema):
    """A page of the list."""

    items = fields.List(fields.Nested(TriageRow), required=True)
    next = fields.String(required=True, allow_none=True)


class ReasonOut(Schema):
    """A reason of a suggestion."""

    ground = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)
    item = fields.String(required=True, allow_none=True)
    article = fields.String(required=True, allow_none=True)


class CandidateOut(Schema):
    """A suggested agency."""

    agency = fields.Nested(AgencyName, required=True)
    role = fields.String(required=True)
    score = fields.Float(required=True)
    reasons = fields.List(fields.Nested(ReasonOut), required=True)


class ProcedureOut(Schema):
    """A statutory procedure that the text points to."""

    code = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)
    article = fields.String(required=True)


class SuggestionOut(Schema):
    """The suggestion with its reasons."""

    lead = fields.Nested(CandidateOut, required=True, allow_none=True)
    co_handlers = fields.List(fields.Nested(CandidateOut), required=True)
    others = fields.List(fields.Nested(CandidateOut), required=True)
    matter_type = fields.String(required=True, allow_none=True)
    procedure = fields.Nested(ProcedureOut, required=True, allow_none=True)


class ObjectionOut(Schema):
    """An agency's objection."""

    reason = fields.String(required=True)
    proposed = fields.Nested(AgencyName, required=True, allow_none=True)
    at = fields.AwareDateTime(required=True)


class AssignmentOut(Schema):
    """One agency's part."""

    id = fields.UUID(required=True)
    agency = fields.Nested(AgencyName, required=True)
    role = fields.String(required=True)
    kind = fields.String(required=True)
    state = fields.String(required=True)
    round = fields.Integer(required=True)
    binding = fields.Boolean(required=True)
    claims = fields.List(fields.UUID(), required=True)
    sent_at = fields.AwareDateTime(required=True)
    objection = fields.Nested(ObjectionOut, required=True, allow_none=True)


class ClaimOut(Schema):
    """A claim; its text is there once it is fetched."""

    id = fields.UUID(required=True)
    ordinal = fields.Integer(required=True)
    text = fields.String(required=True, allow_none=True)


class DisputeOut(Schema):
    """A dispute about acceptance."""

    parties = fields.List(fields.Nested(AgencyName), required=True)
    decider = fields.Nested(AgencyName, required=True, allow_none=True)
    at = fields.AwareDateTime(required=True)


class CaseOut(Schema):
    """One case."""

    id = fields.UUID(required=True)
    number = fields.String(required=True)
    channel = fields.String(required=True)
    purpose = fields.String(required=True)
    region = fields.Nested(RegionName, required=True)
    received_at = fields.AwareDateTime(required=True)
    state = fields.String(required=True)
    attention = fields.String(required=True, allow_none=True)
    round = fields.Integer(required=True)
    version = fields.Integer(required=True)
    matter_type = fields.String(required=True, allow_none=True)
    claims = fields.List(fields.Nested(ClaimOut), required=True)
    assignments = fields.List(fields.Nested(AssignmentOut), required=True)
    dispute = fields.Nested(DisputeOut, required=True, allow_none=True)


class SupplementOut(Schema):
    """What the petitioner added later."""

    at = fields.AwareDateTime(required=True, format="iso")
    text = fields.String(required=True)


class CaseDetail(CaseOut):
    """One case with its text and the suggestion."""

    title = fields.String(required=True, allow_none=True)
    content = fields.String(required=True, allow_none=True)
    supplements = fields.List(fields.Nested(SupplementOut), required=True)
    suggestion = fields.Nested(SuggestionOut, required=True, allow_none=True)
    deciders = fields.List(fields.Nested(AgencyName), required=True)


class AllOrIds(fields.Field[Any]):
    """``"all"`` or a list of claim ids; given on as a tuple, empty for all."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if value == "all":
            return ()
        if not isinstance(value, list) or len(value) > 50:
            raise ValidationError('Must be "all" or a list of at most 50 claim ids.')
        inner = fields.UUID()
        return tuple(dict.fromkeys(inner.deserialize(item) for item in value))


class PartIn(Schema):
    """A part that an agency is to have."""

    agency_code = fields.String(
        required=True, validate=validate.Length(1, 40), metadata=_text("单位代码", "Code of the agency")
    )
    role = fields.Enum(AgencyRole, by_value=True, required=True, metadata=_text("角色", "Its role"))
    claims = AllOrIds(
        load_default=(),
        metadata={
            **_text("“all”或诉求编号", "“all” or ids of claims"),
            "oneOf": [{"const": "all"}, {"type": "array", "items": {"type": "string", "format": "uuid"}}],
        },
    )


class Decision(Schema):
    """What every decision of an officer carries."""

    expected_version = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, 2**31 - 1),
        metadata=_text("作决定时看到的版本", "The version that the officer saw"),
    )
    reason = fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.Length(0, LONGEST_REASON),
        metadata=_text("理由", "The officer's reason"),
    )


class AssignIn(Decision):
    """Route a case, or route it anew."""

    kind = fields.Enum(
        TransferKind,
        by_value=True,
        load_default=TransferKind.TRANSFER,
        metadata=_text("转送或者交办", "Transfer or assign"),
    )
    assignments = fields.List(
        fields.Nested(PartIn),
        required=True,
        validate=validate.Length(0, 20),
        metadata=_text("派给谁", "Who gets a part"),
    )
    withdraw = fields.List(
        fields.UUID(),
        load_default=list,
        validate=validate.Length(0, 20),
        metadata=_text("收回的派件", "Assignments taken back"),
    )

    @validates_schema
    def something(self, data: dict[str, Any], **_: Any) -> None:
        """A decision names at least one part or one assignment to take back."""
        if not data.get("assignments") and not data.get("withdraw"):
            raise ValidationError("Shorter than minimum length 1.", field_name="assignments")


class ObjectionIn(Decision):
    """Decide on an objection."""

    decision = fields.String(
        required=True,
        validate=validate.OneOf(["release", "uphold"]),
        metadata=_text(
            "release 同意异议并退回，uphold 异议不成立", "release: agree and let go; uphold: refuse the objection"
        ),
    )


class DesignationIn(Decision):
    """Record who must accept."""

    agency_code = fields.String(
        required=True, validate=validate.Length(1, 40), metadata=_text("指定的受理单位", "The agency that must accept")
    )
    decided_by = fields.String(
        validate=validate.Length(1, 40),
        metadata=_text("作出决定的机关，缺省为共同上级", "Who decided; default: the common superior"),
    )
    kind = fields.Enum(
        TransferKind,
        by_value=True,
        load_default=TransferKind.ASSIGN,
        metadata=_text("转送或者交办", "Transfer or assign"),
    )


class ReopeningIn(Decision):
    """Decide on re-handling."""

    decision = fields.String(
        required=True,
        validate=validate.OneOf(["reopen", "leave"]),
        metadata=_text("reopen 重新办理，leave 维持", "reopen: order re-handling; leave: keep as it is"),
    )


class AgencyQuery(PageQuery):
    """Which agencies to list."""

    q = fields.String(
        validate=validate.Length(1, 50),
        metadata=_text("名称中的词或者代码开头", "Part of the name, or start of the code"),
    )
    active = fields.Boolean(load_default=True, metadata=_text("只列在用的", "Only active ones"))


class AgencyOut(Schema):
    """An agency of the register."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    level = fields.String(required=True)
    region_code = fields.String(required=True)
    petition_office = fields.Boolean(required=True)
    superior_government = fields.String(required=True, allow_none=True)
    superior_vertical = fields.String(required=True, allow_none=True)
    functions = fields.List(fields.String(), required=True)
    phone = fields.String(required=True)
    address = fields.String(required=True)
    duty_hours = fields.String(required=True)
    successor = fields.String(required=True, allow_none=True)
    active = fields.Boolean(required=True)


class AgencyPage(Schema):
    """A page of agencies."""

    items = fields.List(fields.Nested(AgencyOut), required=True)
    next = fields.String(required=True, allow_none=True)
