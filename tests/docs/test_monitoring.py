"""Rules, dashboards and runbooks speak of metrics, labels, alerts and commands that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana import make
from deploy.local.layout import Ports
from deploy.local.processes import processes

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
RUNBOOKS = ROOT / "docs" / "runbooks"
BASE = 18000

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^}]*)\}")
MATCHER = re.compile(r"([a-zA-Z_]+)\s*(?:=~|!~|!=|=)\s*\"")
AGGREGATION = re.compile(r"\b(?:sum|max|min|avg|count)\b\s*(?:by\s*\(([^)]*)\)\s*)?\(")
GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
ANNOTATION = re.compile(r"\$labels\.(\w+)")
SCRAPED = {"job", "instance", "service", "process"}
"""Labels that come from the scrape configuration."""
OF_THE_BROKER = {"job", "instance"}
OF_ITS_QUEUES = {*OF_THE_BROKER, "queue", "vhost", "service"}
OF_ALERTS = {"alertname", "alertstate", "severity"}
PYTHON = {
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_start_time_seconds",
}
"""What every Python process exposes by itself."""


def configuration() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    return loaded


@cache
def rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in sorted((PROMETHEUS / "rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def of_the_broker() -> set[str]:
    """The metrics of RabbitMQ that are kept."""
    (job,) = (job for job in configuration()["scrape_configs"] if job["job_name"] == "rabbitmq")
    kept = next(rule["regex"] for rule in job["metric_relabel_configs"] if rule["action"] == "keep")
    prefix, names = re.fullmatch(r"(rabbitmq_)\((.*)\)", kept).groups()  # type: ignore[union-attr]
    return {prefix + name for name in names.split("|")}


@cache
def known_series() -> dict[str, set[str]]:
    """Every series that can be asked for with the labels that it has or may have."""
    series = measured()
    recorded = [rule for rule in rules() if "record" in rule]
    series |= {rule["record"]: set() for rule in recorded}
    while True:  # a rule may rest on other rules
        before = {name: set(labels) for name, labels in series.items()}
        for rule in recorded:
            series[rule["record"]] |= outcome(rule["expr"], series) | set(rule.get("labels", ()))
        if series == before:
            return series


def measured() -> dict[str, set[str]]:
    """The series that are scraped, and what Prometheus says itself."""
    series = {name: OF_ITS_QUEUES if "_queue_" in name else OF_THE_BROKER for name in of_the_broker()}
    series |= dict.fromkeys(PYTHON | {"up"}, SCRAPED) | {"ALERTS": OF_ALERTS}
    for line in (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8").splitlines():
        if line.startswith("| `lianban_"):
            name, kind, labels = (cell.strip().strip("`") for cell in line.split("|")[1:4])
            own = set(re.findall(r"[a-z_]+", labels)) | SCRAPED
            if kind == "histogram":
                series |= {f"{name}_bucket": own | {"le"}, f"{name}_sum": own, f"{name}_count": own}
            else:
                series[name] = own
    return series


@cache
def bounds() -> dict[str, set[str]]:
    """The buckets of every histogram, as the reference tells them."""
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")
    return {name: set(told.split(", ")) for name, told in re.findall(r"^\| `(\w+)` .*; `le`: ([^|]+) \|", page, re.M)}


def bare(expression: str) -> str:
    """An expression without what stands in quotes."""
    return re.sub(r"\"[^\"]*\"", '""', expression)


def names(expression: str) -> list[str]:
    """The series that an expression without quotes names."""
    return [
        name
        for name in NAME.findall(expression)
        if name.startswith(("lianban", "rabbitmq_", "process_")) or ":" in name or name in ("up", "ALERTS")
    ]


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each series that an expression names, with the labels that it is chosen by."""
    chosen: dict[str, set[str]] = {}
    for name, matchers in SELECTOR.findall(expression):
        chosen.setdefault(name, set()).update(MATCHER.findall(matchers))
    for name in names(bare(expression)):
        chosen.setdefault(name, set())
    return iter(chosen.items())


def aggregations(expression: str) -> Iterator[tuple[int, int, set[str], str]]:
    """The aggregations of an expression without quotes that stand in no other: where, by which labels, and of what."""
    end = 0
    for found in AGGREGATION.finditer(expression):
        if found.start() < end:
            continue
        end, depth = found.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(expression[end], 0)
            end += 1
        yield found.start(), end, set(NAME.findall(found[1] or "")), expression[found.end() : end - 1]


def outcome(expression: str, series: dict[str, set[str]]) -> set[str]:
    """The labels that the outcome of an expression may have."""
    rest = bare(expression)
    labels: set[str] = set()
    for start, end, by, _ in reversed(list(aggregations(rest))):
        rest, labels = rest[:start] + rest[end:], labels | by
    return labels.union(*(series.get(name, set()) for name in names(rest)))


