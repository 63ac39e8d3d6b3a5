"""Whom PostgreSQL and nginx run as.

PostgreSQL refuses to run as root, and nginx should not. When the stack is started by root, they run as an ordinary
account of the system. The clone may lie in a folder that only root can enter (/root): then the processes get, of all
of root's powers, just the one to pass through folders.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from deploy.local.checks import Trouble

_READ_SEARCH, _OVERRIDE = 2, 1  # numbers of CAP_DAC_READ_SEARCH and CAP_DAC_OVERRIDE in linux/capability.h


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the system, and the power that it needs to reach the stack's folders (empty: none)."""

    name: str
    uid: int
    gid: int
    power: str
    drop: bool

    def command(self, command: list[str]) -> list[str]:
        """``command`` so that it runs as this account, with the caller's standard output still writable."""
        if not self.drop:
            return command
        powers = f"+{self.power}" if self.power else "-all"
        # initdb and others ask with access(2) whether they may run a program; for an account that is not root the
        # kernel answers without its capabilities, unless this bit is set.
        bits = ["--securebits=+no_setuid_fixup"] if self.power else []
        chown = f'chown {self.uid} /proc/self/fd/1 /proc/self/fd/2 2>/dev/null; exec setpriv "$@"'
        return [
            "/bin/sh", "-c", chown, "setpriv",
            f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs",
            f"--inh-caps={powers}", f"--ambient-caps={powers}", *bits, "--", *command,
        ]  # fmt: skip

    def own(self, folder: Path) -> None:
        """Give the folder, made if it is missing, to this account; nobody else may enter."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if self.drop:
            os.chown(folder, self.uid, self.gid)

    def give(self, path: Path) -> None:
        """Give one file to this account."""
        if self.drop:
            os.chown(path, self.uid, self.gid)


def account_for(home: Path, *programs: Path) -> Account:
    """The account for a stack with its state in ``home``, able to reach ``home`` and the ``programs``.

    Raises :class:`Trouble` when root lacks the power to let another account pass.
    """
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid())
        return Account(me.pw_name, me.pw_uid, me.pw_gid, "", drop=False)
    entry = _entry(home / "postgres")
    blocked = [path for path in (home, *programs) if _closed(path, entry.pw_uid, entry.pw_gid)]
    power = ""
    if blocked:
        power = next((name for name, bit in (("dac_read_search", _READ_SEARCH), ("dac_override", _OVERRIDE))
                      if _bounding() >> bit & 1), "")  # fmt: skip
        if not power:
            raise Trouble(
                f"PostgreSQL cannot run as root, and the account {entry.pw_name} cannot enter {blocked[0]}.",
                "Put the clone where every account can enter it (for example /opt), or work as an ordinary user.",
            )
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, power, drop=True)


def _entry(postgres: Path) -> pwd.struct_passwd:
    """The account that owns the data already, else ``postgres`` or ``nobody``, whichever exists."""
    if postgres.exists() and (owner := postgres.stat().st_uid) != 0:
        return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Trouble("PostgreSQL cannot run as root and this system has neither an account postgres nor nobody.",
                  "Create one (adduser --system postgres), or work as an ordinary user.")  # fmt: skip


def _closed(path: Path, uid: int, gid: int) -> bool:
    """Whether some folder on the way to ``path`` lets the account not pass."""
    for folder in path.resolve().parents:
        if not folder.exists():
            continue
        status = folder.stat()
        bit = 0o100 if status.st_uid == uid else 0o010 if status.st_gid == gid else 0o001
        if not status.st_mode & bit:
            return True
    return False


def _bounding() -> int:
    """The capabilities that a process here may have at all."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    return 0
