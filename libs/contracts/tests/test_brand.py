"""What a brand may say of where its mails come from: every one of them would be lost otherwise (NOT-4)."""

import idna
import pytest
from latchkey_contracts.brand import Brand, mail_sender
from pydantic import ValidationError


def brand(sender: str) -> Brand:
    return Brand(name="Elmstead Energy", brand="#0b3d45", sender_address=sender)


class TestSenderAddress:
    @pytest.mark.parametrize("address", ["account@elmstead.example", "no-reply@localhost", "A.b+c@xn--bcher-kva.example"])
    def test_ascii_stays_as_it_is(self, address: str) -> None:
        assert brand(address).sender_address == address

    @pytest.mark.parametrize(
        "domain",
        ["bücher.example", "BÜCHER.example", "straße.example", "ΒΌΛΟΣ.example", "例え。テスト", "हिन्दी.example", "مثال.إختبار", "ｂücher.example",
         "bu\u0308cher.example"],
    )  # fmt: skip
    def test_a_domain_is_its_a_label(self, domain: str) -> None:
        """RFC 5890: as the package of that name has it, which this one does without."""
        found = brand(f"konto@{domain}").sender_address
        assert found == f"konto@{idna.encode(domain, uts46=True).decode()}"
        assert brand(found).sender_address == found

    @pytest.mark.parametrize("address", ["größe@elmstead.example", "用户@bücher.example"])
    def test_a_mailbox_beyond_ascii_is_refused(self, address: str) -> None:
        with pytest.raises(ValidationError, match="must be plain ASCII before the @"):
            brand(address)

    @pytest.mark.parametrize(
        "domain", ["\U0001f98a.example", "bü cher.example", "bü\u202echer.example", "ü" * 64, ".".join(["ü" * 30] * 8)]
    )
    def test_what_no_domain_is(self, domain: str) -> None:
        with pytest.raises(ValidationError):
            brand(f"konto@{domain}")

    @pytest.mark.parametrize("text", ["", "konto", "a b@c.example", "a@b@c.example", "<a@b.example>"])
    def test_what_no_address_is(self, text: str) -> None:
        with pytest.raises(ValueError, match="must be written as in"):
            mail_sender(text)
