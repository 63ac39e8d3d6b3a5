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
    "destination-needed": ("提出异议应当指明应由哪个单位办理", "Say which body should have it"),
    "case-closed": ("事项已办结，此消息作为备注保留", "The case is closed; this is kept as a note"),
    "unknown-assignment": ("没有这件派件", "There is no such assignment"),
}


def reason_in_words(slug: str, language: str) -> str:
    """The reason in a language; a slug that this version does not know is shown as it is."""
    zh, en = _WORDS.get(slug, (f"未采纳（{slug}）", f"Not applied ({slug})"))
    return en if language.startswith("en") else zh