def misgrouped(expression: str, series: dict[str, set[str]]) -> list[str]:
    """Labels in ``by (…)`` that what is aggregated has not, and labels in ``on (…)`` that no side has."""
    found = []
    rest = bare(expression)
    for start, end, by, operand in reversed(list(aggregations(rest))):
        if wrong := by - outcome(operand, series):
            found.append(f"by ({', '.join(sorted(wrong))}) is of no series in it")
        found += misgrouped(operand, series)
        rest = rest[:start] + rest[end:]
    for word, labels in GROUPING.findall(rest):
        if word in ("by", "without"):
            found.append(f"{word} ({labels}): write sum by (…) (…), which this check understands")
        elif wrong := set(NAME.findall(labels)) - outcome(expression, series):
            found.append(f"{word} ({', '.join(sorted(wrong))}) is of no series beside it")
    return found


def unknown(expression: str) -> list[str]:
    """What an expression names and there is not."""
    series = known_series()
    found = []
    for name, labels in asked(expression):
        if name not in series:
            found.append(name)
        elif labels - series[name]:
            found.append(f"{name} has no label {', '.join(sorted(labels - series[name]))}")
    return found or misgrouped(expression, series)


def test_the_check_finds_what_does_not_exist() -> None:
    assert unknown('sum by (service) (rate(lianban_inbox_lag_seconds_bucket{le="2.5"}[5m]))') == []
    assert unknown("rate(lianban_inbox_lag_seconds[5m])") == ["lianban_inbox_lag_seconds"]
    assert unknown('lianban_ready{piece="x"}') == ["lianban_ready has no label piece"]
    assert unknown("service:nothing:max > 1") == ["service:nothing:max"]
    assert unknown('lianban:slo_bad:rate5m{rule="x"}') == ["lianban:slo_bad:rate5m has no label rule"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("sum by (kind) (rate(lianban_inbox_failures_total[5m]))", "sum by (knd) (lianban_inbox_failures_total)"),
        ("max(sum by (loop) (lianban_loop_done_total))", "max(sum by (lop) (lianban_loop_done_total))"),
        ("max by (part) (min by (part) (lianban_ready))", "max by (part) (min by (service) (lianban_ready))"),
        ("max by (queue) (rabbitmq_queue_messages)", "max by (queue) (rabbitmq_connections)"),
        ("max by (slo) (lianban:slo_errors:ratio1h)", "max by (rule) (lianban:slo_errors:ratio1h)"),
        ("max(agency:lianban_gateway_lane_messages:sum)", "max by (rule) (agency:lianban_gateway_lane_messages:sum)"),
        ("up == 0 and on (service) max by (service) (up)", "up == 0 and on (servce) max by (service) (up)"),
        ("up == 0 and on () month() == 12", "up == 0 and on (month) month() == 12"),
        ("sum by (service) (up)", "sum(up) by (service)"),
        ("sum by (service) (up)", "sum without (service) (up)"),
    ],
)  # fmt: skip
def test_the_check_finds_wrong_labels_of_groups(right: str, wrong: str) -> None:
    assert unknown(right) == []
    assert len(unknown(wrong)) == 1


def test_the_check_knows_which_labels_an_outcome_has() -> None:
    series = known_series()
    assert outcome('topk(9, sum by (route, status) (lianban_http_problems_total{problem=~"a(b"}))', series) == {
        "route",
        "status",
    }
    assert outcome("max(lianban_ready) / lianban_loop_done_total", series) == {"loop", *SCRAPED}
    assert outcome("lianban:slo_errors:ratio6h", series) == {"slo", "service", "agency"}


@pytest.mark.parametrize("rule", [rule for rule in rules() if 'le="' in rule["expr"]], ids=lambda rule: rule["record"])
def test_rules_compare_with_bounds_that_a_histogram_has(rule: dict[str, Any]) -> None:
    """A bound between two buckets matches no series, and the objective would look broken or always kept."""
    compared = re.findall(r'(\w+)_bucket\{le="([^"]+)"\}', rule["expr"])
    assert compared
    assert [(name, bound) for name, bound in compared if bound not in bounds()[name]] == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_ask_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    assert unknown(rule["expr"]) == []


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: f"{alert['alert']}-{alert['labels']['severity']}")
def test_alerts_say_labels_that_they_have(alert: dict[str, Any]) -> None:
    said = {label for note in alert["annotations"].values() for label in ANNOTATION.findall(note)}
    assert said - outcome(alert["expr"], known_series()) == set()


def test_of_the_brokers_metrics_those_are_kept_that_rules_and_dashboards_use() -> None:
    queries = [rule["expr"] for rule in rules()]
    queries += [target["expr"] for path in DASHBOARDS for panel in panels(path) for target in panel["targets"]]
    used = {name for query in queries for name, _ in asked(query) if name.startswith("rabbitmq_")}
    assert of_the_broker() == used


def test_the_scrape_configuration_names_every_process_with_its_port() -> None:
    ports = Ports(8080, BASE)
    wanted = {(p.environment, p.serves or p.name, f"127.0.0.1:{p.ops(ports)}") for p in processes(demo=False) if p.ops}
    jobs = {job["job_name"]: job["static_configs"] for job in configuration()["scrape_configs"]}
    assert {
        (config["labels"]["service"], config["labels"]["process"], target)
        for config in jobs["lianban"]
        for target in config["targets"]
    } == wanted
    assert jobs["rabbitmq"] == [{"targets": [f"127.0.0.1:{ports.broker_metrics}"]}]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: f"{alert['alert']}-{alert['labels']['severity']}")
