"""What notification counts."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from lianban.chassis.metrics import from_zero
from lianban.contracts.codes import DocumentKind, NoticeChannel

notices = Counter(
    "lianban_notification_notices_total", "Notices settled, by channel and outcome", ["channel", "outcome"]
)
documents = Counter("lianban_notification_documents_total", "Documents issued, by kind", ["kind"])
press_seconds = Histogram(
    "lianban_notification_press_duration_seconds",
    "Time to print one document",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
from_zero(notices, (NoticeChannel.PORTAL, NoticeChannel.EMAIL), ("sent", "failed"))
from_zero(documents, DocumentKind)
