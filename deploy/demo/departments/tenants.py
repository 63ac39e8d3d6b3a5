"""Tenants by their API keys, remembered between requests."""

from __future__ import annotations

import threading

from deploy.demo.departments import store
from deploy.demo.departments.records import Tenant


class Tenants:
    """Who calls, without asking the database each time; whatever changes a tenant calls ``forget`` afterwards."""

    def __init__(self, pool: store.Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._known: dict[str, Tenant] = {}
        self._age = 0

    def of_key(self, api_key: str) -> Tenant | None:
        """The tenant of a key; None when nobody has it."""
        found = self._known.get(api_key)
        if found is not None or not api_key:
            return found
        age = self._age
        with self._pool.connection() as connection:
            found = store.tenant_of_key(connection, api_key)
        with self._lock:
            # What was read before somebody changed a tenant must not be remembered after it.
            if found is not None and age == self._age:
                self._known[api_key] = found
        return found

    def forget(self) -> None:
        """Ask the database again."""
        with self._lock:
            self._age += 1
            self._known = {}
