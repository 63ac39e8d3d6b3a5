"""What intake counts; labels are codes, never anything personal."""

from __future__ import annotations

from prometheus_client import Counter

from lianban.chassis.metrics import from_zero
from lianban.contracts.codes import Channel, Purpose, RatingTarget, RatingValue

registered = Counter("lianban_intake_matters_registered_total", "Matters registered", ["channel", "purpose"])
uploads = Counter("lianban_intake_uploads_total", "Files sent, by outcome: taken, or why not", ["outcome"])
opened = Counter("lianban_intake_query_codes_total", "Tries to open a matter with a query code", ["outcome"])
votes = Counter("lianban_intake_votes_total", "Votes of petitioners", ["target", "value"])
not_solved = Counter("lianban_intake_not_solved_total", "Answers that the problem is not solved")
from_zero(registered, Channel, Purpose)
from_zero(uploads, ["taken"])
from_zero(opened, ("right", "wrong"))
from_zero(votes, RatingTarget, RatingValue)
