"""Use cases of notification: one transaction each."""
