"""``lianban demo story``: a told case, played on the running demo city through the doors that its people use."""

from __future__ import annotations

import time
from typing import Any

import click

from deploy.demo.actors import (
    Department,
    DeskDepartment,
    Door,
    Officer,
    Petitioner,
    PullDepartment,
    PullList,
    Switchboard,
    TicketDepartment,
)
from deploy.demo.city.load import Adapter, City
from deploy.demo.matters import plan
from deploy.demo.matters.plan import Action, DemoMatter, Step
from deploy.demo.matters.playing import Play, Stage
from deploy.local.stack import Stack
from deploy.waiting import NotSo
from lianban.chassis.auth import Principal, issue_access
from lianban.chassis.settings import read, use
from lianban.chassis.time import now
from lianban.contracts.codes import AgencyRole, ObjectionReason, StaffRole

STORIES = {"pollution": "story-black-river", "reimbursement": "story-reimbursement"}
PAUSE = 2.5
"""Seconds between two steps, so that they can be followed in a browser."""
TOKEN_SECONDS = 4 * 3600
CITY = "990100000000"

SAID: dict[Action, str] = {
    Action.SUBMIT: "提交信访事项 submits",
    Action.ROUTE: "派件 routes",
    Action.ACCEPT: "受理 accepts",
    Action.OBJECT: "提出异议 objects",
    Action.COORDINATE: "协调 coordinates",
    Action.DESIGNATE: "指定 designates",
    Action.PROGRESS: "报告进展 tells progress",
    Action.OPINION: "提交协办意见 gives its opinion",
    Action.REPLY: "提交答复 replies",
    Action.OPEN: "查看处理意见 opens the decision",
    Action.RATE: "评价 rates",
    Action.WITHDRAW: "撤回 withdraws",
    Action.EXPECT_DISPUTED: "受理争议 a dispute is found",
    Action.EXPECT_DECIDED: "处理意见已送达 the decision is served",
}
DOORS = {
    Adapter.REST_PUSH: "部门自有系统 its own ticket system",
    Adapter.PULL: "拉取接口 the pull API",
    Adapter.DESK: "单位工作台 the agency desk",
}


def told(city: City, name: str) -> DemoMatter:
    """A told case by its short name."""
    return next(story for story in plan.stories(city) if story.key == STORIES[name])


def stage(here: Stack, city: City) -> Stage:
    """The doors of a stack, with keys of the demo's people."""
    from cli import city as setting_up

    connections = setting_up.Connections(here, city)
    demo = here.env("departments")
    word = setting_up.password(city)
    accounts = {row.agency: row.username for row in city.staff if row.agency and StaffRole.AGENCY in row.roles}

    def department(code: str) -> Department:
        match city.agencies[code].adapter:
            case Adapter.REST_PUSH:
                return TicketDepartment(code, Door(here.url))
            case Adapter.PULL:
                return PullDepartment(code, Door(here.url, Authorization=f"Bearer {connections.token(code)}"))
            case Adapter.DESK:
                return DeskDepartment(code, Door(here.url), accounts[code], word)

    return Stage(
        city=city,
        officer=Officer(Door(here.url, Authorization=f"Bearer {_token(here, StaffRole.OFFICER)}")),
        clerk=_token(here, StaffRole.CLERK),
        petitioner=lambda: Petitioner(Door(here.url)),
        department=department,
        switchboard=Switchboard(
            Door(demo["DEPARTMENTS_URL"], **{"X-Admin-Key": demo["DEPARTMENTS_ADMIN_KEY"]}),
            PullList(here.layout.puller),
        ),
    )


def _token(here: Stack, role: StaffRole) -> str:
    who = Principal(
        kind="staff", subject=f"demo-story:{role.value}", name="演示", roles=frozenset({role}), territory=CITY
    )
    with use(read(here.env("routing"))):
        return issue_access(who, at=now(), seconds=TOKEN_SECONDS)


@click.command()
@click.argument("name", type=click.Choice(sorted(STORIES)))
@click.option("--fast", is_flag=True, help="步骤之间不停顿 no pause between the steps.")
def story(name: str, fast: bool) -> None:
    """演示故事 Play a told case step by step: every person and department acts through their own door.

    \b
    pollution      两家推诿，信访局协调 two agencies push responsibility to each other until the city coordinates
    reimbursement  医保局主办，两部门联合调查 the health insurance leads, two departments join
    """
    from cli import city as setting_up
    from cli.target import stack

    here = stack()
    if not here.running():
        raise click.ClickException(f"没有在运行 not running ({here.layout.home}); start it with: lianban up")
    city = setting_up.load()
    case = told(city, name)
    click.secho(case.title, bold=True)
    try:
        with Play(stage(here, city), case) as play:
            for step in case.steps:
                _play(play, step)
                if not fast:
                    time.sleep(PAUSE)
    except NotSo as trouble:
        raise click.ClickException(f"故事演不下去了 the story cannot go on: {trouble}") from None
    click.secho(f"\n✓ {case.title}", fg="green")


def _play(play: Play, step: Step) -> None:
    city = play.stage.city
    agency = city.agencies.get(step.actor)
    who = agency.name if agency else {plan.PETITIONER: "信访人 petitioner", plan.OFFICER: "转办员 officer"}[step.actor]
    click.secho(f"第{step.day}天 day {step.day}  {who}：{SAID[step.action]}", fg="cyan")
    for line in _particulars(step, city):
        click.echo(f"    {line}")
    if agency and step.action in (Action.ACCEPT, Action.OBJECT, Action.PROGRESS, Action.OPINION, Action.REPLY):
        click.secho(f"    经由 through {DOORS[agency.adapter]}", dim=True)
    play.do(step)
    if step.action is Action.SUBMIT:
        _say_where(play)


def _particulars(step: Step, city: City) -> list[str]:
    def name(code: str) -> str:
        return city.agencies[code].name

    lines = []
    if step.lead:
        lines.append(f"{AgencyRole.LEAD.zh} lead: {name(step.lead)}")
    if step.co_handlers:
        lines.append(f"{AgencyRole.CO_HANDLER.zh} co-handlers: {'、'.join(name(code) for code in step.co_handlers)}")
    if step.parties:
        lines.append("、".join(name(code) for code in step.parties))
    if step.reason:
        lines.append(
            f"{ObjectionReason(step.reason).zh}" + (f" → {name(step.proposed_agency)}" if step.proposed_agency else "")
        )
    if step.solved is not None:
        lines.append("已解决 solved" if step.solved else "未解决 not solved")
    if step.text:
        lines.append(_short(step.text))
    return lines


def _short(text: str) -> str:
    flat = "".join(text.split())
    return flat if len(flat) <= 60 else f"{flat[:59]}…"


def _say_where(play: Play) -> None:
    url, made = play.petitioner.door.url, play.petitioner
    rows: list[tuple[str, Any]] = [
        ("编号 number", made.number),
        ("查询码 query code", made.query_code),
        ("查询页面 status", f"{url}/matters"),
        ("转办台 routing desk (officer)", f"{url}/routing/cases/{made.id}"),
        ("督办看板 oversight (supervisor)", f"{url}/oversight/matters/{made.number}"),
        ("演示邮箱 mailbox", f"{url}/demo/mail/"),
        ("部门系统 departments", f"{url}/demo/departments/"),
    ]
    for label, value in rows:
        click.echo(f"      {label:<28} {value}")
