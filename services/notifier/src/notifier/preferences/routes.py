"""/v1/me/notification-preferences."""

from fastapi import APIRouter
from latchkey_contracts.http.preferences import PreferenceChange, Preferences
from servicekit.web.caller import CallerDep, allow

from .service import NotificationPreferences


def router(preferences: NotificationPreferences) -> APIRouter:
    routes = APIRouter(prefix="/v1/me/notification-preferences", dependencies=[allow("gateway")])

    @routes.get("")
    async def read(caller: CallerDep) -> Preferences:
        return await preferences.read(caller)

    @routes.patch("")
    async def change(body: PreferenceChange, caller: CallerDep) -> Preferences:
        return await preferences.change(body, caller)

    return routes
