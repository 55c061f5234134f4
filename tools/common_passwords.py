"""Makes services/identity/src/identity/credentials/data/common-passwords.txt.gz from the lists of two packages.

Run it in an environment of its own that has both: `pip install zxcvbn django`, then `python tools/common_passwords.py`.
"""

import gzip
import unicodedata
from pathlib import Path

import django.contrib.auth.password_validation as django_passwords
from zxcvbn.frequency_lists import FREQUENCY_LISTS

SHORTEST = 8  # no policy allows less, so shorter ones are refused for their length
TARGET = Path(__file__).parents[1] / "services/identity/src/identity/credentials/data/common-passwords.txt.gz"


def main() -> None:
    with gzip.open(Path(django_passwords.__file__).with_name("common-passwords.txt.gz"), "rt", encoding="utf-8") as file:
        both = {*(line.strip() for line in file), *FREQUENCY_LISTS["passwords"]}
    kept = sorted({unicodedata.normalize("NFKC", one).casefold() for one in both if len(one) >= SHORTEST})
    TARGET.write_bytes(gzip.compress("".join(f"{one}\n" for one in kept).encode(), mtime=0))
    print(f"{len(kept)} passwords, {sum(len(one) >= 15 for one in kept)} of 15 characters or more")


if __name__ == "__main__":
    main()
