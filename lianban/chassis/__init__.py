"""What every service stands on: bus, outbox, inbox, database, web, sign-in, secrets, metrics, logs.

The only part that knows nameko, kombu and eventlet, so that leaving them touches this folder alone.
"""
