"""Why routing did not apply a statement, in words for the department; the slugs are routing's and the law's."""

from __future__ import annotations

_WORDS: dict[str, tuple[str, str]] = {
    "assignment-ended": ("该派件已结束，此消息作为备注保留", "The assignment has ended; this is kept as a note"),
    "assignment-binding": ("已指定受理，只能受理", "The assignment binds: it can only be accepted"),
    "role-not-allowed": ("本单位在此件中的角色不能提交这种消息", "Your role in this matter does not allow this"),
    "not-accepted": ("尚未受理，请先受理", "Accept first"),
    "already-accepted": ("此前已经受理", "It was accepted before"),
    "already-answered": ("此前已经提交意见", "The answer was given before"),
    "no-objection": ("没有待处理的异议", "There is no open objection"),
    "illegal-move": ("当前状态下不能这样办理", "Not possible in the present state"),
    "objection-late": (
        "异议应当自收到之日起五个工作日内提出，现已超期",
        "The objection came after the five working days",
    ),
    "claims-unanswered": ("每项所负责的诉求都应答复", "Every claim in your hands must be answered"),
    "unknown-claim": ("所答复的诉求不属于本单位", "A claim that is not yours was answered"),
    "unknown-agency": ("所建议的单位不在名册中", "The body that you propose is not in the register"),
    "agency-blocked": ("本单位应当回避此件", "Your agency must keep out of this matter"),
    "case-not-open": (
        "事项已作出处理意见或者已结束，此消息作为备注保留",
        "The matter is decided or ended; kept as a note",
    ),
    "unknown-assignment": ("没有这件派件", "There is no such assignment"),
}


def reason_in_words(slug: str, language: str) -> str:
    """The reason in a language; a slug that this version does not know is shown as it is."""
    zh, en = _WORDS.get(slug, (f"未采纳（{slug}）", f"Not applied ({slug})"))
    return en if language.startswith("en") else zh
