"""The SMTP provider against real servers: TLS in both forms, login, and every kind of trouble told apart (REL-7, REL-8)."""

import asyncio
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from notifier.channels.base import Mail, Refused, Transient, Unknown
from notifier.channels.smtp import SmtpProvider
from notifier.channels.smtp_server import SmtpServer, Times
from servicekit.clock import Clock

from ..mail_servers import Server, start

__all__ = ["start"]

MAIL = Mail("m-1", "Elmstead", "account@elmstead.example", "mira@posteo.example", "Hello", "text\n", "<p>text</p>", "en")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Self-made: nobody vouches for it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def smtp(url: str, *, ehlo: str = "id.elmstead.example") -> SmtpProvider:
    server = replace(SmtpServer.of(url), times=Times(step=2, content=1.5, patience=1))
    return SmtpProvider(server, clock=Clock(), ehlo=ehlo)


async def hand(provider: SmtpProvider, mail: Mail = MAIL, *, hurry: bool = True, expires_in: float = 3600) -> None:
    await provider.send(mail, callback_url="", expires_in=expires_in, hurry=hurry)


async def send(url: str, count: int = 1, mail: Mail = MAIL) -> None:
    provider = smtp(url)
    try:
        for _ in range(count):
            await hand(provider, mail)
    finally:
        await provider.close()


class TestSends:
    async def test_plain(self, start):
        server = Server()
        await send(f"smtp://127.0.0.1:{start(server)}", 3)
        assert [one.rcpt_tos for one in server.taken] == [["mira@posteo.example"]] * 3
        assert b"Message-ID: <m-1@elmstead.example>" in server.taken[0].content

    async def test_starttls(self, start, certificate: ssl.SSLContext):
        """RFC 3207."""
        server = Server()
        await send(f"smtp://127.0.0.1:{start(server, tls_context=certificate)}?starttls=require&verify=off")
        assert server.tls == [True]

    async def test_tls_from_the_first_byte(self, start, certificate: ssl.SSLContext):
        """RFC 8314."""
        server = Server()
        await send(f"smtps://127.0.0.1:{start(server, ssl_context=certificate)}?verify=off")
        assert len(server.taken) == 1

    async def test_login(self, start, certificate: ssl.SSLContext):
        """RFC 4954."""
        server, seen = Server(), []

        def authenticator(_server, _session, _envelope, _mechanism, data: LoginPassword) -> AuthResult:
            seen.append(data)
            return AuthResult(success=data == LoginPassword(b"mailer", b"s3cret/word"), handled=data.login != b"mailer")

        options = {"tls_context": certificate, "authenticator": authenticator, "auth_required": True}
        port = start(server, **options)
        await send(f"smtp://mailer:s3cret%2Fword@127.0.0.1:{port}?starttls=require&verify=off")
        assert len(server.taken) == 1
        with pytest.raises((Transient, Refused)):
            await send(f"smtp://mailer:wrong@127.0.0.1:{port}?starttls=require&verify=off")
        assert len(server.taken) == 1


class TestAddressesBeyondAscii:
    """REG-6, RFC 6531: whoever registers with one must not stop anybody else's mail."""

    @pytest.mark.parametrize("smtputf8", [True, False])
    async def test_a_domain_goes_as_its_a_label(self, start, smtputf8: bool):
        server = Server()
        url = f"smtp://127.0.0.1:{start(server, enable_SMTPUTF8=smtputf8)}"
        await send(url, mail=replace(MAIL, to="mira@Bücher.example"))
        (one,) = server.taken
        assert (one.rcpt_tos, one.smtp_utf8) == (["mira@xn--bcher-kva.example"], False)
        assert b"To: mira@xn--bcher-kva.example" in one.original_content

    @pytest.mark.parametrize("query", ["", "?starttls=never"])
    async def test_a_mailbox_by_smtputf8(self, start, query: str):
        server = Server()
        await send(f"smtp://127.0.0.1:{start(server)}{query}", mail=replace(MAIL, to="josé@bücher.example"))
        (one,) = server.taken
        assert (one.rcpt_tos, one.smtp_utf8) == (["josé@xn--bcher-kva.example"], True)

    @pytest.mark.parametrize("to", ["josé@posteo.example", "mira@\u2028.example"])
    async def test_what_this_server_cant_write_to_is_refused_alone(self, start, to: str):
        server = Server()
        provider = smtp(f"smtp://127.0.0.1:{start(server, enable_SMTPUTF8=False)}")
        with pytest.raises(Refused):
            await hand(provider, replace(MAIL, to=to))
        await hand(provider)
        await provider.close()
        assert [one.rcpt_tos for one in server.taken] == [["mira@posteo.example"]]


