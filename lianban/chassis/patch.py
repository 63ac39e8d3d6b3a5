"""Makes the process cooperative: to be imported before anything else in a service process.

eventlet must patch the standard library before prometheus_client, requests and the tracing SDK are
imported, and psycopg must wait in a way that lets other greenlets run: it detects only gevent, so
without ``PSYCOPG_WAIT_FUNC`` every query would hold up the whole process.
"""

from __future__ import annotations

import os
import warnings

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")  # the README says so; a log need not

import eventlet  # noqa: E402

eventlet.monkey_patch()

import psycopg.waiting  # noqa: E402

from lianban.chassis import waiting  # noqa: E402

if psycopg.waiting.wait not in (psycopg.waiting.wait_select, waiting.wait):
    raise RuntimeError("psycopg was imported before lianban.chassis.patch: import the patch first")

# The connections look the function up when they wait; opening a connection keeps psycopg's own way.
psycopg.waiting.wait = waiting.wait
