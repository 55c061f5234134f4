"""Sealed envelopes: JWE to the notifier's current public key (decision 3, EVT-6)."""

from datetime import datetime
from typing import TypeVar

import orjson
from joserfc import jwe
from joserfc.errors import JoseError
from latchkey_contracts.sealed import Sealed
from pydantic import BaseModel, ValidationError

from .clock import Clock
from .keys import Keys

Content = TypeVar("Content", bound=BaseModel)
_ALGORITHMS = ["ECDH-ES+A256KW", "A256GCM"]


class SealExpired(Exception):
    """The content is of no use any more; it was not opened."""


class SealBroken(Exception):
    """No key of the ring opens it, or it was changed."""


class Sealer:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def seal(self, content: BaseModel, *, expires_at: datetime) -> Sealed:
        key = self._keys.sealing_current()
        inner = {"type": type(content).__name__, "exp": int(expires_at.timestamp()), "content": content.model_dump(mode="json")}
        header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": key.kid}
        text = jwe.encrypt_compact(header, orjson.dumps(inner), key, algorithms=_ALGORITHMS)
        return Sealed(jwe=text, kid=key.kid or "", expires_at=expires_at)


class Opener:
    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def open(self, sealed: Sealed, model: type[Content]) -> Content:
        """Raises SealExpired or SealBroken."""
        if sealed.expires_at <= self._clock.now():
            raise SealExpired
        key = self._keys.sealing_private(sealed.kid)
        if key is None:
            raise SealBroken("unknown key")
        try:
            inner = orjson.loads(jwe.decrypt_compact(sealed.jwe, key, algorithms=_ALGORITHMS).plaintext or b"")
            if inner["type"] != model.__name__ or inner["exp"] != int(sealed.expires_at.timestamp()):
                raise SealBroken("not what it says")
            return model.model_validate(inner["content"])
        except (JoseError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise SealBroken(type(error).__name__) from None
