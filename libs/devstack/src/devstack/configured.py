"""The configuration file of a local run: looked at before anything starts, applied when all is up, and known to everybody."""

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from . import databases
from .processes import StartFailed


def look(path: Path) -> None:
    """What is wrong with the file by itself, told before anything is started for it. Raises StartFailed."""
    from identity.configuration.rules import check
    from servicekit.web.apply import Report, named, read

    document, errors = read(path)
    if not errors:
        errors = [(named(document, place), why) for place, why in check(document, None).errors]
    if errors:
        raise StartFailed("\n".join([f"{path} is refused:", *Report(errors=errors).lines()]))


def apply(path: Path, *, identity_url: str, keys_dir: Path) -> None:
    """Not from a thread that has an event loop. Raises StartFailed."""
    from servicekit.web.apply import apply_file

    report = apply_file(path, identity_url=identity_url, keys_dir=keys_dir)
    if report.errors:
        raise StartFailed("\n".join([f"{path} is refused:", *report.lines()]))


def wait_known(postgres: Mapping[str, str], *, gateway_url: str, seconds: float, logs: Path) -> None:
    """Ready means that everybody knows the configuration: the first click on the printed address finds its page.

    `postgres`: each service's database. Raises StartFailed after `seconds`.
    """
    wanted = databases.contents(postgres["identity"], "configuration")
    slugs = [name for kind, name in wanted if kind == "application"]
    copies = [name for name in postgres if name != "identity"]
    end = time.monotonic() + seconds
    while copies or not _serves(gateway_url, slugs):
        known = [name for name in copies if databases.contents(postgres[name], "configuration_copy").items() >= wanted.items()]
        copies = [name for name in copies if name not in known]
        if time.monotonic() > end:
            raise StartFailed(f"the configuration did not reach {', '.join(copies) or 'the gateway'}; see {logs}")
        time.sleep(0.05)


def _serves(gateway_url: str, slugs: list[str]) -> bool:
    try:
        for slug in slugs:
            urllib.request.urlopen(f"{gateway_url}/{slug}/sign-in", timeout=2).close()  # noqa: S310 - our own
    except (urllib.error.URLError, OSError):
        return False
    return True
