"""``python -m deploy.demo.puller``: work for the configured agencies until asked to stop.

The list of agencies may appear or change while the program runs; it is taken up within a second, and the file beside
it that ends in ``.taken-up`` then names its version.
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

LOOK_SECONDS = 1.0
"""How often the program looks whether there is a new list."""


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
    crew, seen = Crew((), config), settings.version(config.config)
    if seen is None:
        log.info("no list of agencies yet, waiting for one")
    else:
        crew = _relieve(crew, config, seen)
    while not asked.wait(LOOK_SECONDS):
        now = settings.version(config.config)
        if now is not None and now != seen:
            seen = now
            crew = _relieve(crew, config, seen)
    log.info("stopping")
    crew.dismiss()
    log.info("stopped")


def _relieve(crew: Crew, config: Settings, version: str) -> Crew:
    """Work by the list as it stands now, and say so; one that cannot be used leaves everything as it was."""
    try:
        agencies = settings.load(config.config, config.url)
    except (OSError, ValueError) as error:
        log.error("the list of agencies cannot be used: %s", error)
        return crew
    crew.dismiss()
    log.info("working for %d agencies", len(agencies))
    crew = Crew(agencies, config)
    try:
        settings.taken_up(config.config).write_text(version, encoding="utf-8")
    except OSError as error:
        log.error("that the list is taken up cannot be written down: %s", error)
    return crew


if __name__ == "__main__":
    main()