def test_every_alert_says_what_is_wrong_in_both_languages_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "runbook"}
    chinese, english = notes["description"].split("\n")
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert not re.search(r"[\u4e00-\u9fff]", english)
    assert re.search(r"[\u4e00-\u9fff].* [A-Z]", notes["summary"])
    assert notes["runbook"] == f"docs/runbooks/{alert['alert']}.md"


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("Lianban*.md")), ids=lambda path: path.stem)
def test_every_runbook_says_what_you_see_what_to_do_and_how_to_be_sure(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert lines[0].startswith(f"# {path.stem} ")
    assert [line for line in lines if line.startswith("## ")] == [
        "## What you see",
        "## What to do",
        "## How to be sure",
    ]
    index = (RUNBOOKS / "README.md").read_text("utf-8")
    assert f"({path.name})" in index


def test_runbooks_call_commands_that_exist() -> None:
    """`lianban …` in a block or in the text is a command of the reference."""
    known = set(re.findall(r"^#+ `lianban ([a-z -]+)`", (ROOT / "docs/reference/commands.md").read_text("utf-8"), re.M))
    used = {
        (path.name, call.strip())
        for path in (*RUNBOOKS.glob("*.md"), ROOT / "docs" / "how-to" / "monitor.md")
        for call in re.findall(r"^lianban ((?:[a-z]+ ?)+)|`lianban ((?:[a-z]+ ?)+)", path.read_text("utf-8"), re.M)
        for call in call
        if call
    }
    assert len(used) > 20
    missing = {(name, call) for name, call in used if not any(call == k or call.startswith(k + " ") for k in known)}
    assert missing == set()


def test_runbooks_speak_of_metrics_that_exist() -> None:
    series = set(known_series()) | {
        line.split("`")[1] for line in (ROOT / "docs/reference/metrics.md").read_text("utf-8").splitlines()
        if line.startswith("| `lianban_")
    }  # fmt: skip
    named = {
        (path.name, name)
        for path in (*RUNBOOKS.glob("*.md"), ROOT / "docs" / "how-to" / "monitor.md")
        for name in re.findall(r"\b(?:lianban|rabbitmq)_[a-z_]+", path.read_text("utf-8"))
    }
    assert {(path, name) for path, name in named if name not in series} == set()


def unsaid(legend: str, expression: str) -> set[str]:
    """The labels of a legend that the expression's outcome does not have: Grafana would show nothing in their place."""
    return set(LEGEND.findall(legend)) - outcome(expression, known_series())


def test_the_check_finds_wrong_labels_of_legends() -> None:
    expression = "sum by (state) (max by (agency, state) (lianban_gateway_lane_messages))"
    assert unsaid("waiting: {{state}}", expression) == set()
    assert unsaid("{{ agency }} {{state}}", expression) == {"agency"}
    assert unsaid("{{lop}}", "rate(lianban_loop_done_total[5m])") == {"lop"}


DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))


def panels(path: Path) -> list[dict[str, Any]]:
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return [panel for panel in loaded["panels"] if panel["type"] != "row"]


def test_every_dashboard_is_what_its_source_says() -> None:
    made = {f"{path.stem}.json": make.text(make.read(path)) for path in make.SOURCE.glob("*.toml")}
    assert {path.name: path.read_text("utf-8") for path in DASHBOARDS} == made, "run python -m deploy.grafana.make"
    assert len(made) == 5


def test_dashboards_have_names_of_their_own_and_the_provisioned_source() -> None:
    loaded = [json.loads(path.read_text("utf-8")) for path in DASHBOARDS]
    assert len({board["uid"] for board in loaded}) == len({board["title"] for board in loaded}) == len(loaded)
    provisioned = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text("utf-8"))
    sources = {panel["datasource"]["uid"] for path in DASHBOARDS for panel in panels(path)}
    assert sources == {source["uid"] for source in provisioned["datasources"]}
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "lianban.yml").read_text("utf-8"))
    assert provider["providers"][0]["options"]["path"] == "${LIANBAN_DASHBOARDS}"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_has_a_title_a_unit_a_place_of_its_own_and_asks_for_what_exists(path: Path) -> None:
    seen: set[tuple[int, int]] = set()
    for panel in panels(path):
        assert re.search(r"[\u4e00-\u9fff].* [A-Z]", panel["title"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert unknown(target["expr"]) == [], panel["title"]
            assert unsaid(target["legendFormat"], target["expr"]) == set(), panel["title"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & seen, panel["title"]
        seen |= cells


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_choice_of_a_dashboard_is_a_label_that_exists(path: Path) -> None:
    for variable in json.loads(path.read_text("utf-8"))["templating"]["list"]:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
        assert label in known_series()[metric]
        assert f"${variable['name']}" in path.read_text("utf-8")
