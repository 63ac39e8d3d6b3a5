"""Set-up of a clone: virtual environment, packages of Python, npm and the distribution, front-end files,
languages, font.

``python prepare.py run|test`` does what is missing and skips at once what is done. It uses the standard library
only and gives no index or registry to pip and npm: whatever the machine is configured for is used, and the hashes
in the lock files decide what is accepted.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # this is run as a program, before there is any environment

from services.notification import font  # noqa: E402 - the standard library is all that it needs

VENV = ROOT / ".venv"
BUILD = ROOT / "build"
LOG = BUILD / "prepare.log"
VENDOR = ROOT / "lianban" / "chassis" / "web" / "static" / "vendor"
ENGLISH = ROOT / "lianban" / "chassis" / "web" / "translations" / "en" / "LC_MESSAGES" / "messages.po"
REQUIREMENTS = ROOT / "requirements"
FONT_STAMP = BUILD / "fonts" / "made.stamp"
FONT_RECIPE = (Path(font.__file__), font.RECIPE)
NEEDED_BYTES = 3 * 1024**3
"""Room for the virtual environment, npm's files and the distribution's packages."""

FRONT_END = {
    "echarts.common.min.js": "echarts/dist/echarts.common.min.js",
}
"""Files that pages use, by the name they are served under, and where npm puts them."""


class Trouble(Exception):
    """Set-up cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Step:
    """One part of set-up: ``missing`` says whether there is something to do."""

    title: str
    missing: Callable[[], bool]
    do: Callable[[], None]
    large: bool = True
    """Whether it needs much room on the disk."""


# --- running programs with visible progress


def run(command: list[str], *, environment: dict[str, str] | None = None, interactive: bool = False) -> None:
    """Run a program with its output in the log, showing that it is alive; raises :class:`Trouble` when it fails."""
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        start = log.tell()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    began, told = time.monotonic(), 0.0
    try:
        while True:
            try:
                code = process.wait(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                seconds = time.monotonic() - began
                if sys.stdout.isatty():
                    print(f"\r\033[K    {seconds:4.0f} s  {last_line(start)[:90]}", end="", flush=True)
                elif seconds - told >= 15:
                    told = seconds
                    print(f"    {seconds:4.0f} s  {last_line(start)[:110]}", flush=True)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)
    if code:
        tail = "\n".join(f"    {line}" for line in output(start).splitlines()[-15:])
        raise Trouble(f"{command[0]} failed (exit code {code}). Its last lines:\n{tail}\nThe whole output: {LOG}")


def output(start: int) -> str:
    """What was written to the log from ``start`` on."""
    with LOG.open("rb") as log:
        log.seek(start)
        return log.read().decode(errors="replace").replace("\r", "\n")


def last_line(start: int) -> str:
    """The last line of what a program has said."""
    lines = [line.strip() for line in output(start).splitlines() if line.strip()]
    return lines[-1] if lines else ""


def digest(*paths: Path) -> str:
    """One hash over files and this Python's version: changes when any of them does."""
    value = hashlib.sha256(sys.version.encode())
    for path in paths:
        value.update(path.read_bytes())
    return value.hexdigest()


def stamped(stamp: Path, *paths: Path) -> bool:
    """Whether the step that wrote ``stamp`` was done with the files as they are now."""
    return stamp.exists() and stamp.read_text() == digest(*paths)


# --- packages of the distribution


def chinese_font() -> bool:
    """Whether a font with all the characters of Chinese names is installed."""
    fonts = Path("/usr/share/fonts")
    return any(any(fonts.rglob(pattern)) for pattern in ("NotoSansCJK*", "NotoSerifCJK*", "wqy-*"))


