"""The file of providers: every mistake with its place, no value of it repeated, nothing readable on the way in production."""

import base64
from pathlib import Path

import pytest
from notifier.channels import providers
from notifier.channels.chain import Chain
from notifier.channels.smtp_server import Times
from servicekit.clock import Clock

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
GOOD = f"""
[[provider]]
name = "mail"
kind = "smtp"
url = "smtps://user:hunter2@mail.example"

[[provider]]
name = "twilio"
kind = "twilio"
account_sid = "AC{"0" * 32}"
auth_token = "hunter2"
from = "+15005550006"

[[provider]]
name = "other"
kind = "https"
channels = ["sms"]
url = "https://sms.example/send"
secret = "{SECRET}"
"""


@pytest.fixture
def read(tmp_path: Path):
    def make(text: str, *, production: bool = True):
        path = tmp_path / "providers.toml"
        path.write_text(text)
        return providers.read(path, production=production)

    return make


class TestGood:
    async def test_in_the_order_of_the_file(self, read):
        chain = Chain([one.make(Clock(), "id.example") for one in read(GOOD)], Clock())
        assert chain.channels() == {"email", "sms", "voice"}
        assert [one.name for one in chain.order("sms")] == ["twilio", "other"]
        assert [one.name for one in chain.order("sms", ["other", "twilio"])] == ["other", "twilio"]
        assert [one.name for one in chain.order("voice")] == ["twilio"]
        await chain.close()


class TestMailServer:
    """RFC 5321 §4.5.3.2: how long each step may take, by the file's own lines or the address; EHLO likewise."""

    def test_what_nobody_says(self, read):
        (mail, *_) = read(GOOD)
        assert (mail.server().times, mail.server().ehlo) == (Times(step=60, content=120, patience=4), None)

    def test_by_the_address(self, read):
        query = "?ehlo=mx.elmstead.example&step_seconds=30&content_seconds=90&patience_seconds=2"
        (mail, *_) = read(GOOD.replace("mail.example", f"mail.example{query}", 1))
        assert (mail.server().times, mail.server().ehlo) == (Times(step=30, content=90, patience=2), "mx.elmstead.example")

    def test_by_lines_of_their_own(self, read):
        lines = 'ehlo = "mx.elmstead.example"\nstep_seconds = 30\ntimeout_seconds = 90\nconnect_seconds = 2\n'
        (mail, *_) = read(GOOD.replace('kind = "smtp"\n', f'kind = "smtp"\n{lines}', 1))
        assert (mail.server().times, mail.server().ehlo) == (Times(step=30, content=90, patience=2), "mx.elmstead.example")


class TestBad:
    @pytest.mark.parametrize(
        ("old", "new", "place"),
        [
            ('name = "mail"', 'name = "Mail!"', "name"),
            ('kind = "smtp"', 'kind = "pigeon"', "kind"),
            ('from = "+15005550006"', 'from = "nobody"', "from"),
            ('channels = ["sms"]', "channels = []", "channels"),
            (SECRET, "whsec_hunter2", "secret"),
            ('name = "other"', 'name = "mail"', "mail stands there 2 times"),
            ("smtps://user:hunter2@", "smtp://user:hunter2@mail.example?starttls=never#", "mail: its address must be encrypted"),
            ("https://sms.example", "http://sms.example", "other: its address must be encrypted"),
            ("mail.example", "mail.example?step_seconds=0", "provider.0.smtp.url"),
            ("mail.example", "mail.example?retries=3", "knows no retries"),
            ("mail.example", "mail.example:hunter2", "its port must be a number"),
            ("smtps://", "https://", "must be smtp://host or smtps://host"),
            ("[[provider]]", "[[provider]", "is not TOML"),
            ('from = "+15005550006"', 'from = "+15005550006"\nfrom_name = "x"', "from_name"),
        ],
    )
    def test_told_with_its_place_and_without_its_value(self, read, old: str, new: str, place: str):
        with pytest.raises(ValueError, match=r".") as caught:
            read(GOOD.replace(old, new, 1))
        assert place in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_a_file_that_is_not_there(self, tmp_path: Path):
        with pytest.raises(ValueError, match="can't be read"):
            providers.read(tmp_path / "none.toml", production=False)

    def test_in_development_anything_goes(self, read):
        assert len(read(GOOD.replace("smtps://user:hunter2@mail.example", "smtp://127.0.0.1:1025"), production=False)) == 3
