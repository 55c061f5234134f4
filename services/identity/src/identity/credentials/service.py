"""Hashing in a bounded pool (PWD-5, PWD-8): Argon2id takes a core for some 25 ms, so what doesn't fit is shed, not queued."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from latchkey_contracts.configuration import PasswordPolicy
from servicekit.errors import FieldError, Overloaded
from servicekit.process.configuration import Resolved

from .argon2id import Argon2id
from .breaches import Breaches, NoBreaches
from .rules import Context, check, common, context_of, normalise

# Longer than any policy allows; refused before anything is computed.
MAX_CHARACTERS = 1024


class Passwords:
    """`memory_kib`, `passes`: OWASP's 19 MiB and 2 are the least; p=1, since more lanes only hurt under load."""

    def __init__(
        self, *, memory_kib: int = 19456, passes: int = 2, breaches: Breaches | None = None, threads: int | None = None
    ) -> None:
        self._hasher = Argon2id(memory_kib=memory_kib, passes=passes)
        self._breaches = breaches or NoBreaches()
        threads = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._room = threads * 10
        self._dummy = self._hasher.hash("no account has this password")
        common()  # read now, not in somebody's request

    async def _run(self, work: object, *arguments: object) -> object:
        if self._room <= 0:
            raise Overloaded(2)
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)  # type: ignore[arg-type]
        finally:
            self._room += 1

    async def hash(self, password: str) -> str:
        return str(await self._run(self._hasher.hash, normalise(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Without a stored hash the same work is done, and the answer is no (ENU-2)."""
        if len(password) > MAX_CHARACTERS:
            password = password[:MAX_CHARACTERS]
            stored = None
        matched = await self._run(self._hasher.verify, stored or self._dummy, normalise(password))
        return bool(matched) and stored is not None

    def outdated(self, stored: str) -> bool:
        """Made with other parameters than today's."""
        return self._hasher.outdated(stored)

    def check_for(self, app: Resolved, password: str, texts: Sequence[str], *, field: str = "/password") -> list[FieldError]:
        """The same rules wherever a password is chosen: registration, change, reset (PWD-4). `texts`: the person's identifiers."""
        brand = app.application.brand
        context = context_of(brand.name, brand.short_name, app.application.slug, *texts)
        return self.check(password, app.store.password, context, field=field)

    def check(
        self, password: str, policy: PasswordPolicy, context: Context, *, second_factor: bool = False, field: str = "/password"
    ) -> list[FieldError]:
        breached = len(password) <= MAX_CHARACTERS and self._breaches.contains(password)
        return check(password, policy, context, breached=breached, second_factor=second_factor, field=field)

    def breached(self, password: str) -> bool:
        return self._breaches.contains(password)
