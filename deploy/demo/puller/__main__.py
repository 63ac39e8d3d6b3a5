"""``python -m deploy.demo.puller``: work for the configured agencies until asked to stop."""

from __future__ import annotations

import logging
import threading

from deploy.demo.puller import settings
from deploy.demo.puller.client import Exchange
from deploy.demo.puller.settings import Agency, Settings
from deploy.demo.puller.store import Store
from deploy.demo.puller.worker import Worker, run
from deploy.demo.serving import set_up_logs, wait_for_signal

log = logging.getLogger("puller")


def main() -> None:
    """One thread per agency; a stop lets each finish the request at hand."""
    set_up_logs()
    config = settings.from_environment()
    config.database.parent.mkdir(parents=True, exist_ok=True)
    stopping = threading.Event()
    threads = [
        threading.Thread(target=_work, args=(agency, config, stopping), name=agency.code) for agency in config.agencies
    ]
    for thread in threads:
        thread.start()
    log.info("working for %d agencies", len(threads))
    wait_for_signal()
    log.info("stopping")
    stopping.set()
    for thread in threads:
        thread.join()
    log.info("stopped")


def _work(agency: Agency, config: Settings, stopping: threading.Event) -> None:
    store, exchange = Store(config.database, agency.code), Exchange(agency)
    try:
        run(Worker(agency, store, exchange), agency.code, stopping, config.poll, config.longest_poll)
    finally:
        exchange.close()
        store.close()


if __name__ == "__main__":
    main()
