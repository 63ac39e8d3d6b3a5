"""What can go wrong on the way to a department, in words that an operator understands.

One table: the slug is stored and sent in events, the labels are shown on the integration console.
"""

from __future__ import annotations

from lianban.contracts.codes import CodeList


class Trouble(CodeList):
    """Why a message is not delivered (yet)."""

    UNREACHABLE = "unreachable", "连不上对方系统，将自动重试", "Cannot connect to the department's system; retried"
    TIMED_OUT = "timed-out", "对方在时限内没有答复，先查询再决定是否重发", "No answer in time; asked before sent again"
    BROKEN_OFF = "broken-off", "连接中断，先查询再决定是否重发", "Connection broke off; asked before sent again"
    SERVER_ERROR = (
        "server-error",
        "对方系统内部错误，先查询再决定是否重发",
        "The department's system failed; asked before sent again",
    )
    UNREADABLE_ANSWER = (
        "unreadable-answer",
        "对方的答复不是约定的格式（例如网页），先查询再决定是否重发",
        "The answer is not in the agreed form (a web page, for example); asked before sent again",
    )
    ANSWER_TOO_LARGE = (
        "answer-too-large",
        "对方的答复超过大小上限，先查询再决定是否重发",
        "The answer is larger than the limit; asked before sent again",
    )
    REDIRECTED = (
        "redirected",
        "对方要求转到别的地址，为防泄露不跟随，请核对接入配置",
        "The department redirects; not followed, so that nothing leaks: check the address in the profile",
    )
    CONFLICT = (
        "conflict",
        "对方称已有此件，先查询核实",
        "The department says that it has this already; asked to make sure",
    )
    CREDENTIALS_REFUSED = (
        "credentials-refused",
        "对方拒绝我方凭证，请更换密钥，将自动重试",
        "Our credentials are refused: replace the key; retried",
    )
    NO_SUCH_ADDRESS = (
        "no-such-address",
        "对方没有这个接口地址，请核对接入配置，将自动重试",
        "No such address at the department: check the profile; retried",
    )
    BUSY = "busy", "对方要求放慢，将自动重试", "The department asks to slow down; retried"
    REFUSED = "refused", "对方明确拒收这条消息，需要人工处理", "The department refuses this message; a person must look"
    CANNOT_ASK = (
        "cannot-ask",
        "结果未知，对方不支持查询且不能安全重发，需要人工核实",
        "Outcome unknown; the department cannot be asked and a repeat is not safe: a person must find out",
    )
    BAD_MAPPING = (
        "bad-mapping",
        "接入配置的字段对应不成立，需要人工修正后重试",
        "The profile's mapping does not fit this message; correct it, then retry",
    )
    BAD_PROFILE = (
        "bad-profile",
        "存下的接入配置读不出来，请重新登记，将自动重试",
        "The stored profile cannot be read: register it again; retried",
    )
    NO_SECRET = "no-secret", "接入配置引用的密钥没有登记", "A secret that the profile names is not registered"
    SOURCE_AWAY = (
        "source-away",
        "本平台内部暂时取不到信访事项内容，将自动重试",
        "The matter's text cannot be fetched inside the platform just now; retried",
    )
    SOURCE_MISSING = (
        "source-missing",
        "本平台内部没有这件信访事项的内容，需要人工处理",
        "The platform has no text of this matter; a person must look",
    )
    BLOCKED = (
        "blocked",
        "该机关是本件被反映对象或其下属，依规不得转给",
        "The agency is accused in this matter or subordinate to one that is; it must not receive it",
    )
    INTERRUPTED = (
        "interrupted",
        "发送途中本平台进程中断，先查询再决定是否重发",
        "Our process stopped while sending; asked before sent again",
    )
    BUG = "bug", "处理时出现程序错误，需要人工查看日志", "A programming error; a person must look at the log"