def program(name: str) -> str | None:
    """The path of a program, looked for in the folders of system programs too."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def wanted_packages(purpose: str) -> list[str]:
    """Packages of the distribution that are missing for ``purpose`` (run or test)."""
    packages = []
    if not Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists() or not program("erl"):
        packages.append("rabbitmq-server")
    if not program("nginx"):
        packages.append("nginx-light")
    if not chinese_font():
        packages.append("fonts-noto-cjk")
    if not importlib.util.find_spec("ensurepip") and not (VENV / "bin" / "pip").exists():
        packages.append(f"python3.{sys.version_info.minor}-venv")
    if purpose == "test" and not (program("chromium") or program("chromium-browser") or program("google-chrome")):
        packages.append("chromium")
    if purpose == "test" and not program("promtool"):
        packages.append("prometheus")  # its promtool checks and tests the alert rules
    if purpose == "test" and not any(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")):
        packages.append("libfaketime")  # lets the fault suite move the clock of one service
    return packages


def install_packages(purpose: str) -> None:
    """Install what is missing, as root or by sudo."""
    packages = wanted_packages(purpose)
    by_hand = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if not program("apt-get"):
        raise Trouble(f"These programs are missing and this system has no apt-get: install {', '.join(packages)}.")
    command = [sys.executable, str(Path(__file__).with_name("packages.py")), *packages]
    if os.geteuid() != 0:
        if not program("sudo"):
            raise Trouble(
                f"Missing on this system: {', '.join(packages)}. You are not root and there is no sudo.\n"
                f"Ask an administrator to run:  {by_hand}\n"
                "(Lianban starts private instances of its own; the system's services may stay off.)"
            )
        if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode:
            if not sys.stdin.isatty():
                raise Trouble(
                    f"Missing on this system: {', '.join(packages)}. sudo asks for a password here.\n"
                    f"Call make from a terminal, or run:  sudo {by_hand}"
                )
            print(f"    sudo is needed once, to install {', '.join(packages)}", flush=True)
            if subprocess.run(["sudo", "-v"], check=False).returncode:
                raise Trouble(f"sudo was refused. Ask an administrator to run:  {by_hand}")
        command = ["sudo", "-n", *command]
    print(f"    {', '.join(packages)}", flush=True)
    run(command)
    left = wanted_packages(purpose)
    if left:
        raise Trouble(f"Still missing after the installation: {', '.join(left)}. See {LOG}.")


# --- Python


def locked(purpose: str) -> Path:
    """The lock file for ``purpose``. One environment serves both: the larger one once it is there."""
    everything = stamped(VENV / "test.stamp", *locks("test"))
    return REQUIREMENTS / ("dev.txt" if purpose == "test" or everything else "runtime.txt")


def locks(purpose: str) -> tuple[Path, ...]:
    """The files that decide what the virtual environment must hold."""
    chosen = "dev.txt" if purpose == "test" else "runtime.txt"
    return REQUIREMENTS / "build.txt", REQUIREMENTS / chosen, ROOT / "pyproject.toml"


def environment_missing(purpose: str) -> bool:
    """Whether the virtual environment is missing or older than its lock files."""
    if purpose == "run" and stamped(VENV / "test.stamp", *locks("test")):
        return False
    return not stamped(VENV / f"{purpose}.stamp", *locks(purpose))


def make_environment(purpose: str) -> None:
    """Create the virtual environment and install exactly what is locked."""
    python = VENV / "bin" / "python"
    usable = python.exists() and subprocess.run(
        [str(python), "-c", f"import sys, pip; sys.exit(sys.version != {sys.version!r})"],
        capture_output=True,
        check=False,
    ).returncode == 0  # fmt: skip
    if not usable:
        if VENV.exists():
            shutil.rmtree(VENV)
        run([sys.executable, "-m", "venv", str(VENV)])
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    # Building with what is locked too: pip's build isolation would fetch set-up tools without hashes.
    run([*pip, "--require-hashes", "-r", str(REQUIREMENTS / "build.txt")])
    run([*pip, "--no-build-isolation", "--require-hashes", "-r", str(locked(purpose))])
    run([*pip, "--no-build-isolation", "--no-index", "--no-deps", "--editable", str(ROOT)])
    (VENV / f"{purpose}.stamp").write_text(digest(*locks(purpose)))


# --- front end


def npm() -> list[str]:
    """The command for npm: the system's when its Node.js is 18 or later, else the one of a Python wheel."""
    node = program("node")
    if node and program("npm"):
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if version.startswith("v") and int(version[1:].split(".")[0]) >= 18:
            return [str(program("npm"))]
    if not (VENV / "bin" / "npm").exists():
        run([str(VENV / "bin" / "python"), "-m", "pip", "install", "--require-hashes", "-r",
             str(REQUIREMENTS / "node.txt")])  # fmt: skip
    return [str(VENV / "bin" / "npm")]


