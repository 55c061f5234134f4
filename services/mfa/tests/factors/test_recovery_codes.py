"""MFA-5: 80 random bits each, read as people write them, kept as a slow keyed hash."""

import pytest
from mfa.factors import recovery_codes


def test_ten_of_eighty_bits():
    codes = recovery_codes.new_codes()
    assert len(set(codes)) == 10
    assert {len(one) for one in codes} == {16}
    assert all(recovery_codes.read(one) == one for one in codes)


@pytest.mark.parametrize(
    ("typed", "read"),
    [("abcdefghijklmnop", "ABCDEFGHIJKLMNOP"), ("0BCDEFGH1JKLMNOP", "OBCDEFGHIJKLMNOP"), ("123456", None), ("A" * 17, None),
     ("ABCDEFGHIJKLMNO8", None), ("", None)],
)  # fmt: skip
def test_read(typed, read):
    assert recovery_codes.read(typed) == read


async def test_hash_depends_on_code_salt_and_key(keys, tmp_path):
    from servicekit import keys as key_files
    from servicekit.keys import Keys

    key_files.init(tmp_path)
    first = await recovery_codes.hashed(keys, "A" * 16, b"s" * 16)
    assert first == await recovery_codes.hashed(keys, "A" * 16, b"s" * 16)
    others = [(keys, "B" * 16, b"s" * 16), (keys, "A" * 16, b"t" * 16), (Keys(tmp_path), "A" * 16, b"s" * 16)]
    assert first not in [await recovery_codes.hashed(*one) for one in others]
