"""GET /v1/me: what the portal's first page shows of the signed-in customer."""

from collections.abc import Mapping

from latchkey_contracts.http.account import Me
from servicekit.web.caller import Caller
from servicekit.web.http import Read

from .service import Profiles


def reads(profiles: Profiles) -> Mapping[str, Read]:
    async def me(caller: Caller) -> Me:
        account_id, _ = caller.account()
        return await profiles.read(account_id)

    return {"/v1/me": me}
