"""What is asked of each provider, and what of its words is believed: pure functions."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from identity.linked.rules import Newcomer
from identity.social import claims, protocol
from identity.social.protocol import Expected, Secrets, Wrong
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from latchkey_contracts.configuration import SocialProvider
from latchkey_contracts.configuration.social import TEMPLATES

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
KEY = RSAKey.generate_key(2048, auto_kid=True)
MORE = {"apple": {"team_id": "ABCDE12345", "key_id": "FGHIJ67890"}, "oidc": {"issuer": "https://login.example.org"}}


def provider(template: str, **more: object) -> SocialProvider:
    head = {"name": template, "template": template, "client_id": "a client", "client_secret_file": "secret"}
    return SocialProvider.model_validate({**head, **MORE.get(template, {}), **more})


def discovery(one: SocialProvider, **changes: object) -> dict[str, object]:
    origin = one.origins[0]
    found = {
        "issuer": one.identified_by,
        "authorization_endpoint": f"{origin}/authorize",
        "token_endpoint": f"{origin}/token",
        "jwks_uri": f"{origin}/jwks",
    }
    return {name: value for name, value in {**found, **changes}.items() if value is not None}


class TestOut:
    @pytest.mark.parametrize("template", [name for name in TEMPLATES if name != "local"])
    def test_each_with_pkce_and_state(self, template: str) -> None:
        one = provider(template)
        endpoints = protocol.read_discovery(discovery(one), one) if one.known.openid else protocol.fixed(one)
        secrets = Secrets.of(b"k" * 32, "state")
        url = protocol.authorization_url(one, endpoints, secrets, "https://id.example/cb", fresh=False, language="de")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["state"] == "state"
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["code_challenge"]) == 43
        assert ("nonce" in asked) == one.known.openid
        assert asked.get("response_mode") == ("form_post" if template == "apple" else None)
        assert secrets.verifier not in url

    def test_secrets_follow_from_the_state_alone(self) -> None:
        one, two = Secrets.of(b"k" * 32, "one"), Secrets.of(b"k" * 32, "two")
        assert Secrets.of(b"k" * 32, "one") == one
        assert len({one.nonce, one.verifier, two.nonce, two.verifier}) == 4

    def test_apple_s_secret_is_signed_with_its_key(self) -> None:
        key = ECKey.generate_key("P-256")
        made = protocol.apple_secret(provider("apple"), key.as_pem(private=True).decode(), NOW)
        read = jwt.decode(made, key, algorithms=["ES256"])
        assert read.header["kid"] == "FGHIJ67890"
        assert read.claims == {
            "iss": "ABCDE12345",
            "iat": AT,
            "exp": AT + 300,
            "aud": "https://appleid.apple.com",
            "sub": "a client",
        }
        with pytest.raises(Wrong):
            protocol.apple_secret(provider("apple"), "no key", NOW)

    def test_a_secret_in_the_header_is_encoded(self) -> None:
        """RFC 6749 §2.3.1."""
        one = provider("oidc", client_id="a:b")
        endpoints = protocol.read_discovery(discovery(one), one)
        headers, body = protocol.token_request(
            one, endpoints, "p%q", code="c", verifier="v", redirect_uri="https://id.example/cb"
        )
        from base64 import b64decode

        assert b64decode(headers["Authorization"].removeprefix("Basic ")) == b"a%3Ab:p%25q"
        assert b"p%q" not in body


class TestDiscovery:
    @pytest.mark.parametrize(
        "changes",
        [
            {"issuer": "https://elsewhere.example"},
            {"issuer": None},
            {"token_endpoint": "https://169.254.169.254/latest"},
            {"token_endpoint": "http://login.example.org/token"},
            {"jwks_uri": "https://login.example.org:8443/jwks"},
            {"jwks_uri": "https://login.example.org@elsewhere.example/jwks"},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"authorization_endpoint": None},
            {"userinfo_endpoint": 7},
        ],
    )
    def test_what_is_not_where_it_should_be(self, changes: dict[str, object]) -> None:
        one = provider("oidc")
        with pytest.raises(Wrong):
            protocol.read_discovery(discovery(one, **changes), one)

    @pytest.mark.parametrize("document", [None, [], "x", 7])
    def test_nonsense(self, document: object) -> None:
        with pytest.raises(Wrong):
            protocol.read_discovery(document, provider("oidc"))


class TestIdToken:
    def read(self, one: SocialProvider, **changes: object) -> object:
        endpoints = protocol.read_discovery(
            discovery(
                one,
                issuer="https://login.microsoftonline.com/{tenantid}/v2.0" if one.template == "microsoft" else one.identified_by,
            ),
            one,
        )
        said = {"iss": one.identified_by, "sub": "1", "aud": "a client", "iat": AT, "exp": AT + 300, "nonce": "n", **changes}
        token = jwt.encode(
            {"alg": "RS256", "kid": KEY.kid}, {name: value for name, value in said.items() if value is not None}, KEY
        )
        return protocol.read_id_token(token, KeySet([KEY]), one, endpoints, Expected("n", "access", NOW))

    def test_of_microsoft_s_tenants_each_is_an_issuer(self) -> None:
        one = provider("microsoft")
        issuer = f"https://login.microsoftonline.com/{TENANT}/v2.0"
        assert self.read(one, iss=issuer, tid=TENANT)["iss"] == issuer
        for tid in (None, "consumers", "../x", 7):
            with pytest.raises(Wrong):
                self.read(one, iss=issuer, tid=tid)

    @pytest.mark.parametrize(
        "changes",
        [{"sub": ""}, {"sub": 7}, {"sub": "x" * 256}, {"aud": ["a client", "b"]}, {"aud": None}, {"exp": "soon"}, {"exp": AT - 61}, {"iat": AT + 61}, {"nonce": ["n"]}],
    )  # fmt: skip
    def test_refused(self, changes: dict[str, object]) -> None:
        with pytest.raises(Wrong):
            self.read(provider("oidc"), **changes)

    def test_several_audiences_with_us_as_the_one_it_is_for(self) -> None:
        assert self.read(provider("oidc"), aud=["a client", "b"], azp="a client")

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.", "ey.ey.ey", "." * 1000])
    def test_no_token_at_all(self, token: str) -> None:
        one = provider("oidc")
        endpoints = protocol.read_discovery(discovery(one), one)
        with pytest.raises(Wrong):
            protocol.read_id_token(token, KeySet([KEY]), one, endpoints, Expected("n", "a", NOW))


class TestClaims:
    @pytest.mark.parametrize(
        ("template", "said", "proven"),
        [
            ("google", {"email": "a@gmail.com", "email_verified": True}, True),
            ("google", {"email": "a@posteo.example", "email_verified": True}, False),
            ("google", {"email": "a@posteo.example", "email_verified": True, "hd": "posteo.example"}, True),
            ("apple", {"email": "a@privaterelay.appleid.com", "email_verified": "true"}, True),
            ("apple", {"email": "a@posteo.example", "email_verified": "false"}, False),
            ("oidc", {"email": "a@posteo.example", "email_verified": 1}, False),
            ("oidc", {"email": "a@posteo.example"}, False),
            ("oidc", {"email_verified": True}, False),
            ("oidc", {"email": "no address", "email_verified": True}, False),
        ],
    )
    def test_whose_word_about_an_address_counts(self, template: str, said: dict[str, object], proven: bool) -> None:
        one = provider(template, authoritative=True)
        head = {"iss": one.identified_by, "sub": "1"}
        assert claims.of_openid(one, {**head, **said}, None).proven is proven
        assert not claims.of_openid(one.model_copy(update={"authoritative": False}), {**head, **said}, None).proven

    def test_apple_s_name_comes_beside_it_once(self) -> None:
        user = json.dumps({"name": {"firstName": "Noor\n", "lastName": "Haddad" * 50}})
        found = claims.of_openid(provider("apple"), {"iss": "i", "sub": "1"}, user)
        assert found.given_name == "Noor"
        assert len(found.family_name or "") == 100
        for nonsense in ("", "[]", "{", '{"name": 7}', '{"name": null}'):
            assert claims.of_openid(provider("apple"), {"iss": "i", "sub": "1"}, nonsense).given_name is None

    def test_github(self) -> None:
        one = provider("github", authoritative=True)
        emails = [
            {"email": "old@posteo.example", "verified": True, "primary": False},
            {"email": "a@posteo.example", "verified": True, "primary": True},
        ]
        found = claims.of_github(one, {"id": 583231, "login": "noor", "name": "Noor Al Haddad"}, emails)
        assert found == Newcomer("github", "https://github.com", "583231", "a@posteo.example", True, "Noor Al", "Haddad", "noor")
        assert claims.of_github(one, {"id": "583231"}, emails) is None
        assert claims.of_github(one, {"id": True}, emails) is None
        unverified = claims.of_github(one, {"id": 1}, [{"email": "a@posteo.example", "verified": "yes", "primary": True}])
        assert unverified is not None
        assert not unverified.proven

    def test_facebook_is_never_believed(self) -> None:
        found = claims.of_facebook(provider("facebook"), {"id": "1", "email": "a@posteo.example", "first_name": "Noor"})
        assert found is not None
        assert (found.email, found.proven, found.subject) == ("a@posteo.example", False, "1")
        assert claims.of_facebook(provider("facebook"), ["1"]) is None
