"""`python -m services.routing.suggest`."""

from services.routing.suggest.server import serve

if __name__ == "__main__":
    serve()
