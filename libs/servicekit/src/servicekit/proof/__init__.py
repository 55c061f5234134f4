"""Links and codes: how they are made, stored and consumed, and the one flow in which they prove something."""

from .onetime import OneTimeSecrets
from .secret import (
    FLOW_CHECKED,
    LINK_ERRORS,
    LONG_CODE,
    MAX_IN_A_ROW,
    MAX_WRONG,
    CodeOutcome,
    CodeResult,
    Issued,
    Link,
    LinkResult,
    ToIssue,
    code_error,
    new_code,
    new_match,
    same_browser,
    typed_code,
)
from .store import KEEP_WRONG
from .tokens import hash_token, new_link_token, new_token, service_of

__all__ = [
    "FLOW_CHECKED",
    "KEEP_WRONG",
    "LINK_ERRORS",
    "LONG_CODE",
    "MAX_IN_A_ROW",
    "MAX_WRONG",
    "CodeOutcome",
    "CodeResult",
    "Issued",
    "Link",
    "LinkResult",
    "OneTimeSecrets",
    "ToIssue",
    "code_error",
    "hash_token",
    "new_code",
    "new_link_token",
    "new_match",
    "new_token",
    "same_browser",
    "service_of",
    "typed_code",
]
