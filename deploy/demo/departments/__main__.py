"""``python -m deploy.demo.departments``: run the ticket system until asked to stop."""

from __future__ import annotations

import logging
import threading

import psycopg_pool

from deploy.demo.departments import settings, store
from deploy.demo.departments.app import create_app
from deploy.demo.departments.workers import DATABASE_ERRORS, Workers
from deploy.demo.serving import Server, set_up_logs, stop_requests

log = logging.getLogger("departments")


def main() -> None:
    """Serve as soon as the port is there; tables are created as soon as the database is."""
    set_up_logs()
    asked = stop_requests()
    config = settings.from_environment()
    if config.admin_key is None:
        log.warning("DEPARTMENTS_ADMIN_KEY is not set: the administration API lets nobody in")
    stopping = threading.Event()
    pool = store.open_pool(config.database_url)
    workers = Workers(pool, config.webhook_calls, config.webhook_max_wait)
    app = create_app(pool, workers.ring, stopping.wait, config.admin_key)
    try:
        server = Server(app, config.host, config.port)
    except OSError as error:
        raise SystemExit(f"Port {config.port} on {config.host} cannot be used: {error}") from error
    preparing = threading.Thread(target=_prepare, args=(pool, workers, stopping), name="prepare")
    server.start()
    preparing.start()
    log.info("serving on http://%s:%d", config.host, server.port)
    asked.wait()
    log.info("stopping")
    stopping.set()
    server.stop()
    preparing.join()
    workers.stop()
    pool.close()
    log.info("stopped")


def _prepare(pool: store.Pool, workers: Workers, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            with pool.connection() as connection:
                store.install(connection)
        except (*DATABASE_ERRORS, psycopg_pool.PoolClosed) as error:
            log.warning("waiting for the database (%s)", type(error).__name__)
            stopping.wait(2.0)
            continue
        workers.start()
        return


if __name__ == "__main__":
    main()