class TestTrouble:
    async def test_a_server_without_tls_where_it_is_required(self, start):
        """Nothing leaves in clear; it may be offered again later."""
        server = Server()
        with pytest.raises(Transient):
            await send(f"smtp://127.0.0.1:{start(server)}?starttls=require")
        assert server.taken == []

    async def test_a_certificate_that_nobody_vouches_for(self, start, certificate: ssl.SSLContext):
        server = Server()
        with pytest.raises(Transient):
            await send(f"smtp://127.0.0.1:{start(server, tls_context=certificate)}?starttls=require")
        assert server.taken == []

    @pytest.mark.parametrize(
        ("at", "answer", "kind", "down"),
        [
            ("rcpt", "451 later", Transient, False),
            ("rcpt", "421 busy", Transient, True),
            ("rcpt", "450 4.7.1 grey list", Transient, False),
            ("rcpt", "550 no", Refused, None),
            ("rcpt", "550 5.1.1 no such user", Refused, None),
            ("rcpt", "554 no", Transient, True),
            ("rcpt", "554 5.7.1 client host blocked", Transient, True),
            ("data", "451 later", Transient, False),
            ("data", "421 busy", Transient, True),
            ("data", "550 no", Transient, True),
            ("data", "550 5.4.5 sending limit exceeded", Transient, True),
            ("data", "550 5.6.0 what is this", Transient, False),
            ("data", "552 5.2.2 mailbox full", Refused, None),
        ],
    )
    async def test_a_no_to_the_mailbox_and_a_no_to_us_are_told_apart(
        self, start, at: str, answer: str, kind: type[Exception], down: bool | None
    ):
        """REL-7, REL-16: only what is about the mailbox ends the message."""
        server = Server()
        setattr(server, at, answer)
        with pytest.raises(kind) as caught:
            await send(f"smtp://127.0.0.1:{start(server)}")
        assert getattr(caught.value, "down", None) is down

    @pytest.mark.parametrize("query", ["", "?starttls=never"])
    @pytest.mark.parametrize("answer", ["421 4.3.2 closing", "504 5.5.2 <localhost>: need a fully-qualified name", "550 go away"])
    async def test_a_no_to_our_greeting_is_known_at_once(self, start, answer: str, query: str):
        """REL-16: the server said itself that it takes nothing of ours; nobody need find it out three times."""
        server = Server()
        server.ehlo = answer
        with pytest.raises(Transient, match=f"smtp {answer[:3]} at the start") as caught:
            await send(f"smtp://127.0.0.1:{start(server)}{query}")
        assert (caught.value.down, caught.value.at_once) == (True, True)

    async def test_a_name_that_can_be_looked_up(self, start):
        """RFC 5321 §4.1.1.1: in a container the machine's own would be localhost."""
        server = Server()
        port = start(server)
        await send(f"smtp://127.0.0.1:{port}")
        await send(f"smtp://127.0.0.1:{port}?ehlo=mail.elmstead.example")
        assert server.named == ["id.elmstead.example", "mail.elmstead.example"]

    async def test_a_slow_server_is_waited_for_where_there_is_no_other(self, start):
        """RFC 5321 §4.5.3.2: each step has its own time; together they may take longer than our patience, here 1 s."""
        server = Server()
        server.slow = 0.7
        provider = smtp(f"smtp://127.0.0.1:{start(server)}")
        with pytest.raises(Transient):
            await hand(provider)
        await hand(provider, hurry=False)
        await provider.close()
        assert len(server.taken) == 1

    async def test_nothing_is_waited_for_beyond_the_messages_time(self, start):
        """EVT-9: a server that takes its time gets no dead code."""
        server = Server()
        server.slow = 0.7
        provider = smtp(f"smtp://127.0.0.1:{start(server)}")
        with pytest.raises(Transient):
            await hand(provider, hurry=False, expires_in=0.5)
        await provider.close()
        assert server.taken == []

    async def test_a_no_to_the_sender_is_about_this_applications_mail(self, start):
        """REL-16: other applications have other senders, so nobody else's mail waits for it; this one waits, or goes another way."""
        server = Server()
        server.sender = "550 who are you"
        with pytest.raises(Transient, match="smtp 550 to the sender") as caught:
            await send(f"smtp://127.0.0.1:{start(server)}")
        assert not caught.value.down

    @pytest.mark.parametrize(("answer", "down"), [("451 later", False), ("421 closing", True), ("530 log in first", True)])
    async def test_trouble_at_the_sender_that_passes(self, start, answer: str, down: bool):
        """Only where the server is going, or wants a login of us, is it everybody's trouble; then nothing is lost."""
        server = Server()
        server.sender = answer
        with pytest.raises(Transient) as caught:
            await send(f"smtp://127.0.0.1:{start(server)}")
        assert caught.value.down is down

    async def test_nobody_there(self, free_port: int):
        with pytest.raises(Transient) as caught:
            await send(f"smtp://127.0.0.1:{free_port}")
        assert caught.value.down

    async def test_a_server_that_says_nothing_is_left_within_the_connect_time(self):
        """E15: what has not left may go by another provider, at once; here after 1 s, by default 4."""
        silent = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        began = time.monotonic()
        with pytest.raises(Transient) as caught:
            await send(f"smtp://127.0.0.1:{silent.sockets[0].getsockname()[1]}")
        assert caught.value.down
        assert time.monotonic() - began < 3
        silent.close()

    async def test_silence_after_the_content(self, start):
        """INV-17: it may well have it."""
        server = Server()
        server.data = "silence"
        with pytest.raises(Unknown):
            await send(f"smtp://127.0.0.1:{start(server)}")

    async def test_cut_while_it_had_the_content(self, start):
        """INV-17: nobody can say whether it went out."""
        server = Server()
        server.data = "cut"
        with pytest.raises(Unknown):
            await send(f"smtp://127.0.0.1:{start(server)}")

    async def test_goes_on_after_trouble(self, start):
        """A connection that saw trouble isn't used again."""
        server = Server()
        provider = smtp(f"smtp://127.0.0.1:{start(server)}")
        server.rcpt = "550 no"
        with pytest.raises(Refused):
            await hand(provider)
        server.rcpt = "250 ok"
        await hand(provider)
        await provider.close()
        assert len(server.taken) == 1


@pytest.fixture
def free_port() -> int:
    from devstack.processes import free_port as find

    return find()
