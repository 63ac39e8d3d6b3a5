"""Registering by the form, in three steps: fill in, look at the preview, confirm. Portal and clerk's desk share it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import render_template, request

from lianban.chassis.rules import rulebook
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.contracts.codes import Channel, IdType, Purpose
from services.intake.app.register import register
from services.intake.domain.petition import CLAIMS, Faulty, Petition
from services.intake.web.forms import Form, place_in_full, region_groups
from services.intake.web.reading import caller


def show(form: Form, *, desk: bool) -> str:
    """The form with what it holds and what is wrong; the ``desk`` also asks how the petition came in."""
    with database().transaction() as tx:
        regions = region_groups(tx)
    return render_template(
        "intake/submit.html",
        form=form,
        values=form.values,
        errors=form.errors,
        regions=regions,
        purposes=Purpose,
        id_types=IdType,
        channels=Channel,
        desk=desk,
    )


def fill_in(channel: Channel, *, desk: bool, duplicates: Callable[[Petition], Any] | None = None) -> Any:
    """A step of filling in: another claim, back to the form, or on to the preview with possible ``duplicates``."""
    form = Form.posted()
    wanted = request.form.get("do")
    if wanted == "claim":
        form.claims = min(form.claims + 1, CLAIMS)
        return show(form, desk=desk)
    if wanted == "edit":
        return show(form, desk=desk)
    told = form.read(channel.value)
    if told is None:
        return show(form, desk=desk), 422
    with database().transaction() as tx:
        place = place_in_full(tx, told.region_code)
    found = duplicates(told) if duplicates else []
    return render_template("intake/preview.html", form=form, petition=told, place=place, desk=desk, duplicates=found)


def confirm(channel: Channel, *, desk: bool) -> Any:
    """Register what the preview showed, and show number and query code."""
    form = Form.posted()
    told = form.read(channel.value)
    if told is None:
        return show(form, desk=desk), 422
    try:
        done = register(told, by=caller(), at=now())
    except Faulty as faulty:
        form.blame(faulty)
        return show(form, desk=desk), 422
    return render_template("intake/registered.html", done=done, petition=told, rules=rulebook(), desk=desk)
