"""Bringing a service's database to the shape that this version of the code expects.

The chassis' own migrations come first, then the service's, each a numbered plain-SQL file applied once
(yoyo keeps the list in the database and a lock, so that replicas may start at the same time).
"""

from __future__ import annotations

from pathlib import Path

from yoyo import get_backend, read_migrations

CHASSIS = Path(__file__).parent / "migrations"
SERVICES = Path(__file__).parents[2] / "services"


def migrate(url: str, service: str) -> list[str]:
    """Apply what is missing in the database at ``url``; returns the ids of the migrations applied."""
    applied: list[str] = []
    backend = get_backend(url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with backend.lock(timeout=60):
            for folder in (CHASSIS, SERVICES / service / "migrations"):
                missing = backend.to_apply(read_migrations(str(folder)))
                backend.apply_migrations(missing)
                applied += [migration.id for migration in missing]
    finally:
        backend.connection.close()
    return applied