def front_end_missing() -> bool:
    """Whether npm's files are missing or older than their lock file."""
    stamp = ROOT / "node_modules" / "lianban.stamp"
    return not stamped(stamp, ROOT / "package-lock.json") or any(not (VENDOR / name).exists() for name in FRONT_END)


def install_front_end() -> None:
    """Install what package-lock.json says and copy what pages use to the static files."""
    path = f"{VENV / 'bin'}:{os.environ.get('PATH', '')}"
    run([*npm(), "ci", "--ignore-scripts"], environment={"PATH": path})
    VENDOR.mkdir(parents=True, exist_ok=True)
    for name, source in FRONT_END.items():
        shutil.copyfile(ROOT / "node_modules" / source, VENDOR / name)
    (ROOT / "node_modules" / "lianban.stamp").write_text(digest(ROOT / "package-lock.json"))


# --- languages


def english_missing() -> bool:
    """Whether the catalogue that services read is missing or older than the one that people write."""
    return not stamped(BUILD / "english.stamp", ENGLISH) or not ENGLISH.with_suffix(".mo").exists()


def compile_english() -> None:
    """Make the binary form of the English catalogue."""
    run([str(VENV / "bin" / "python"), "-m", "lianban.chassis.web.translate", "compile"])
    (BUILD / "english.stamp").write_text(digest(ENGLISH))


# --- font


def installed_fonts() -> list[Path]:
    """The files of which the documents' font is made."""
    return list(font.sources().values())


def font_missing() -> bool:
    """Whether the documents' font was not made yet of what is installed, by the recipe as it is."""
    gone = bool(installed_fonts()) and not any(FONT_STAMP.parent.glob("song-*"))
    return gone or not stamped(FONT_STAMP, *FONT_RECIPE, *installed_fonts())


def make_font() -> None:
    """Make the font that documents are printed with. They are printed without it too: set-up goes on when it fails."""
    try:
        run([str(VENV / "bin" / "python"), "-m", "services.notification.make_font"])
    except Trouble as trouble:
        print(f"    not made; documents take longer to print, and the next call tries again\n    {trouble}", flush=True)
        return
    FONT_STAMP.parent.mkdir(exist_ok=True)  # where there is nothing to make it of, the font did not
    FONT_STAMP.write_text(digest(*FONT_RECIPE, *installed_fonts()))


def room() -> None:
    """Refuse to begin what the disk cannot hold."""
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise Trouble(
            f"Only {free / 1024**3:.1f} GiB are free on the disk of {ROOT}; set-up needs {NEEDED_BYTES / 1024**3:.0f} "
            "GiB.\nFree some space (for example: make reset, apt-get clean, pip cache purge) and call make again."
        )


def prepare(purpose: str) -> None:
    """Do every step that is missing; raises :class:`Trouble` with advice when one cannot be done."""
    steps = [
        Step("系统软件 packages of the distribution", lambda: bool(wanted_packages(purpose)),
             lambda: install_packages(purpose)),
        Step("Python 依赖 locked Python packages", lambda: environment_missing(purpose),
             lambda: make_environment(purpose)),
        Step("前端文件 locked front-end files", front_end_missing, install_front_end),
        Step("英文界面 English of the pages", english_missing, compile_english, large=False),
        Step("文书字体 font of the documents", font_missing, make_font, large=False),
    ]  # fmt: skip
    todo = [step for step in steps if step.missing()]
    if not todo:
        return
    if any(step.large for step in todo):
        room()
    for number, step in enumerate(todo, 1):
        print(f"[{number}/{len(todo)}] {step.title}", flush=True)
        began = time.monotonic()
        step.do()
        print(f"    done in {time.monotonic() - began:.0f} s", flush=True)


def main() -> int:
    """Prepare the clone for ``run`` or ``test``, one process at a time."""
    purpose = sys.argv[1] if len(sys.argv) > 1 else "run"
    if purpose not in ("run", "test"):
        print("usage: prepare.py run|test", file=sys.stderr)
        return 2
    BUILD.mkdir(exist_ok=True)
    try:
        with (BUILD / "prepare.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            prepare(purpose)
    except Trouble as trouble:
        print(f"\n联办 Lianban: set-up stopped.\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up was interrupted; call make again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
