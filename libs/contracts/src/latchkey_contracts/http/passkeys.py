"""Passkeys (WebAuthn): what a browser answers, in the JSON form that the standard gives it, and what it is asked.

Names within are the standard's own, and what is unknown there is passed over: browsers add to it.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from .common import Request, Response

_BASE64URL = r"^[A-Za-z0-9_-]+=*$"
Bytes = Annotated[str, StringConstraints(min_length=1, max_length=8000, pattern=_BASE64URL)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=1400, pattern=_BASE64URL)]
Long = Annotated[str, StringConstraints(min_length=1, max_length=20000, pattern=_BASE64URL)]
Transport = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[a-z0-9-]+$")]


class _Told(Request):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, json_schema_extra={"additionalProperties": True})


class _Credential(_Told):
    id: Short = Field(description="Id of the credential; like every field of bytes in Base64url (RFC 4648)")
    rawId: Short = Field(description="The same")  # noqa: N815 - the standard's name
    type: Literal["public-key"] = Field(description="Nothing else is known")


class Attestation(_Told):
    clientDataJSON: Bytes = Field(description="What the browser says of the occasion")  # noqa: N815
    attestationObject: Long = Field(description="The new public key, and who made it")  # noqa: N815
    transports: list[Transport] = Field(default_factory=list, max_length=10, description="How the authenticator is reached")


class Assertion(_Told):
    clientDataJSON: Bytes = Field(description="What the browser says of the occasion")  # noqa: N815
    authenticatorData: Bytes = Field(description="What the authenticator says of it")  # noqa: N815
    signature: Bytes = Field(description="The authenticator's, over both")
    userHandle: Short | None = Field(  # noqa: N815
        default=None, description="Whose it is; needed where the options named no credential"
    )


class Registered(_Credential):
    """A new credential (`RegistrationResponseJSON`)."""

    response: Attestation = Field(description="The authenticator's answer")


class Asserted(_Credential):
    """The proof of one (`AuthenticationResponseJSON`)."""

    response: Assertion = Field(description="The authenticator's answer")


class PasskeyProof(Request):
    credential: Asserted = Field(description="What `navigator.credentials.get` answered, by its `toJSON()`")
    trust_device: bool = Field(default=False, description="Not to be asked again in this browser, where the policy offers that")


class PasskeyOptions(Response):
    public_key: dict[str, Any] = Field(
        description="What `navigator.credentials.get` takes as `publicKey`, in its JSON form (`PublicKeyCredentialRequestOptionsJSON`). "
        "Its challenge lives for some minutes"
    )


class PasskeyOffer(Response):
    """Whether to offer a passkey to this customer after a sign-in or a new password (D12)."""

    offered: bool = Field(description="One can be added, there is none yet, and the customer hasn't said never")
