"""Sealed envelopes: what the notifier needs to reach a person, readable by nobody else (decision 3, EVT-6)."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Sealed(BaseModel):
    """A JWE (RFC 7516, compact form) to the notifier's public key. Treat it as opaque: pass it on unopened."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    jwe: str = Field(description="Compact JWE, ECDH-ES+A256KW with A256GCM")
    kid: str = Field(description="Id of the key in the notifier's ring that opens it")
    expires_at: datetime = Field(description="After this moment the content is of no use and is not opened (UTC)")
