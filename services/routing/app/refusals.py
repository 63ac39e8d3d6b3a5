"""What to say when the state table or a rule of routing does not allow something: slug, both texts, HTTP status."""

from __future__ import annotations

from lianban.chassis.errors import Rejected
from services.routing.domain.parts import NotApplicable

TEXTS: dict[str, tuple[str, str, int]] = {
    "unknown-case": (
        "没有这件信访事项，或者不在您的辖区内。",
        "There is no such matter, or it is outside your territory.",
        404,
    ),
    "search-too-short": (
        "请输入至少两个相连的字或者完整的编号。",
        "Type at least two characters, or a whole number.",
        422,
    ),
    "unknown-assignment": ("该事项没有这条派件记录。", "The matter has no such assignment.", 404),
    "case-not-open": (
        "该事项已作出处理意见或者已结束，不能再派件。",
        "The matter is decided or ended and can no longer be routed.",
        409,
    ),
    "assignment-ended": ("该派件已经结束。", "The assignment has ended.", 409),
    "nothing-to-do": ("请至少选择一个单位。", "Name at least one agency.", 422),
    "duplicate-agency": ("同一单位只能有一个角色。", "An agency can have only one part.", 422),
    "agency-blocked": (
        "该单位为被反映单位或与其有隶属关系，依法不得接收本事项（《信访工作条例》第三十条）。",
        "The agency is accused or depends on the accused and must not get this matter (Regulation, Art. 30).",
        422,
    ),
    "agency-inactive": (
        "该单位已停用，请选择继续行使其职权的单位。",
        "The agency is no longer active; choose its successor.",
        422,
    ),
    "unknown-agency": ("没有代码为“{code}”的单位。", "There is no agency “{code}”.", 422),
    "unknown-claim": ("诉求编号不属于本事项。", "A claim does not belong to this matter.", 422),
    "claim-uncovered": ("每项诉求都必须有主办或者协办单位。", "Every claim needs a lead or a co-handler.", 422),
    "two-leads": (
        "只能有一个主办单位；要更换主办单位，请先收回原主办单位的派件。",
        "There can be only one lead; take the part back from the present lead first.",
        422,
    ),
    "no-lead": ("必须有一个主办单位。", "Exactly one lead is required.", 422),
    "ping-pong": (
        "该单位在本轮已经提出过异议并被退回；再派给它就是推诿循环，请由共同的上级指定（《信访工作条例》第二十四条）。",
        "This agency objected in this round and was let go; only a designation helps now (Regulation, Art. 24).",
        409,
    ),
    "hop-limit": (
        "本轮退回次数已达上限，请由共同的上级指定受理单位（《信访工作条例》第二十四条）。",
        "The limit of objections is reached; only a designation helps now (Regulation, Art. 24).",
        409,
    ),
    "disputed": (
        "已成为受理争议，只能由共同的上级或者信访部门协调指定（《信访工作条例》第二十四条）。",
        "Acceptance is in dispute; only a designation helps now (Regulation, Art. 24).",
        409,
    ),
    "no-objection": ("该派件没有待处理的异议。", "The assignment has no open objection.", 409),
    "no-dispute": (
        "没有受理争议或者主办单位的异议，不需要指定。",
        "There is no dispute and no objection of a lead to decide.",
        409,
    ),
    "lead-not-disputed": ("现主办单位没有提出异议，不能另行指定。", "The present lead has not objected.", 409),
    "wrong-decider": (
        "应由共同的上一级机关指定，或者由信访部门协调（《信访工作条例》第二十四条）。",
        "The common superior decides, or the petition office coordinates (Regulation, Art. 24).",
        422,
    ),
    "assignment-binding": (
        "该派件由上级指定或者异议已被驳回，必须受理。",
        "The part is binding: it was designated, or the objection was refused.",
        409,
    ),
    "role-not-allowed": ("该角色不能这样做。", "An agency in this role cannot do this.", 409),
    "already-accepted": ("该单位已经受理。", "The agency has accepted already.", 409),
    "already-answered": ("该单位已经提交意见。", "The agency has given its answer already.", 409),
    "not-accepted": ("该单位尚未受理。", "The agency has not accepted yet.", 409),
    "claims-unanswered": ("必须逐项答复所负责的诉求。", "Every claim in the agency's hands must be answered.", 422),
    "not-decided": ("该事项尚未作出处理意见。", "The matter is not decided yet.", 409),
    "not-served": ("处理意见尚未送达。", "The decision is not served yet.", 409),
    "no-request": ("没有待处理的重新办理请求。", "There is no request for re-handling.", 409),
    "nobody-to-reopen": (
        "原办理单位均已停用，请联系管理员维护承接单位。",
        "None of the agencies is active any more and no successor is registered.",
        409,
    ),
    "version-conflict": (
        "您打开页面之后，该事项已有变化；请查看最新情况后再决定。",
        "The matter has changed since you opened it; look at it again before you decide.",
        409,
    ),
}

_FROM = ("现在的状态不允许这样做。", "The present state does not allow this.", 409)


def text_of(slug: str, language: str) -> str:
    """What a refusal means, for people."""
    zh, en, _ = TEXTS.get(slug, _FROM)
    return en if language.startswith("en") else zh


def rejected(slug: str, *, field: str | None = None, **params: str) -> Rejected:
    """The error for a caller."""
    zh, en, status = TEXTS.get(slug, _FROM)
    return Rejected(slug, zh, en, status=status, field=field, **params)


def rejection(error: NotApplicable) -> Rejected:
    """The error for a caller, from the domain's refusal."""
    return rejected(error.slug)
