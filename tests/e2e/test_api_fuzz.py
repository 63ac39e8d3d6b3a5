"""Every operation of the served OpenAPI document, called with what fits it and with what does not, by schemathesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from deploy.local.stack import Stack
from deploy.waiting import until
from lianban.contracts.codes import StaffRole
from tests.e2e.doors import a_session, a_token
from tests.e2e.people import BLACK_RIVER, submit

EXAMPLES = 14
"""Calls per operation and test: few, the same ones in every run."""

bounded = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def description(stack: Stack) -> Any:
    """The document as the edge serves it."""
    answer = a_session().get(f"{stack.url}/openapi.json", timeout=20)
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json()


@pytest.fixture(scope="module")
def known(stack: Stack) -> dict[str, str]:
    """Ids of things that exist, so that calls reach beyond the first "not found"."""
    matter = submit(stack, BLACK_RIVER | {"title": "随机调用所用的一件"})
    officer = a_session(a_token(stack, StaffRole.OFFICER, territory="990100000000"))
    case = f"{stack.url}/api/v1/cases/{matter.id}"
    until(lambda: officer.get(case, timeout=20).status_code == 200, "the case is open")
    answer = officer.post(
        f"{case}/assignments",
        json={"assignments": [{"agency_code": "dongping-town", "role": "lead"}], "kind": "transfer"},
        headers={"Idempotency-Key": str(uuid4())},
        timeout=20,
    )
    assert answer.status_code == 201, answer.text
    return {
        "case_id": matter.id,
        "number": matter.number,
        "query_code": matter.query_code,
        "assignment_id": answer.json()["assignments"][0]["id"],
        "agency_code": "dongping-town",
        "region_code": BLACK_RIVER["region_code"],
    }


@pytest.fixture(scope="module")
def callers(stack: Stack) -> Callable[[str], requests.Session]:
    """Who may use an operation: the agency's system, an officer and supervisor, or anybody, from anywhere."""
    agency = a_session(a_token(stack, StaffRole.AGENCY, agency="dongping-town"))
    office = a_session(a_token(stack, StaffRole.OFFICER, StaffRole.SUPERVISOR, territory="990100000000"))

    def caller(path: str) -> requests.Session:
        if path.startswith("/exchange/"):
            return agency
        return a_session() if "/matters" in path and "oversight" not in path else office

    return caller


def called(case: Any, stack: Stack, session: requests.Session, known: dict[str, str]) -> None:
    """Send the call, two of three times about something that exists, and hold the answer against the document."""
    if sum(str(case.path_parameters).encode()) % 3:
        case.path_parameters = {**(case.path_parameters or {})} | {
            name: known[name] for name in case.path_parameters or {} if name in known
        }
        if "query_code" in (case.query or {}):
            case.query["query_code"] = known["query_code"]
        if isinstance(case.body, dict):
            case.body.update({name: known[name] for name in ("query_code", "region_code") if name in case.body})
    answer = case.call(base_url=stack.url, session=session, timeout=20)
    assert answer.status_code < 500, f"{case.as_curl_command()}\n{answer.text[:500]}"
    case.validate_response(
        answer,
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.checks.CHECKS.get_one("status_code_conformance"),
            schemathesis.checks.CHECKS.get_one("content_type_conformance"),
            schemathesis.checks.CHECKS.get_one("response_schema_conformance"),
        ],
    )
    if answer.status_code >= 400:
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["reference"]


def failure_of(operation: Any, mode: GenerationMode, call: Callable[[Any], None]) -> str | None:
    """What was wrong with the first call of an operation that was not answered as it should be."""

    @bounded
    @given(case=operation.as_strategy(generation_mode=mode))
    def calls(case: Any) -> None:
        call(case)

    try:
        calls()
    except Unsatisfiable:
        return None  # nothing about this operation could be wrong: it has no parameters
    except (Exception, FailureGroup) as failure:  # noqa: BLE001  (gathered: one run shows everything)
        return f"{operation.label}: {type(failure).__name__} {failure} {getattr(failure, 'exceptions', '')}"
    return None


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
def test_every_call_is_answered_as_the_document_says(
    mode: GenerationMode,
    description: Any,
    stack: Stack,
    callers: Callable[[str], requests.Session],
    known: dict[str, str],
) -> None:
    """No server error, a documented status, its media type and its schema, whatever is sent."""
    schema = schemathesis.openapi.from_dict(description)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) >= 25
    wrong = []
    for operation in operations:
        wrong.append(failure_of(operation, mode, lambda case: called(case, stack, callers(case.path), known)))
    assert not any(wrong), "\n\n".join(filter(None, wrong))
