"""Between gateway and notifier, no part of the public contract: a provider's request, and what it is answered."""

from pydantic import Field

from .common import Request, Response


class PassedOn(Request):
    url: str = Field(max_length=2000, description="As the provider called it: origin, path and query")
    headers: dict[str, str] = Field(description="Small letters; those that a signature may need")
    content: str = Field(description="The body, base64")


class ProviderAnswer(Response):
    status: int
    body: str
    content_type: str
