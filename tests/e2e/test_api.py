"""The public surface as a whole: headers, bad input, limits, logs; through HTTP alone."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from testkit.stack import PASSWORD, Product, new_email, person


class TestHeaders:
    ROUTES = (("GET", "/demo/sign-in"), ("GET", "/demo/account"), ("GET", "/demo/nothing"), ("GET", "/v1/session"), ("GET", "/v1/openapi.json"),
              ("POST", "/v1/apps/demo/registrations"), ("POST", "/demo/sign-in"), ("GET", "/go/demo"), ("PUT", "/demo/sign-in"),
              ("GET", "/demo/l/" + "x" * 43), ("GET", "/problems/link_used"), ("DELETE", "/v1/session"))  # fmt: skip

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_on_every_answer(self, product: Product, http: httpx.Client, method: str, path: str) -> None:
        """WEB-10, WEB-11, LNK-8: pages, JSON, errors, redirects."""
        answer = http.request(method, path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert re.search(r"script-src 'nonce-[\w-]{20,}' 'strict-dynamic'", policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert len(answer.headers["x-request-id"]) == 32
        assert "strict-transport-security" not in answer.headers, "only where the origin is https"
        if not path.startswith("/v1"):
            assert answer.headers["x-robots-tag"] == "noindex"

    def test_nonces_never_repeat(self, http: httpx.Client) -> None:
        """WEB-10."""
        nonces = {re.search(r"nonce-([\w-]+)", http.get("/demo/help").headers["content-security-policy"])[1] for _ in range(200)}
        assert len(nonces) == 200

    def test_link_page_leaves_no_token_in_the_address(self, http: httpx.Client) -> None:
        """LNK-8: 303 to a clean address, the token in a short-lived cookie."""
        answer = http.get(f"/demo/l/{'t' * 43}", follow_redirects=False)
        assert answer.status_code == 303
        assert re.fullmatch(r"/demo/l\?link=[0-9a-f]{12}", answer.headers["location"])
        assert "t" * 43 not in answer.headers["set-cookie"], "sealed"
        assert "max-age=600" in answer.headers["set-cookie"].lower()

    def test_links_come_from_the_configured_origin(self, product: Product, http: httpx.Client) -> None:
        """REC-8."""
        mira = person(product, http)
        body = {"identifiers": {"email": mira.email}, "password": PASSWORD, "client": "api"}
        answer = http.post(
            "/v1/apps/demo/registrations", json=body, headers={"Host": "evil.test", "X-Forwarded-Host": "evil.test"}
        )
        mira.take(answer)
        assert f"{product.origin}/demo/l/" in mira.mail()["text"]
        assert "evil.test" not in mira.mail()["text"]

    @pytest.mark.parametrize(
        "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "{{7*7}}", "%(x)s"]
    )
    def test_reflected_fields_are_inert(self, product: Product, http: httpx.Client, text: str) -> None:
        """WEB-10, WEB-14."""
        web = httpx.Client(base_url=product.origin, trust_env=False, headers={"Origin": product.origin}, follow_redirects=True)
        token = re.search(r'name="csrf" value="(\w+)"', web.get("/demo/sign-up").text)[1]
        page = web.post("/demo/sign-up", data={"csrf": token, "email": text, "given_name": text, "password": "x"}).text
        assert text not in page or not set(text) & set("<>\"'")
        assert "49" not in re.findall(r'value="([^"]*)"', page)


class TestLanguage:
    def test_messages_in_the_language_asked_for(self, http: httpx.Client) -> None:
        """docs/openapi.json: next to the field, also for programs that pass it on to people."""
        body = {"identifiers": {"email": new_email()}, "password": "short", "client": "api"}
        answer = http.post("/v1/apps/demo/registrations", json=body, headers={"Accept-Language": "de"})
        assert answer.json()["errors"][0]["message"] == "Nehmen Sie 15 Zeichen oder mehr."
        assert answer.json()["errors"][0]["code"] == "password_too_short"


# (application, whose database, the language that a flow is kept with)
STARTS = {
    "registrations": ("demo", "identity", "SELECT language FROM registration_attempt WHERE id = %s"),
    "username-reminders": ("calls", "recovery", "SELECT language FROM request WHERE id = %s"),
    "password-resets": ("demo", "recovery", "SELECT language FROM request WHERE id = %s"),
    "total-loss-recoveries": ("lost", "recovery", "SELECT language FROM total_loss_case WHERE id = %s"),
}


def begin(http: httpx.Client, path: str, email: str, headers: dict[str, str] | None = None, **more: str) -> httpx.Response:
    body = {
        "registrations": {"identifiers": {"email": email}, "password": PASSWORD},
        "username-reminders": {"email": email},
        "password-resets": {"identifier": email},
        "total-loss-recoveries": {"identifier": email, "email": email},
        "sign-ins": {"identifier": email},
    }[path]
    app = STARTS[path][0] if path in STARTS else "demo"
    return http.post(f"/v1/apps/{app}/{path}", json={**body, **more, "client": "api"}, headers=headers)


class TestLanguageOfStarts:
    @pytest.mark.parametrize("path", STARTS)
    @pytest.mark.parametrize(
        ("more", "accept", "language"),
        [
            ({}, None, "en"),
            ({"language": "fr"}, "de", "fr"),
            ({"language": "de-AT"}, None, "de"),
            ({}, "xx, de_DE ; q = 0.9, en;q=0", "de"),
        ],
    )
    def test_as_asked_for(
        self, product: Product, http: httpx.Client, path: str, more: dict[str, str], accept: str | None, language: str
    ) -> None:
        """`language`, else Accept-Language, else the application's own."""
        answer = begin(http, path, new_email(), {"Accept-Language": accept} if accept else {}, **more)
        assert answer.status_code == 202
        _, service, kept = STARTS[path]
        assert product.rows(service, kept, answer.json()["id"]) == [(language,)]

    @pytest.mark.parametrize("path", [*STARTS, "sign-ins"])
    def test_one_that_is_not_spoken(self, http: httpx.Client, path: str) -> None:
        answer = begin(http, path, new_email(), language="nl")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "/language")

    def test_account_exists_speaks_the_language_of_the_page_that_asked(self, product: Product, http: httpx.Client) -> None:
        """REG-1."""
        mira = person(product, http).activate()
        product.move_clock(21)
        begin(http, "registrations", mira.email, {"Accept-Language": "de"})
        product.wait_mails(mira.email, 1, subject="Sie haben")


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "kind", "status", "code"),
        [
            (b"{", "application/json", 400, "malformed_request"),
            (b"\xff\xfe", "application/json", 400, "malformed_request"),
            (b"{}", "text/plain", 415, "unsupported_media_type"),
            (b"{}", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
            (b"{" + b" " * 70_000 + b"}", "application/json", 413, "body_too_large"),
            (b'{"a":1,"a":2}', "application/json", 400, "malformed_request"),
            (b"[]", "application/json", 422, "validation_failed"),
            (b"null", "application/json", 422, "validation_failed"),
            (b'{"identifier": 5}', "application/json", 422, "validation_failed"),
            (b'{"identifier": "a\\u0000b"}', "application/json", 422, "validation_failed"),
            (b'{"unknown": 1}', "application/json", 422, "validation_failed"),
            (b'{"identifier": "' + b"a" * 400 + b'"}', "application/json", 422, "validation_failed"),
            (b"[" * 30_000, "application/json", 400, "malformed_request"),
        ],
    )
    def test_bodies(self, http: httpx.Client, content: bytes, kind: str, status: int, code: str) -> None:
        """API-2: 4xx with the field's name, never a 5xx."""
        answer = http.post("/v1/apps/demo/sign-ins", content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        if code == "validation_failed":
            assert all(
                (one["field"].startswith("/") or content in {b"[]", b"null"}) and one["message"]
                for one in answer.json()["errors"]
            )

    def test_methods_and_parameters(self, http: httpx.Client) -> None:
        """API-2."""
        assert http.put("/v1/apps/demo/sign-ins", json={}).status_code == 405
        assert http.request("TRACE", "/v1/session").status_code == 405
        assert http.get("/v1/apps/demo?a=1&a=2").status_code == 400
        assert http.get("/v1/apps/nobody").status_code == 404
        assert http.get(f"/v1/apps/demo/registrations/{uuid4()}").json()["code"] == "not_found"
        assert http.get("/v1/apps/demo/registrations/1").status_code == 404

    def test_openapi_is_valid(self, http: httpx.Client) -> None:
        document = http.get("/v1/openapi.json").json()
        assert document["openapi"].startswith("3.1")
        validate(document)

    def test_errors_hold_no_internals(self, http: httpx.Client) -> None:
        """LOG-2."""
        text = http.post(
            "/v1/apps/demo/registrations", json={"identifiers": {"email": "x" * 300}, "password": "secret words here"}
        ).text
        assert "Traceback" not in text
        assert "secret words here" not in text
        assert "x" * 300 not in text

    def test_everything_that_openapi_allows_and_much_more(self, product: Product, http: httpx.Client) -> None:
        """API-2: schemathesis over the OpenAPI document: no 5xx whatever is sent."""
        schema = schemathesis.openapi.from_dict(http.get("/v1/openapi.json").json())
        worst: list[str] = []
        operations = list(schema.get_all_operations())
        assert len(operations) > 20
        product.move_clock(60)
        for result in operations:

            @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
            @given(case=result.ok().as_strategy())
            def attempt(case: schemathesis.Case) -> None:
                if "app" in case.path_parameters:  # an application that there is, so that what is behind it is reached
                    case.path_parameters["app"] = "demo"
                answer = case.call(base_url=product.origin)
                if answer.status_code >= 500 and answer.status_code != 503:
                    worst.append(f"{case.method} {case.path} -> {answer.status_code}")

            attempt()
        product.move_clock(60)
        assert not worst, worst[:5]


class TestIdempotency:
    def test_twenty_at_once_have_one_effect(self, product: Product, http: httpx.Client) -> None:
        """API-4, E19."""
        email, key = new_email(), str(uuid4())
        body = {"identifiers": {"email": email}, "password": PASSWORD, "client": "api"}

        def send(_number: int) -> tuple[int, str, str]:
            with product.client() as client:
                answer = client.post("/v1/apps/demo/registrations", json=body, headers={"Idempotency-Key": key}, timeout=60)
                return answer.status_code, answer.json().get("id", ""), answer.json().get("flow_token", "")

        with ThreadPoolExecutor(20) as pool:
            answers = set(pool.map(send, range(20)))
        good = {one for one in answers if one[0] == 202}
        assert len(good) == 1
        assert {one[0] for one in answers} <= {202, 503}
        product.secrets.add(next(iter(good))[2])
        product.wait_mails(email)
        product.wait_quiet(seconds=30)
        assert len(product.mails(email)) == 1

    def test_another_body_under_the_same_key(self, product: Product, http: httpx.Client) -> None:
        key = str(uuid4())
        mira = person(product, http).activate()
        fresh = person(product, http, mira.email)
        fresh.begin_sign_in()
        path = f"/sign-ins/{fresh.flow['id']}/password"
        first = fresh.post(path, {"password": PASSWORD}, **{"Idempotency-Key": key})
        again = fresh.post(path, {"password": PASSWORD}, **{"Idempotency-Key": key})
        fresh.take(first)
        assert first.json() == again.json()
        other = fresh.post(path, {"password": "another password altogether"}, **{"Idempotency-Key": key})
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


class TestNetwork:
    def test_forwarded_addresses_of_strangers_count_for_nothing(self, product: Product, http: httpx.Client) -> None:
        """THR-4."""
        mira = person(product, http).activate()
        mira.begin_sign_in()
        answer = mira.post(
            f"/sign-ins/{mira.flow['id']}/password",
            {"password": PASSWORD},
            **{"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9"},
        )
        mira.take(answer)
        sessions = http.get("/v1/me/sessions", headers=mira.bearer).json()["items"]
        assert sessions[0]["ip"] == "127.0.0.1"


class TestLogs:
    def lines(self, product: Product) -> list[dict]:
        found = []
        for child in product.stack.children.values():
            if child.name != "inbox":
                found += [json.loads(line) for line in child.log.read_text().splitlines()]
        return found

    def test_every_line_is_json_with_the_same_head(self, product: Product, http: httpx.Client) -> None:
        """LOG-1, LOG-3."""
        person(product, http).activate().sign_in()
        for line in self.lines(product):
            assert {"event", "level", "timestamp", "service"} <= set(line)

    def test_the_story_of_a_sign_in(self, product: Product, http: httpx.Client) -> None:
        """LOG-1: names of the OWASP vocabulary with results and pseudonymous ids."""
        mira = person(product, http).activate()
        mira.sign_in("not the password at all")
        mira.sign_in()
        http.delete("/v1/session", headers=mira.bearer)
        account = str(product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", mira.email)[0][0])
        names = [(line["event"], line.get("result")) for line in self.lines(product) if line.get("account_id") == account]
        for wanted in (("user_created", "success"), ("user_updated", "success"), ("session_created", "success"),
                       ("authn_login_success", "success"), ("authn_token_revoked", "success")):  # fmt: skip
            assert wanted in names
        assert ("authn_login_fail", "fail") in [(line["event"], line.get("result")) for line in self.lines(product)]

    def test_nothing_personal(self, product: Product, http: httpx.Client) -> None:
        """LOG-2: no address, name or number that anybody typed."""
        mira = person(product, http)
        mira.register(profile={"given_name": "Quillon-Zebedee"})
        mira.confirm()
        text = "".join(child.log.read_text() for child in product.stack.children.values() if child.name != "inbox")
        assert mira.email not in text
        assert "posteo.example" not in text
        assert "Quillon" not in text
        assert "/demo/l/" not in text

    @pytest.mark.parametrize("text", ["a\r\nfake", "\x1b[31mred", "\u2028line"])
    def test_injection(self, product: Product, http: httpx.Client, text: str) -> None:
        """LOG-3: in a name and in a header."""
        http.post("/v1/apps/demo/sign-ins", json={"identifier": text, "client": "api"})
        http.get("/demo/sign-in", headers={"User-Agent": text.encode("utf-8").replace(b"\r\n", b" ")})
        self.lines(product)
