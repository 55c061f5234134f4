"""The OpenAPI document says what the gateway takes and answers, well enough to build on (E30)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway.api import openapi
from gateway.api.explained import EXPLAINED
from gateway.api.operations import OPERATIONS, Operation, operation
from gateway.api.routes import router
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from servicekit.errors import ServiceError

DOCUMENT = openapi.document()
SCHEMAS = DOCUMENT["components"]["schemas"]
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def against(schema: dict[str, Any]) -> Draft202012Validator:
    """References within the document, and no more fields than it has."""
    closed = {name: {"additionalProperties": False, **one} for name, one in SCHEMAS.items()}
    return Draft202012Validator({**schema, "components": {"schemas": closed}}, format_checker=Draft202012Validator.FORMAT_CHECKER)


class TestOperations:
    def test_the_list_is_all_there_is(self) -> None:
        """Routes, document and docs/openapi.json are made from the one list."""
        unused: Any = None
        routes = {(route.path, *route.methods) for route in router(unused).routes}  # type: ignore[attr-defined]
        assert routes == {(one.path, one.method) for one in OPERATIONS}
        written = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
        assert written == routes
        assert ("/v1/callbacks/{provider}", "POST") in written

    def test_the_document_is_valid(self) -> None:
        assert DOCUMENT["openapi"].startswith("3.1")
        validate(DOCUMENT)  # type: ignore[arg-type]

    async def test_what_runs_answers_the_same_document(self, portal: httpx.AsyncClient) -> None:
        assert (await portal.get("/v1/openapi.json")).json() == DOCUMENT

    @every_operation
    def test_names_make_good_clients(self, operation: Operation) -> None:
        found = described(operation)
        assert found["operationId"] == operation.id
        assert operation.id.isidentifier()
        assert operation.id[0].islower()
        assert found["summary"] == operation.summary
        assert found["tags"] == [operation.tag]
        assert operation.tag in {one["name"] for one in DOCUMENT["tags"]}


class TestSchemas:
    def test_every_property_is_described(self) -> None:
        undescribed = [
            f"{name}.{field}"
            for name, schema in SCHEMAS.items()
            for field, found in schema.get("properties", {}).items()
            if not found.get("description")
        ]
        assert not undescribed

    def test_what_is_for_our_own_pages_is_not_in_it(self) -> None:
        """ENU-1: `typed` never leaves by the API."""
        assert "typed" not in SCHEMAS["RegistrationFlow"]["properties"]
        assert "x-internal" not in json.dumps(DOCUMENT)

    @pytest.mark.parametrize("flow", ["RegistrationFlow", "SignInFlow", "ReminderFlow", "ResetFlow", "TotalLossFlow"])
    def test_states_are_enumerated(self, flow: str) -> None:
        found = SCHEMAS[flow]["properties"]
        assert "enum" in found["status"] or "const" in found["status"]
        assert "const" in found["kind"]
        assert found["next"]["items"]["enum"] == [
            "resend",
            "code",
            "email",
            "password",
            "action",
            "challenges",
            "passkey",
            "factors",
            "social",
            "registration",
        ]


class TestExamples:
    """They were written from real answers; tests/e2e/test_openapi.py compares them with today's."""

    @every_operation
    def test_of_the_request(self, operation: Operation) -> None:
        if operation.request is None:
            assert "request" not in openapi.example(operation)
            return
        content = described(operation)["requestBody"]["content"]["application/json"]
        assert content["example"] is not None
        against(content["schema"]).validate(content["example"])

    @every_operation
    def test_of_the_answer(self, operation: Operation) -> None:
        if operation.answer is None:
            assert openapi.example(operation).get("answer") is None
            return
        content = described(operation)["responses"][str(operation.status)]["content"]["application/json"]
        assert content["example"] is not None
        against(content["schema"]).validate(content["example"])

    @every_operation
    def test_of_problems(self, operation: Operation) -> None:
        """Only those that can occur, each with the document that it is."""
        shown = set()
        for status, response in described(operation)["responses"].items():
            for code, one in response["content"]["application/problem+json"]["examples"].items() if int(status) >= 400 else ():
                assert one["value"]["status"] == int(status)
                assert one["value"]["code"] == code
                Draft202012Validator({**SCHEMAS["Problem"], "components": {"schemas": SCHEMAS}}).validate(one["value"])
                shown.add(code)
        assert shown == {one.code for one in operation.all_problems()}


class TestProblems:
    def test_each_kind_of_call_has_its_own(self) -> None:
        def codes(name: str) -> set[str]:
            return {one.code for one in next(one for one in OPERATIONS if one.id == name).all_problems()}

        assert codes("readSession") == {"malformed_request", "session_required", "internal_error", "overloaded"}
        assert "session_required" not in codes("startSignIn")
        assert "link_expired" not in codes("enterPassword")
        assert {"code_wrong", "code_burned", "too_many_requests", "idempotency_key_reused"} <= codes("enterRegistrationCode")
        assert not {"idempotency_key_reused", "cross_site_request"} & codes("readMe")

    @pytest.mark.parametrize("cls", openapi.problem_codes(), ids=lambda cls: cls.code)
    async def test_each_has_a_page_that_helps(self, cls: type[ServiceError], portal: httpx.AsyncClient) -> None:
        """E2: when it happens and what to do, in docs/problems.md and on its page."""
        told = EXPLAINED[cls.code]
        page = await portal.get(f"/problems/{cls.code}")
        assert page.status_code == 200
        plain = (
            page.text.replace("<code>", "`")
            .replace("</code>", "`")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
        )
        written = openapi.problems_markdown()
        for text in (told.when, told.do):
            assert text in plain
            assert text in written

    def test_none_is_explained_that_is_gone(self) -> None:
        assert set(EXPLAINED) == {cls.code for cls in openapi.problem_codes()}


