"""Every registered status code at every step: about the mailbox, or about us (REL-7, REL-8, REL-16)."""

import pytest
from notifier.channels.base import Refused, Transient
from notifier.channels.refusals import CODES, About, enhanced, refusal

# What ends a message: the recipient's mailbox, address or domain, and nothing else (RFC 3463 §3.2, §3.3; RFC 7293; RFC 7505).
OF_THE_MAILBOX = {
    "1.0", "1.1", "1.2", "1.3", "1.4", "1.6", "1.10", "2.0", "2.1", "2.2", "2.3", "2.4", "7.2", "7.17", "7.18",
}  # fmt: skip
# What is everybody's trouble with this provider, once recipient and content are said.
OF_US_ALL = {
    "1.5", "3.0", "3.1", "3.2", "3.3", "3.5", "4.5", "5.6", "7.0", "7.1", "7.3", "7.4", "7.5", "7.6", "7.8", "7.9", "7.10",
    "7.11", "7.12", "7.13", "7.14", "7.19", "7.25", "7.28", "7.29", "7.30",
}  # fmt: skip


def ends(step: str, code: int, text: str) -> bool:
    return isinstance(refusal(step, code, text), Refused)  # type: ignore[arg-type]


class TestEveryCode:
    def test_the_registry_is_whole(self):
        """IANA: subject and the number of its details, with X.0."""
        counts: dict[str, int] = {}
        for one in CODES:
            counts[one.split(".")[0]] = counts.get(one.split(".")[0], 0) + 1
        assert counts == {"0": 1, "1": 11, "2": 5, "3": 7, "4": 8, "5": 7, "6": 11, "7": 31}

    @pytest.mark.parametrize("code", CODES)
    def test_at_the_recipient_and_after_the_content(self, code: str):
        for step, digits in (("recipient", 550), ("content", 554)):
            if code == "0.0":
                continue  # says nothing: the digits do
            found = refusal(step, digits, f"5.{code} words of the server")  # type: ignore[arg-type]
            assert isinstance(found, Refused) == (code in OF_THE_MAILBOX), (step, found)
            assert getattr(found, "down", False) == (code in OF_US_ALL), (step, found)
            assert str(found) == f"smtp {digits} 5.{code}"

    @pytest.mark.parametrize("code", CODES)
    def test_later_is_later(self, code: str):
        for step in ("sender", "recipient", "content"):
            assert isinstance(refusal(step, 451, f"4.{code} words"), Transient)  # type: ignore[arg-type]

    @pytest.mark.parametrize("code", CODES)
    def test_no_mailbox_is_spoken_of_before_the_recipient_was_named(self, code: str):
        started = refusal("start", 554, f"5.{code} words")
        assert isinstance(started, Transient)
        assert (started.down, started.at_once) == (True, True)
        sender = refusal("sender", 550, f"5.{code} words")
        assert isinstance(sender, Transient)
        ours = {one for one in OF_US_ALL if CODES[one][0] == About.SYSTEM} | {"5.6", *(f"7.{n}" for n in range(8, 15))}
        assert sender.down == (code in ours)


class TestWithoutACode:
    """RFC 5321 §4.3.2: which replies belong to which step."""

    @pytest.mark.parametrize(
        ("digits", "mailbox"),
        [(550, True), (551, True), (552, True), (553, True), (556, True), (503, False), (554, False), (555, False)],
    )
    def test_at_the_recipient(self, digits: int, mailbox: bool):
        assert ends("recipient", digits, "no") == mailbox

    @pytest.mark.parametrize("digits", [500, 550, 551, 552, 553, 554])
    def test_after_the_content(self, digits: int):
        assert not ends("content", digits, "no")

    @pytest.mark.parametrize("digits", [454, 530, 534, 535, 538])
    @pytest.mark.parametrize("step", ["sender", "recipient", "content"])
    def test_our_login(self, step: str, digits: int):
        """RFC 4954 §6."""
        found = refusal(step, digits, "5.7.0 log in first")  # type: ignore[arg-type]
        assert isinstance(found, Transient)
        assert found.down


class TestReading:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("5.7.1 <x>: blocked", "7.1"),
            ("5.7.1", "7.1"),
            (" 5.1.10 null MX", "1.10"),
            ("5.7.1<x>", None),
            ("5.7.999 new", "7.0"),
            ("5.42.1 newer", "0.0"),
            ("no such user 5.1.1", None),
            ("10.0.0.1 is blocked", None),
            ("", None),
        ],
    )
    def test_only_at_the_beginning(self, text: str, code: str | None):
        """RFC 2034 §4: the code stands first; an unregistered one is its subject's general one."""
        assert enhanced(text) == code
