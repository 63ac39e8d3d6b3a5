"""A door between the services and their database or broker: a TCP proxy that can be shut in several ways.

    door = Door(listen, to)
    door.silent()          # out of reach: what was connected hears nothing, nobody gets an answer
    door.shut()            # what was connected is reset, and so is whoever comes
    door.slow(0.05)        # everything takes 50 ms longer, each way
    door.cut()             # what was connected is reset, whoever comes is let in
    door.open(to)          # as before; with ``to`` another server is behind it

It runs in a process of its own (``python -m tests.chaos.door LISTEN TO``), is told over its standard input, and ends
with it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.local.environment import passed_on
from deploy.local.layout import HOST

ROOT = Path(__file__).parents[2]
CHUNK = 65536


class Door:
    """A handle on the proxy's process."""

    def __init__(self, listen: int, to: int) -> None:
        self.listen = listen
        self.to = to
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.door", str(listen), str(to)],
            cwd=ROOT, env=passed_on(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self._answer()

    def open(self, to: int | None = None) -> None:
        """Let everything pass, to another server from now on if ``to`` is given."""
        self.to = to or self.to
        self._tell(f"open {self.to}")

    def silent(self) -> None:
        """Let nothing pass and say nothing."""
        self._tell("silent")

    def shut(self) -> None:
        """Reset what is connected and whoever comes."""
        self._tell("shut")

    def cut(self) -> None:
        """Reset what is connected."""
        self._tell("cut")

    def slow(self, seconds: float) -> None:
        """Let everything pass, each piece so much later."""
        self._tell(f"slow {seconds}")

    def end(self) -> None:
        """End the proxy."""
        self._process.kill()
        self._process.wait()

    def _tell(self, command: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(command + "\n")
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline() == "ok\n", f"the door at {self.listen} does not work"


class _Proxy:
    """The proxy itself."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.shut = False
        self.delay = 0.0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.connected: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    def command(self, verb: str, *values: str) -> None:
        match verb:
            case "open":
                self.to, self.shut, self.delay = int(values[0]), False, 0.0
                self.flowing.set()
            case "silent":
                self.flowing.clear()
            case "slow":
                self.delay = float(values[0])
            case "shut":
                self.shut = True
                self.reset()
            case "cut":
                self.reset()
            case _:
                raise ValueError(verb)

    def reset(self) -> None:
        for writer in self.connected:
            writer.transport.abort()
        self.connected.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.shut:
            writer.transport.abort()
            return
        self.connected.add(writer)
        await self.flowing.wait()
        try:
            behind = await asyncio.open_connection(HOST, self.to)
        except OSError:
            writer.transport.abort()
            return
        self.connected.add(behind[1])
        await asyncio.gather(self.pass_on(reader, behind[1]), self.pass_on(behind[0], writer))
        self.connected -= {writer, behind[1]}

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self.flowing.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
            await self.flowing.wait()
        writer.close()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def _main(listen: int, to: int) -> None:
    proxy = _Proxy(to)
    server = await asyncio.start_server(lambda r, w: proxy.start(proxy.serve(r, w)), HOST, listen)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async with server:
        print("ok", flush=True)
        while line := await commands.readline():
            proxy.command(*line.decode().split())
            print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
