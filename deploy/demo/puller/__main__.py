"""``python -m deploy.demo.puller``: work for the configured agencies until asked to stop.

The list of agencies may appear or change while the program runs; it is taken up within a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from deploy.demo.puller import settings
from deploy.demo.puller.client import Exchange
from deploy.demo.puller.settings import Agency, Settings
from deploy.demo.puller.store import Store
from deploy.demo.puller.worker import Worker, run
from deploy.demo.serving import set_up_logs, stop_requests

log = logging.getLogger("puller")


class Crew:
    """The threads that work for one list of agencies."""

    def __init__(self, agencies: Iterable[Agency], config: Settings) -> None:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(agency, config), name=agency.code) for agency in agencies
        ]
        for thread in self._threads:
            thread.start()

    def dismiss(self) -> None:
        """Let each finish the request at hand."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _work(self, agency: Agency, config: Settings) -> None:
        store, exchange = Store(config.database, agency.code), Exchange(agency)
        try:
            run(Worker(agency, store, exchange), agency.code, self._stopping, config.poll, config.longest_poll)
        finally:
            exchange.close()
            store.close()


def main() -> None:
    """One thread per agency; a new list replaces the old one."""
    set_up_logs()
    asked = stop_requests()
    config = settings.from_environment()
    config.database.parent.mkdir(parents=True, exist_ok=True)
    crew, seen = Crew((), config), _version(config)
    if seen is None:
        log.info("no list of agencies yet, waiting for one")
    else:
        crew = _relieve(crew, config)
    while not asked.wait(1.0):
        now = _version(config)
        if now not in {None, seen}:
            seen = now
            crew = _relieve(crew, config)
    log.info("stopping")
    crew.dismiss()
    log.info("stopped")


def _version(config: Settings) -> tuple[int, int] | None:
    try:
        found = config.config.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def _relieve(crew: Crew, config: Settings) -> Crew:
    """Work by the list as it stands now; one that cannot be used leaves everything as it was."""
    try:
        agencies = settings.load(config.config, config.url)
    except (OSError, ValueError) as error:
        log.error("the list of agencies cannot be used: %s", error)
        return crew
    crew.dismiss()
    log.info("working for %d agencies", len(agencies))
    return Crew(agencies, config)


if __name__ == "__main__":
    main()
