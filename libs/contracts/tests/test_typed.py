"""REG-6, OTP-8, PWD-2: whatever a keyboard, a chat program or a mail puts into what is typed or pasted, it reads the same."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from latchkey_contracts import typed
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.recovery import ReminderRequest, ResetRequest, TotalLossRequest
from latchkey_contracts.http.registration import CodeRequest, Identifiers, NewPasswordRequest
from latchkey_contracts.http.sign_in import PasswordRequest, RequiredActionRequest, SignInRequest

UNSEEN = "\u200b\u200e\u200f\u2066\u2067\u2068\u2069\u202a\u202c\u202e\ufeff\u2060\u00ad\u061c\u180e\u034f\u3164\ufe0f"
BLANKS = "\u00a0\u2007\u2009\u202f\u3000 "
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d\u2043"
DIGITS = "0123456789"
# One of each script's, in their order.
SCRIPTS = ["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "০১২৩৪৫৬৭৮৯", "๐๑๒๓๔๕๖๗๘๙", "０１２３４５６７８９", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"]

# Every field that people type a name, a number or a code into, and how it is read back.
IDENTIFIERS = [
    (lambda text: Identifiers(email=text).email, "mira-9@posteo.example"),
    (lambda text: Identifiers(username=text).username, "mira-9"),
    (lambda text: Identifiers(phone=text).phone, "+49 341 555-0141"),
    (lambda text: SignInRequest(identifier=text).identifier, "mira-9"),
    (lambda text: PasswordRequest(password="x", identifier=text).identifier, "mira-9"),
    (lambda text: RequiredActionRequest(username=text).username, "mira-9"),
    (lambda text: ResetRequest(identifier=text).identifier, "+49 341 555-0141"),
    (lambda text: ReminderRequest(email=text).email, "mira-9@posteo.example"),
    (lambda text: ReminderRequest(phone=text).phone, "+49 341 555-0141"),
    (lambda text: TotalLossRequest(identifier=text, email="a@b.example").identifier, "mira-9"),
    (lambda text: TotalLossRequest(identifier="mira", email=text).email, "mira-9@posteo.example"),
]
CODES = [
    (lambda text: CodeRequest(code=text).code, "493817"),
    (lambda text: ConfirmRequest(token="t", match=text).match, "41"),
]


@st.composite
def disguised(draw: Any, plain: str) -> str:
    """The same as somebody else's keyboard or program writes it."""
    script = draw(st.sampled_from([DIGITS, *SCRIPTS]))
    found = []
    for one in plain:
        choices = script[int(one)] if one in DIGITS else {"-": DASHES, " ": BLANKS}.get(one, one)
        found.append(draw(st.text(UNSEEN, max_size=2)) + draw(st.sampled_from(choices)))
    around = st.text(UNSEEN + BLANKS + "\n\t", max_size=3)
    return str(draw(around) + "".join(found) + draw(around))


@pytest.mark.parametrize(("read", "plain"), IDENTIFIERS)
@given(data=st.data())
def test_every_identifier(read: Any, plain: str, data: st.DataObject) -> None:
    assert read(data.draw(disguised(plain))) == plain


@pytest.mark.parametrize(("read", "plain"), CODES)
@given(data=st.data())
def test_every_code(read: Any, plain: str, data: st.DataObject) -> None:
    shown = data.draw(st.lists(st.sampled_from(BLANKS + DASHES), min_size=len(plain), max_size=len(plain)))
    spaced = "".join(blank + digit for blank, digit in zip(shown, plain, strict=True))
    assert read(data.draw(disguised(spaced))) == plain


@given(st.text())
def test_read_twice_is_read_once(text: str) -> None:
    assert typed.line(typed.line(text)) == typed.line(text)
    assert typed.code(typed.code(text)) == typed.code(text)


@given(st.text())
def test_nothing_unseen_and_no_odd_digit_stays(text: str) -> None:
    read = typed.line(text)
    assert not [one for one in read if unicodedata.category(one) == "Cf" and one not in "\u200c\u200d"]
    assert not [one for one in read if unicodedata.category(one) == "Nd" and one not in DIGITS]
    assert read == read.strip()


@pytest.mark.parametrize("text", ["نامه\u200cای", "mira@نامه\u200cای.com"])
def test_spelling_stays(text: str) -> None:
    """A joiner between letters is part of a Persian name; anywhere else it came along."""
    assert typed.line(text) == text
    assert typed.line(f"\u200c{text}\u200d 4\u200c1") == f"{text} 41"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_passwords_are_taken_as_they_are(text: str) -> None:
    """PWD-2."""
    assert NewPasswordRequest(password=text).password == text
    assert PasswordRequest(password=text).password == text


@pytest.mark.parametrize("value", [None, 5, ["a"]])
def test_what_is_no_text_is_left_to_the_model(value: Any) -> None:
    assert typed.line(value) == value
    assert typed.code(value) == value