class TestSecurity:
    def test_what_is_enough(self) -> None:
        def ways(name: str) -> Any:
            return described(next(one for one in OPERATIONS if one.id == name))["security"]

        assert ways("readMe") == [{"session": []}, {"sessionCookie": []}]
        assert ways("changePassword") == [{"session": []}, {"sessionCookie": [], "web": []}]
        assert ways("enterPassword") == [{"flow": []}, {"flowCookie": [], "web": []}]
        assert ways("startSignIn") == [{}, {"web": []}]
        assert ways("removeFactor") == [{"session": []}, {"sessionCookie": [], "web": []}]
        assert {"session", "sessionCookie", "flow", "flowCookie", "web"} == set(DOCUMENT["components"]["securitySchemes"])

    @every_operation
    def test_repeats(self, operation: Operation) -> None:
        """Each write takes Idempotency-Key, but for signing out, which may be repeated anyway."""
        named = {one["name"] for one in described(operation).get("parameters", ())}
        wanted = operation.method != "GET" and operation.id not in {
            "signOut",
            "inspectLink",
            "receiveCallback",
            "receiveSocialForm",
        }
        assert ("Idempotency-Key" in named) == wanted

    def test_what_a_step_up_is_for_is_sent_along(self) -> None:
        """STP-2: with the calls that ask for one, and no others."""
        taking = {
            one.id for one in OPERATIONS if "Latchkey-Step-Up" in {each["name"] for each in described(one).get("parameters", ())}
        }
        contacts = {"addIdentifier", "makePrimary", "removeIdentifier", "startContactChange"}
        elsewhere = {"linkIdentity", "unlinkIdentity"}
        assert taking == {"addFactor", "removeFactor", "endSession", "endOtherSessions", "changePassword"} | contacts | elsewhere

    def test_what_has_versions(self) -> None:
        """RFC 9110: whoever reads it is given an ETag, and whoever changes it says which one was seen."""
        change, read = operation("changeMe"), operation("readMe")
        assert next(one for one in described(change)["parameters"] if one["name"] == "If-Match")["required"]
        assert all("ETag" in described(one)["responses"]["200"]["headers"] for one in (change, read))
        assert {"412", "428"} <= set(described(change)["responses"])

    def test_whose_id_it_is(self) -> None:
        def said(name: str) -> str:
            found = described(next(one for one in OPERATIONS if one.id == name))["parameters"]
            return str(next(one["description"] for one in found if one["name"] == "id"))

        assert said("readFactor") == "The factor's `id`"
        assert said("readStepUp") == "The flow's `id`"


class TestGeneratedClients:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        path = tmp_path / "openapi.json"
        path.write_text(json.dumps(DOCUMENT))
        return path

    def test_python(self, source: Path, tmp_path: Path) -> None:
        """openapi-python-client makes a client of it without a warning."""
        tools = Path(sys.executable).parent
        command = ["openapi-python-client", "generate", "--path", source, "--output-path", tmp_path / "client", "--meta", "none"]
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"  # it formats with ruff
        made = run([str(tools / command[0]), *command[1:], "--fail-on-warning"], env={**os.environ, "PATH": path})
        assert made.returncode == 0, made.stdout + made.stderr
        assert "arning" not in made.stdout + made.stderr, made.stdout
        assert (tmp_path / "client" / "api" / "registration" / "start_registration.py").exists()

    def test_typescript(self, source: Path, tmp_path: Path) -> None:
        """openapi-typescript makes types of it without a warning, and the compiler takes them."""
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("openapi-typescript needs npm, which isn't installed here")
        modules = [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", tmp_path, *TYPESCRIPT]
        try:
            installed = run(modules, timeout=120).returncode == 0
        except subprocess.TimeoutExpired:
            installed = False
        if not installed:
            pytest.skip("openapi-typescript can't be installed here: npm reaches no registry in time")
        made = run([tmp_path / "node_modules/.bin/openapi-typescript", source, "-o", tmp_path / "api.ts"])
        assert made.returncode == 0, made.stdout + made.stderr
        assert "arn" not in made.stdout + made.stderr, made.stdout + made.stderr
        checked = run([tmp_path / "node_modules/.bin/tsc", "--noEmit", "--strict", tmp_path / "api.ts"])
        assert checked.returncode == 0, checked.stdout
        assert "startRegistration" in (tmp_path / "api.ts").read_text()


TYPESCRIPT = ("openapi-typescript@7.13.0", "typescript@5.9.3")


def run(command: list[Any], *, timeout: float = 120, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=timeout, check=False, env=env)
