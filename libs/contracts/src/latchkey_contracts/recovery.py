"""Events of the recovery service: username reminder and password reset (R9-R20)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from .event import AccountEvent, CodeGuessing
from .sealed import Sealed


class RecoveryMessage(AccountEvent):
    """Common to both requests: somebody asked, and the account's own address is told. `contact` was sealed by identity."""

    may_expire = True
    flow_id: UUID
    application: str
    channel: Literal["email", "sms", "voice"]
    language: str
    contact: Sealed
    message: Sealed
    expires_at: datetime


class UsernameReminderRequested(RecoveryMessage):
    event_type = "latchkey.recovery.username_reminder_requested.v1"


class ResetRequested(RecoveryMessage):
    """Changes nothing yet: the password and all sessions are as they were (REC-2)."""

    event_type = "latchkey.recovery.reset_requested.v1"


class ResetProven(AccountEvent):
    """The link was pressed or the code typed; a new password may be set now. All other links and codes for it are dead."""

    event_type = "latchkey.recovery.reset_proven.v1"
    flow_id: UUID
    application: str


class ResetCompleted(AccountEvent):
    """The new password is set; identity has told it with PasswordChanged."""

    event_type = "latchkey.recovery.reset_completed.v1"
    flow_id: UUID
    application: str


class TotalLossRecoveryAnnounced(AccountEvent):
    """Somebody wants into the account without its mailbox (REC-12): told to every verified address and number at once and every day."""

    event_type = "latchkey.recovery.total_loss_recovery_announced.v1"
    flow_id: UUID
    application: str
    language: str
    takes_effect_at: datetime
    contacts: list[Sealed]
    sms_contacts: list[Sealed] = Field(default_factory=list)
    message: Sealed


class TotalLossRecoveryCancelled(AccountEvent):
    """One press in a notice: over for good."""

    event_type = "latchkey.recovery.total_loss_recovery_cancelled.v1"
    flow_id: UUID
    application: str


class CodeGuessingSuspected(CodeGuessing):
    """Of password resets."""

    event_type = "latchkey.recovery.code_guessing_suspected.v1"
