"""Codes and links out of what people receive, in all five languages; and nothing that only looks like a code."""

import pytest
from devstack.inbox.finder import code_in, link_in
from devstack.inbox.store import Message


def message(channel: str, text: str) -> Message:
    return Message("1", channel, "x", None, text, None, {}, "2026-11-26T14:00:00Z", None)


SMS = [
    ("Elmstead: 482193 is your code for a new password. It works until 14:08. We never ask you for it.", "482193"),
    ("Elmstead: 482193 ist Ihr Code für ein neues Passwort, gültig bis 14:08.", "482193"),
    ("Elmstead : 482 193 est votre code, valable jusqu’à 14:08.", "482 193"),
    ("Elmstead: su código es 4821 9312. Vale hasta las 14:08.", "4821 9312"),
    ("Elmstead: 482193 هو رمزك لكلمة مرور جديدة. صالح حتى 14:08. لا نطلبه منك أبدًا.", "482193"),
    ("Elmstead: code 482193, until 25 November 2026, 14:02.\n@elmstead.example #482193", "482193"),
    ("Call +493415550141 or 2026-11-25. Sum 482193.50. Order a482193. At 14:08.", None),
    ("Elmstead: open https://elmstead.example/demo/l/482193-x until 14:08.", None),
]
CALLS = [
    ("Press 1.\n[1 pressed]\n[pause]\nThis is Elmstead. Your code is: 4, 8, 2, 1, 9, 3. Once more: 4, 8, 2, 1, 9, 3.", "482193"),
    ("[1 pressed]\nIhr Code lautet: 4. 8. 2. [pause] 1. 9. 3. Noch einmal: 4. 8. 2. 1. 9. 3.", "482193"),
    ("[1 pressed]\nVotre code : 4, 8, 2, 1, 9, 3, 7, 5.", "48219375"),
    ("[1 pressed]\nSu código es: 4 8 2\n[pause]\n1 9 3\n[pause]\n4 8 2\n[pause]\n1 9 3", "482193"),
    ("اضغط 1.\n[1 pressed]\nرمزك هو: 4، 8، 2، 1، 9، 3. مرة أخرى: 4، 8، 2، 1، 9، 3.", "482193"),
    ("Press 1.\n[1 pressed]\n4, 8, 2, 1, 9, 3.", "482193"),
    ("[answering machine]\nPress 1 to hear it.\n[no key pressed]", None),
    ("[busy]", None),
]
MAILS = [
    ("Type this code:\n\n482 193\n\nuntil 14:08", "482 193"),
    ("4821 9312\n", "4821 9312"),
    ("Your 482193 within a line", None),
]


class TestCodes:
    @pytest.mark.parametrize(
        ("channel", "text", "code"),
        [(channel, *one) for channel, all_of in (("sms", SMS), ("voice", CALLS), ("email", MAILS)) for one in all_of],
    )
    def test_found(self, channel: str, text: str, code: str | None) -> None:
        """WEB-16, PST-4, OTP-9."""
        assert code_in(message(channel, text)) == code


class TestLinks:
    def test_found(self) -> None:
        assert (
            link_in(message("sms", "Open http://localhost:8080/demo/l/abc-D_1, until 14:08."))
            == "http://localhost:8080/demo/l/abc-D_1"
        )
        assert link_in(message("sms", "https://elmstead.example/help")) is None
