"""Operations of a signed-in customer, below /v1/session and /v1/me; part of the one list in operations.py."""

from latchkey_contracts.http import (
    account,
    activity,
    contact_change,
    factors,
    passkeys,
    preferences,
    sign_in,
    social,
    step_up,
    trusted_devices,
)
from servicekit import errors

from .operation import BY_CODE, BY_PASSKEY, Operation

_FACTORS, _STEP_UPS, _TRUSTED = "/v1/me/factors", "/v1/me/step-ups", "/v1/me/trusted-devices"
_SESSIONS, _LINKED = "/v1/me/sessions", "/v1/me/linked-identities"
_OFFER = "/v1/me/passkey-offer"
_PREFERENCES = "/v1/me/notification-preferences"
_IDENTIFIERS, _CHANGES = "/v1/me/identifiers", "/v1/me/contact-changes"

SIGNED_IN: tuple[Operation, ...] = (
    Operation(
        "readSession", "GET", "/v1/session", "signed in", "Who am I", "gateway", "session", sign_in.SessionInfo,
        description="Answered out of memory; ask it with every request of your application.",
    ),
    Operation("signOut", "DELETE", "/v1/session", "signed in", "Sign out", "gateway", "session", status=204),
    Operation("readMe", "GET", "/v1/me", "signed in", "The signed-in customer", "identity", "session", account.Me),
    Operation(
        "changeMe", "PATCH", "/v1/me", "signed in", "Change personal information", "identity", "session", account.Me, 200,
        account.MeChange, "try", (errors.FeatureDisabled, errors.PreconditionFailed, errors.PreconditionRequired),
        "With `If-Match`: the `ETag` of what was read. 412 where it was changed since then; nothing is overwritten.",
    ),
    Operation(
        "changePassword", "PUT", "/v1/me/password", "signed in", "Change the password", "identity", "session", None, 204,
        account.PasswordChange, "try", (errors.CredentialsWrong, errors.StepUpRequired, errors.FeatureDisabled, errors.FlowEnded),
        "The current password first, or fresh authentication (`password.change`), which an account with a second factor needs; all other "
        "sessions end unless told otherwise.",
    ),
    Operation(
        "listIdentifiers", "GET", _IDENTIFIERS, "signed in", "All names and addresses of the account", "identity", "session",
        contact_change.OwnIdentifiers,
    ),
    Operation(
        "addIdentifier", "POST", _IDENTIFIERS, "signed in", "Begin to add a name or address", "identity", "session",
        contact_change.ContactChangeFlow, 202, contact_change.ContactRequest, "start",
        (errors.StepUpRequired, errors.FeatureDisabled, errors.NotAllowedByPolicy, errors.FlowEnded),
        "Fresh authentication first (`contact.add`). It counts once it is confirmed, and allowed as any change.",
    ),
    Operation(
        "makePrimary", "PATCH", f"{_IDENTIFIERS}/{{id}}", "signed in", "Make it the first of its kind", "identity", "session",
        contact_change.ContactChangeFlow, 202, contact_change.PrimaryRequest, "try",
        (errors.StepUpRequired, errors.FeatureDisabled, errors.NotAllowedByPolicy, errors.FlowEnded),
        "Fresh authentication first (`contact.primary` with `identifier_id`). One that is confirmed; messages go to it before any other.",
    ),
    Operation(
        "removeIdentifier", "DELETE", f"{_IDENTIFIERS}/{{id}}", "signed in", "Remove a name or address", "identity", "session", None, 204, None,
        "try", (errors.StepUpRequired, errors.FeatureDisabled, errors.NotAllowedByPolicy, errors.FlowEnded),
        "Fresh authentication first (`contact.remove` with `identifier_id`). Never the primary e-mail address, nor the last way in.",
    ),
    Operation(
        "listContactChanges", "GET", _CHANGES, "signed in", "Changes that wait for a confirmation", "identity", "session",
        contact_change.ContactChanges,
    ),
    Operation(
        "startContactChange", "POST", _CHANGES, "signed in", "Begin to change e-mail, phone or username", "identity", "session",
        contact_change.ContactChangeFlow, 202, contact_change.ContactRequest, "start",
        (errors.StepUpRequired, errors.FeatureDisabled, errors.FlowEnded),
        "Fresh authentication first (`contact.change`). A username counts at once. A new address counts once it is confirmed and, where the "
        "account has no second factor for long enough, allowed at an address that it has already (`approval`). Whether it is somebody "
        "else's is told to its mailbox alone. The old address can undo it for as long as the policy says.",
    ),
    Operation(
        "readContactChange", "GET", f"{_CHANGES}/{{id}}", "signed in", "How far the change is", "identity", "session",
        contact_change.ContactChangeFlow,
    ),
    Operation(
        "cancelContactChange", "DELETE", f"{_CHANGES}/{{id}}", "signed in", "End a change that waits", "identity", "session", None, 204, None,
        "try", (errors.FlowEnded,),
    ),
    Operation(
        "enterContactCode", "POST", f"{_CHANGES}/{{id}}/code", "signed in", "Confirm or allow it by a code", "identity", "session",
        contact_change.ContactChangeFlow, 200, contact_change.ContactCode, "try", BY_CODE,
        "Of the message to the new address or, with `source`, of the one to the old address; in the window that asked. Five wrong tries burn "
        "every code of that message; its link lives on.",
    ),
    Operation(
        "resendContactChange", "POST", f"{_CHANGES}/{{id}}/resend", "signed in", "Send one of its messages again", "identity", "session",
        contact_change.ContactChangeFlow, 202, contact_change.ContactResend, "try", (errors.FlowEnded,),
        "429 with `Retry-After` where it is too early. The message before it no longer works once this one has left.",
    ),
    Operation(
        "listSessions", "GET", _SESSIONS, "signed in", "Where the account is signed in", "identity", "session", account.OpenSessions
    ),
    Operation(
        "endSession", "DELETE", f"{_SESSIONS}/{{id}}", "signed in", "End one of the sessions", "identity", "session", None, 204, None, "try",
        (errors.StepUpRequired,), "Fresh authentication first (`sessions.end` with `session_id`), but for this very session.",
    ),
    Operation(
        "endOtherSessions", "DELETE", _SESSIONS, "signed in", "End all sessions but this one", "identity", "session", None, 204, None, "try",
        (errors.StepUpRequired,), "Fresh authentication first (`sessions.end`).",
    ),
    Operation(
        "listActivity", "GET", "/v1/me/activity", "signed in", "What happened with the account", "identity", "session", activity.Activities,
        problems=(errors.NotFound,), paged=True,
        description="Newest first. Sign-ins and failed tries are kept for `sign_in_days`, all else for `security_days`.",
    ),
    Operation(
        "readPreferences", "GET", _PREFERENCES, "signed in", "Which messages the customer gets", "notifier", "session",
        preferences.Preferences, problems=(errors.FeatureDisabled,),
    ),
    Operation(
        "changePreferences", "PATCH", _PREFERENCES, "signed in", "Choose which messages to get", "notifier", "session",
        preferences.Preferences, 200, preferences.PreferenceChange, "try", (errors.FeatureDisabled,),
        "What isn't named stays as it is. Security notices, codes and links are always sent.",
    ),
    Operation(
        "listFactors", "GET", _FACTORS, "signed in", "What beside the password proves the customer", "mfa", "session", factors.Factors
    ),
    Operation(
        "addFactor", "POST", _FACTORS, "signed in", "Begin to add a factor", "mfa", "session", factors.Factor, 201,
        factors.FactorRequest, "try", (errors.StepUpRequired, errors.NotAllowedByPolicy),
        "Fresh authentication first (`factor.add`). It counts once it is confirmed.",
    ),
    Operation("readFactor", "GET", f"{_FACTORS}/{{id}}", "signed in", "One factor", "mfa", "session", factors.Factor),
    Operation(
        "confirmFactor", "POST", f"{_FACTORS}/{{id}}/confirm", "signed in", "Confirm a factor that was begun", "mfa", "session",
        factors.Factor, 200, factors.FactorConfirm, "try", (*BY_CODE, errors.PasskeyWrong, errors.MoreProofRequired),
        "By the code that the app shows or that was sent, or by what the browser made of `passkey`; recovery codes count from here on, and older ones no more.",
    ),
    Operation(
        "resendFactorCode", "POST", f"{_FACTORS}/{{id}}/resend", "signed in", "Send the code of a new factor again", "mfa", "session",
        factors.Factor, 202, None, "try",
        description="While an address or number is pending. 429 with `Retry-After` where it is too early.",
    ),
    Operation(
        "renameFactor", "PATCH", f"{_FACTORS}/{{id}}", "signed in", "Call a factor something else", "mfa", "session",
        factors.Factor, 200, factors.FactorRename, "try",
    ),
    Operation(
        "removeFactor", "DELETE", f"{_FACTORS}/{{id}}", "signed in", "Remove a factor", "mfa", "session", None, 204, None, "try",
        (errors.StepUpRequired, errors.NotAllowedByPolicy),
        "Fresh authentication first (`factor.remove` with `factor_id`). One that never was confirmed goes without.",
    ),
    Operation(
        "readPasskeyOffer", "GET", _OFFER, "signed in", "Whether to offer a passkey", "mfa", "session", passkeys.PasskeyOffer,
        description="After a sign-in or a new password (D12).",
    ),
    Operation(
        "refusePasskeyOffers", "DELETE", _OFFER, "signed in", "Offer no passkey any more", "mfa", "session", None, 204, None, "try",
        description="Kept for good, in every browser; one can be added all the same.",
    ),
    Operation(
        "listTrustedDevices", "GET", _TRUSTED, "signed in", "Where a sign-in isn't asked for a factor", "mfa", "session",
        trusted_devices.TrustedDevices,
    ),
    Operation(
        "forgetTrustedDevice", "DELETE", f"{_TRUSTED}/{{id}}", "signed in", "Ask there again", "mfa", "session", None, 204, None, "try",
    ),
    Operation(
        "forgetTrustedDevices", "DELETE", _TRUSTED, "signed in", "Ask everywhere again", "mfa", "session", None, 204, None, "try",
    ),
    Operation(
        "listLinkedIdentities", "GET", _LINKED, "signed in", "Accounts elsewhere that sign in here", "identity", "session",
        social.LinkedIdentities,
    ),
    Operation(
        "linkIdentity", "POST", _LINKED, "signed in", "Begin to link one", "identity", "session", social.SocialRedirect, 200,
        social.SocialRequest, "try", (errors.StepUpRequired, errors.FeatureDisabled, errors.ProviderUnavailable),
        "Fresh authentication first (`identity.link` with `provider`). Send the customer's browser to `redirect_to`; what it comes back "
        "with goes to `receiveSocialAnswer`, with this session.",
    ),
    Operation(
        "unlinkIdentity", "DELETE", f"{_LINKED}/{{id}}", "signed in", "Unlink one", "identity", "session", None, 204, None, "try",
        (errors.StepUpRequired, errors.LastWayIn), "Fresh authentication first (`identity.unlink` with `identity_id`).",
    ),
    Operation(
        "startStepUp", "POST", _STEP_UPS, "signed in", "Prove freshly who is asking", "identity", "session",
        step_up.StepUpFlow, 200, step_up.StepUpRequest, "try",
        description="For one call of one action, as `step_up_required` named it (STP-1, STP-2).",
    ),
    Operation(
        "readStepUp", "GET", f"{_STEP_UPS}/{{id}}", "signed in", "How far the step-up is", "identity", "session", step_up.StepUpFlow
    ),
    Operation(
        "enterStepUpPassword", "POST", f"{_STEP_UPS}/{{id}}/password", "signed in", "Step up by the password", "identity", "session",
        step_up.StepUpFlow, 200, step_up.StepUpPassword, "try", (errors.CredentialsWrong, errors.StepMissing, errors.FlowEnded),
        "Where the account has no factor.",
    ),
    Operation(
        "beginSocialStepUp", "POST", f"{_STEP_UPS}/{{id}}/social", "signed in", "Step up by an account elsewhere", "identity", "session",
        social.SocialRedirect, 200, social.SocialRequest, "try", (errors.StepMissing, errors.FlowEnded, errors.ProviderUnavailable),
        "Where the account has neither factor nor password: the provider asks anew who the customer is.",
    ),
    Operation(
        "readStepUpPasskeyOptions", "GET", f"{_STEP_UPS}/{{id}}/passkey", "signed in", "What to ask a passkey for a step-up", "mfa", "session",
        passkeys.PasskeyOptions, problems=(errors.StepMissing, errors.FlowEnded),
    ),
    Operation(
        "proveStepUpPasskey", "POST", f"{_STEP_UPS}/{{id}}/passkey", "signed in", "Step up by a passkey", "mfa", "session",
        step_up.StepUpFlow, 200, passkeys.PasskeyProof, "try", BY_PASSKEY,
    ),
    Operation(
        "sendStepUpChallenge", "POST", f"{_STEP_UPS}/{{id}}/challenges", "signed in", "Send a code, or send it again", "mfa", "session",
        step_up.StepUpFlow, 202, factors.ChallengeRequest, "try", (errors.StepMissing, errors.FlowEnded),
    ),
    Operation(
        "enterStepUpCode", "POST", f"{_STEP_UPS}/{{id}}/code", "signed in", "Step up by a code", "mfa", "session",
        step_up.StepUpFlow, 200, factors.FactorCode, "try", (errors.CodeWrong, errors.CodeExpired, errors.StepMissing, errors.FlowEnded),
        "One that was sent, the authenticator app's, or a recovery code.",
    ),
)  # fmt: skip
