"""The embedded stack: PostgreSQL, RabbitMQ, nginx and all processes on one machine, in one state folder."""
