"""``python -m deploy.demo.mail``: take and show mail until asked to stop."""

from __future__ import annotations

import logging

from deploy.demo.mail import settings
from deploy.demo.mail.app import create_app
from deploy.demo.mail.receiving import listener
from deploy.demo.mail.store import Mailbox
from deploy.demo.serving import Server, set_up_logs, stop_requests

log = logging.getLogger("mail")


def main() -> None:
    """Serve SMTP and the pages."""
    set_up_logs()
    asked = stop_requests()
    config = settings.from_environment()
    mailbox = Mailbox(config.database)
    smtp = listener(mailbox, config.host, config.smtp_port, config.largest)
    try:
        smtp.start()
    except OSError as error:
        raise SystemExit(f"Port {config.smtp_port} on {config.host} cannot be used: {error}") from error
    try:
        server = Server(create_app(mailbox), config.host, config.http_port)
    except OSError as error:
        smtp.stop()
        raise SystemExit(f"Port {config.http_port} on {config.host} cannot be used: {error}") from error
    server.start()
    log.info("taking mail on %s:%d, showing it on http://%s:%d/demo/mail/", config.host, config.smtp_port,
             config.host, server.port)  # fmt: skip
    asked.wait()
    log.info("stopping")
    smtp.stop()
    server.stop()
    log.info("stopped")


if __name__ == "__main__":
    main()
