"""The registry of messages: lanes, channels, and what each part must say."""

from latchkey_contracts.templates import LANES, PARTS, TEMPLATES


class TestRegistry:
    def test_what_a_part_must_say_is_known_to_the_template(self) -> None:
        for name, template in TEMPLATES.items():
            assert template.lane in LANES
            for part, required in template.required.items():
                assert PARTS[part] in template.channels, name
                assert required <= template.variables, name

    def test_security_notices_have_a_lane_of_their_own(self) -> None:
        """NOT-3."""
        assert {name for name, template in TEMPLATES.items() if template.security} == {
            "reset_succeeded",
            "password_changed",
            "account_frozen",
            "total_loss_announced",
            "contact_asked",
            "contact_changed",
            "contact_undone",
            "factor_added",
            "factor_removed",
            "recovery_code_used",
            "factor_failed",
            "device_trusted",
            "passkey_copied",
            "factor_guessed",
            "password_guessed",
            "identity_linked",
            "identity_unlinked",
            "assisted",
            "new_sign_in",
        }

    def test_both_messages_of_a_registration_are_alike(self) -> None:
        """REG-1: else the waiting page would tell known addresses from new ones by what became of the message."""
        new, known = TEMPLATES["activation"], TEMPLATES["account_exists"]
        assert (known.lane, known.essential, known.channels) == (new.lane, True, new.channels)

    def test_both_messages_to_a_new_address_are_alike(self) -> None:
        """ENU-1: else the page that waits would tell whether the address is somebody's."""
        free, taken = TEMPLATES["contact_confirm"], TEMPLATES["contact_taken"]
        assert (taken.lane, taken.essential, taken.channels) == (free.lane, True, free.channels)
