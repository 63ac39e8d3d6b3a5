"""The chassis' own metrics; services define theirs beside the code that counts.

Names follow the Prometheus conventions: base units, ``_total`` for counters, bounded labels. Series whose labels are
known beforehand are there from the start (:func:`from_zero`).
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram, Info

import lianban
from lianban.chassis.settings import settings
from lianban.contracts.catalogue import PRODUCERS


def from_zero(metric: Counter | Histogram, *values: Iterable[str]) -> None:
    """Have the series of all these values of a metric's labels there from the start.

    A series that appears with its first increment has not increased for Prometheus: ``rate()`` would miss it.
    """
    for labels in itertools.product(*values):
        metric.labels(*labels)


build = Info("lianban_build", "Version of this process")
build.info({"version": lianban.__version__})
ready = Gauge("lianban_ready", "1 where a part of the process is ready, 0 where it is not", ["part"])

relay_active = Gauge("lianban_relay_active", "1 where this process is the relay of its service's outbox")
outbox_published = Counter("lianban_outbox_published_total", "Events confirmed by the broker")
outbox_returned = Counter("lianban_outbox_returned_total", "Events that no queue took; they are published again")
outbox_failures = Counter("lianban_outbox_failures_total", "Publishing rounds that failed and are repeated")
outbox_unpublished = Gauge("lianban_outbox_unpublished_events", "Events that wait for publication; at most 100000")
outbox_oldest = Gauge("lianban_outbox_oldest_age_seconds", "Age of the oldest event that waits for publication")

inbox_handled = Counter("lianban_inbox_handled_total", "Events that had their effect", ["producer"])
inbox_repeated = Counter("lianban_inbox_repeated_total", "Events that came again and changed nothing")
inbox_failures = Counter("lianban_inbox_failures_total", "Handler failures by kind", ["kind"])
inbox_undecodable = Counter(
    "lianban_inbox_undecodable_total", "Events that cannot be read; their messages went to the poison queue"
)
inbox_parked = Gauge("lianban_inbox_parked_events", "Events that wait for an earlier event or for their next try")
inbox_parked_oldest = Gauge("lianban_inbox_parked_oldest_age_seconds", "Age of the oldest parked event")
inbox_quarantined = Gauge("lianban_inbox_quarantined_events", "Events in quarantine, for a person to look at")
inbox_batch = Histogram(
    "lianban_inbox_batch_events", "Events handled in one transaction", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
inbox_lag = Histogram(
    "lianban_inbox_lag_seconds",
    "From the event's time to its effect here",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600),
)
from_zero(inbox_handled, [module.__name__.rpartition(".")[2] for module in PRODUCERS])
from_zero(inbox_failures, ("retry", "bug", "poison"))

database_seconds = Histogram(
    "lianban_database_transaction_duration_seconds",
    "Duration of database transactions",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15),
)
database_unavailable = Counter("lianban_database_unavailable_total", "Times that the database was out of reach")

loop_done = Counter("lianban_loop_done_total", "Rows that worker loops finished", ["loop"])
loop_failures = Counter("lianban_loop_failures_total", "Rounds of worker loops that failed and are repeated", ["loop"])

pruned = Counter(
    "lianban_pruned_total",
    "Rows that were let go because the policy keeps them no longer; assignments whose messages went",
    ["rows"],
)

disk_free = Gauge("lianban_disk_free_bytes", "Room left on the disk of the folder for attachments and documents")
disk_size = Gauge("lianban_disk_size_bytes", "Size of the disk of the folder for attachments and documents")


def measure_disk() -> None:
    """Bring the gauges of the disk up to date."""
    usage = shutil.disk_usage(settings().files_path)
    disk_free.set(usage.free)
    disk_size.set(usage.total)
