"""What oversight counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

clocks = Gauge("lianban_oversight_clocks", "Clocks by standing: running, due today, overdue, provisional", ["standing"])
breaches = Counter("lianban_oversight_breaches_total", "Clocks whose legal end passed while they ran", ["rule"])
matters = Gauge("lianban_oversight_matters", "Matters by state", ["state"])
