"""Which events cause which messages: the whole list on one screen."""

from collections.abc import Sequence

from latchkey_contracts.identity import (
    AccountDisabled,
    AccountFrozen,
    ActivationRequested,
    ContactChangeAnnounced,
    ContactChangeEnded,
    ContactChangeRequested,
    ContactClaimed,
    IdentifierChanged,
    IdentityLinked,
    IdentityUnlinked,
    PasswordChanged,
    PasswordGuessed,
    ProfileChanged,
    RegistrationRepeated,
    SignedIn,
    SignInNoticeRequested,
    UserActivated,
)
from latchkey_contracts.mfa import ChallengeIssued, ChallengeSucceeded, FactorEnrolled, SecurityNoticeRequested
from latchkey_contracts.notifier import Channel
from latchkey_contracts.recovery import (
    RecoveryMessage,
    ResetProven,
    ResetRequested,
    TotalLossRecoveryAnnounced,
    UsernameReminderRequested,
)
from latchkey_contracts.sealed import Sealed
from servicekit.db import Tx
from servicekit.events.inbox import Handlers, Only

from notifier.fraud.service import Fraud

from .service import Intake

_CODES = {"enrolment": "factor_code", "step_up": "step_up_code", "caller": "caller_code"}


class Consumers:
    def __init__(self, intake: Intake, fraud: Fraud) -> None:
        self._fraud = fraud
        self._intake = intake
        self._queue = intake.queue
        self._no_longer_of_use = intake.no_longer_of_use

    async def activation(self, tx: Tx, event: ActivationRequested) -> None:
        await self._flow(tx, event, "activation")

    async def account_exists(self, tx: Tx, event: RegistrationRepeated) -> None:
        await self._flow(tx, event, "contact_taken" if event.resting else "account_exists")

    async def contact_change(self, tx: Tx, event: ContactChangeRequested) -> None:
        await self._flow(tx, event, "contact_confirm" if event.part == "new" else "contact_approve")

    async def contact_claimed(self, tx: Tx, event: ContactClaimed) -> None:
        await self._flow(tx, event, "contact_taken")

    async def contact_announced(self, tx: Tx, event: ContactChangeAnnounced) -> None:
        await self._notices(tx, event, "contact_asked")

    async def contact_ended(self, tx: Tx, event: ContactChangeEnded) -> None:
        await self._contact_over(tx, event)

    async def identifier_changed(self, tx: Tx, event: IdentifierChanged) -> None:
        """To every proven address, the old one included (NOT-1)."""
        if not event.undone:
            for flow_id in event.flow_ids:
                await self._fraud.used(tx, flow_id)
        await self._contact_over(tx, event)
        await self._notices(tx, event, "contact_undone" if event.undone else "contact_changed")

    async def _contact_over(self, tx: Tx, event: ContactChangeEnded | IdentifierChanged) -> None:
        for flow_id in event.flow_ids:
            for template in ("contact_confirm", "contact_approve"):
                await self._no_longer_of_use(tx, event, template, flow_id=flow_id)

    async def _flow(
        self,
        tx: Tx,
        event: ActivationRequested | RegistrationRepeated | ContactChangeRequested | ContactClaimed,
        template: str,
    ) -> None:
        await self._queue(
            tx,
            event,
            template=template,
            sealed=event.message,
            language=event.language,
            application=event.application,
            channel=event.channel,
        )

    async def activated(self, tx: Tx, event: UserActivated) -> None:
        await self._fraud.used(tx, event.flow_id)
        await self._no_longer_of_use(tx, event, "activation")
        if event.welcome is not None:
            await self._queue(
                tx, event, template="welcome", sealed=event.welcome, language=event.language, application=event.application
            )

    async def recovery(self, tx: Tx, event: RecoveryMessage) -> None:
        await self._queue(
            tx,
            event,
            template="password_reset" if isinstance(event, ResetRequested) else "username_reminder",
            sealed=event.message,
            contact=event.contact,
            language=event.language,
            application=event.application,
            channel=event.channel,
        )

    async def proven(self, tx: Tx, event: ResetProven) -> None:
        await self._fraud.used(tx, event.flow_id)
        await self._no_longer_of_use(tx, event, "password_reset")

    async def password_changed(self, tx: Tx, event: PasswordChanged) -> None:
        await self._no_longer_of_use(tx, event, "password_reset")
        await self._notices(tx, event, "reset_succeeded" if event.reason == "reset" else "password_changed")

    async def account_frozen(self, tx: Tx, event: AccountFrozen) -> None:
        await self._fraud.lost(tx, event.account_id)
        await self._notices(tx, event, "account_frozen")

    async def account_disabled(self, tx: Tx, event: AccountDisabled) -> None:
        await self._fraud.lost(tx, event.account_id)

    async def signed_in(self, tx: Tx, event: SignedIn) -> None:
        await self._fraud.returned(tx, event.account_id)

    async def sign_in_notice(self, tx: Tx, event: SignInNoticeRequested) -> None:
        await self._by_mail(tx, event, "new_sign_in")

    async def password_guessed(self, tx: Tx, event: PasswordGuessed) -> None:
        await self._by_mail(tx, event, "password_guessed")

    async def profile_changed(self, tx: Tx, event: ProfileChanged) -> None:
        await self._by_mail(tx, event, "account_updated")

    async def identity_linked(self, tx: Tx, event: IdentityLinked) -> None:
        await self._by_mail(tx, event, "identity_linked")

    async def identity_unlinked(self, tx: Tx, event: IdentityUnlinked) -> None:
        await self._by_mail(tx, event, "identity_unlinked")

    async def _by_mail(
        self,
        tx: Tx,
        event: SignInNoticeRequested | PasswordGuessed | ProfileChanged | IdentityLinked | IdentityUnlinked,
        template: str,
    ) -> None:
        """To every address that the event brings (E9, BRF-1, BRF-4)."""
        for number, notice in enumerate(event.notices):
            await self._queue(
                tx,
                event,
                template=template,
                sealed=notice,
                language=event.language,
                application=event.application,
                number=number,
            )

    async def _notices(
        self, tx: Tx, event: PasswordChanged | AccountFrozen | ContactChangeAnnounced | IdentifierChanged, template: str
    ) -> None:
        """To every verified address (NOT-1)."""
        ways: Sequence[tuple[Channel, list[Sealed]]] = (("email", event.notices), ("sms", event.sms_notices))
        for channel, notices in ways:
            for number, notice in enumerate(notices):
                await self._queue(
                    tx,
                    event,
                    template=template,
                    sealed=notice,
                    language=event.language,
                    application=event.application or "",
                    number=number,
                    channel=channel,
                )

    async def total_loss(self, tx: Tx, event: TotalLossRecoveryAnnounced) -> None:
        """To every verified address and number, at once and every day until it takes effect or is cancelled (REC-12)."""
        await self._tell_all(tx, event, "total_loss_announced")

    async def challenge(self, tx: Tx, event: ChallengeIssued) -> None:
        """A code or a link to the factor's own address or number (R24 to R29)."""
        await self._queue(
            tx,
            event,
            template=_CODES.get(event.purpose, f"sign_in_{event.form}"),
            sealed=event.message,
            contact=event.contact,
            language=event.language,
            application=event.application,
            channel=event.channel,
        )

    async def challenge_succeeded(self, tx: Tx, event: ChallengeSucceeded) -> None:
        """Of this flow alone: another window of the same person waits for a code of its own (LNK-9)."""
        await self._fraud.used(tx, event.flow_id)
        for template in ("sign_in_code", "step_up_code"):
            await self._no_longer_of_use(tx, event, template, flow_id=event.flow_id)

    async def factor_enrolled(self, tx: Tx, event: FactorEnrolled) -> None:
        """The factor's id is the flow of its codes."""
        await self._fraud.used(tx, event.factor_id)
        await self._no_longer_of_use(tx, event, "factor_code", flow_id=event.factor_id)

    async def security_notice(self, tx: Tx, event: SecurityNoticeRequested) -> None:
        """Of factors, to every verified address and number (MFA-8, MFA-10, NOT-1)."""
        await self._tell_all(tx, event, event.what)

    async def _tell_all(self, tx: Tx, event: TotalLossRecoveryAnnounced | SecurityNoticeRequested, template: str) -> None:
        told: list[tuple[Channel, Sealed]] = [("email", contact) for contact in event.contacts]
        told += [("sms", contact) for contact in event.sms_contacts]
        for number, (channel, contact) in enumerate(told):
            await self._queue(
                tx,
                event,
                template=template,
                sealed=event.message,
                contact=contact,
                language=event.language,
                application=event.application,
                number=number,
                channel=channel,
            )

    @property
    def handlers(self) -> dict[str, Handlers]:
        """By publisher."""
        return {
            "identity": {
                ActivationRequested: self.activation,
                RegistrationRepeated: self.account_exists,
                UserActivated: self.activated,
                PasswordChanged: self.password_changed,
                AccountFrozen: self.account_frozen,
                AccountDisabled: self.account_disabled,
                SignInNoticeRequested: self.sign_in_notice,
                PasswordGuessed: self.password_guessed,
                ProfileChanged: self.profile_changed,
                ContactChangeRequested: self.contact_change,
                ContactChangeAnnounced: self.contact_announced,
                ContactChangeEnded: self.contact_ended,
                ContactClaimed: self.contact_claimed,
                IdentifierChanged: self.identifier_changed,
                IdentityLinked: self.identity_linked,
                IdentityUnlinked: self.identity_unlinked,
                SignedIn: Only(lambda _event: self._intake.sends_paid, self.signed_in),
            },
            "recovery": {
                ResetRequested: self.recovery,
                ResetProven: self.proven,
                UsernameReminderRequested: self.recovery,
                TotalLossRecoveryAnnounced: self.total_loss,
            },
            "mfa": {
                ChallengeIssued: self.challenge,
                ChallengeSucceeded: self.challenge_succeeded,
                FactorEnrolled: self.factor_enrolled,
                SecurityNoticeRequested: self.security_notice,
            },
        }
