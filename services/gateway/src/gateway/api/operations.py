"""The public API as one list: a row is an operation, and everything else follows from it.

The gateway's routes, the OpenAPI document (`/v1/openapi.json`, docs/openapi.json, `latchkey openapi`) and the pages of it are made
from these rows. The path is the public one and the owner's alike (decision 6).
"""

from collections.abc import Iterator
from typing import Any

from latchkey_contracts.http import (
    apps,
    factors,
    links,
    passkeys,
    recovery,
    registration,
    sign_in,
    social,
)
from servicekit import errors

from .operation import BY_CODE, BY_PASSKEY, Problems
from .operation import Operation as Operation  # noqa: PLC0414 - had from here, beside the list
from .signed_in import SIGNED_IN

APP = "/v1/apps/{app}"
_LINK: Problems = (
    errors.LinkMalformed,
    errors.LinkExpired,
    errors.LinkUsed,
    errors.LinkSuperseded,
    errors.LinkEnded,
    errors.FlowEnded,
)

_REGISTRATION = f"{APP}/registrations"
_SIGN_IN = f"{APP}/sign-ins"
_REMINDER = f"{APP}/username-reminders"
_RESET = f"{APP}/password-resets"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "readApplication", "GET", APP, "application", "What a sign-up page needs to know", "identity", "anybody", apps.Application
    ),
    # --- registration ------------------------------------------------------------------------------------------------------
    Operation(
        "startRegistration", "POST", _REGISTRATION, "registration", "Register", "identity", "anybody",
        registration.RegistrationFlow, 202, registration.RegistrationRequest, "start",
        (errors.FeatureDisabled, errors.UsernameTaken),
        "The answer is the same for new and known identifiers; the mailbox alone learns the difference.",
    ),
    Operation(
        "readRegistration", "GET", f"{_REGISTRATION}/{{id}}", "registration", "How far the registration is", "identity", "asker",
        registration.RegistrationFlow,
    ),
    Operation(
        "resendRegistration", "POST", f"{_REGISTRATION}/{{id}}/resend", "registration", "Send link and code again", "identity", "asker",
        registration.RegistrationFlow, 202, registration.ResendRequest, "try", (errors.FlowEnded,),
        "429 with `Retry-After` where it is too early. The message before it no longer works once this one has left.",
    ),
    Operation(
        "registerByEmail", "POST", f"{_REGISTRATION}/{{id}}/email", "registration", "Go on by e-mail where no text comes", "identity",
        "asker", registration.RegistrationFlow, 202, registration.EmailRequest, "start", (errors.StepMissing, errors.FlowEnded),
        "Where `next` says so, which it does whatever became of the text. Answers a new flow, with all that was given for this one and the "
        "address; its mail has a link and a code. Whatever came by text still works in its own flow.",
    ),
    Operation(
        "enterRegistrationCode", "POST", f"{_REGISTRATION}/{{id}}/code", "registration", "Prove the address by the code", "identity",
        "asker", registration.RegistrationFlow, 200, registration.CodeRequest, "try", BY_CODE,
        "Five wrong tries burn every code of the flow; the link of a mail lives on. No session comes of it: sign-in follows.",
    ),
    Operation(
        "setRegistrationPassword", "POST", f"{_REGISTRATION}/{{id}}/password", "registration", "Choose the password last", "identity",
        "asker", registration.RegistrationFlow, 200, registration.NewPasswordRequest, "try", (errors.StepMissing, errors.FlowEnded),
        "Where `next` says so: the application asks for it last, or the activation was renewed from another window.",
    ),
    # --- sign-in -----------------------------------------------------------------------------------------------------------
    Operation(
        "startSignIn", "POST", _SIGN_IN, "sign-in", "Begin to sign in", "identity", "anybody",
        sign_in.SignInFlow, 200, sign_in.SignInRequest, "start",
        (errors.CredentialsWrong, errors.FlowEnded, errors.NotAllowedByPolicy),
        "Nothing is looked up, so known and unknown identifiers are alike. With `password` an API client is done in one call: it is "
        "answered, counted and refused as `enterPassword` would.",
    ),
    Operation(
        "readSignIn", "GET", f"{_SIGN_IN}/{{id}}", "sign-in", "How far the sign-in is", "identity", "asker", sign_in.SignInFlow,
        problems=(errors.NotAllowedByPolicy,),
    ),
    Operation(
        "enterPassword", "POST", f"{_SIGN_IN}/{{id}}/password", "sign-in", "Try a password", "identity", "asker",
        sign_in.SignInFlow, 200, sign_in.PasswordRequest, "try",
        (errors.CredentialsWrong, errors.StepMissing, errors.FlowEnded, errors.NotAllowedByPolicy),
        "The third wrong one ends the flow; so does a rule of the access policy that lets nobody in here, after the right one. With `complete` there is a session: in `session` for API clients, as a cookie for browsers.",
    ),
    Operation(
        "answerRequiredAction", "POST", f"{_SIGN_IN}/{{id}}/action", "sign-in", "Give what is newly required", "identity", "asker",
        sign_in.SignInFlow, 200, sign_in.RequiredActionRequest, "try", (errors.StepMissing, errors.FlowEnded),
        "With `needs_action`: another username or another password, before the first session.",
    ),
    Operation(
        "sendChallenge", "POST", f"{_SIGN_IN}/{{id}}/challenges", "sign-in", "Send a code or a link, or send it again", "mfa", "asker",
        sign_in.SignInFlow, 202, factors.ChallengeRequest, "try", (errors.StepMissing, errors.FlowEnded),
        "With `needs_factor`. Through the same or another way; whatever was sent before no longer works. 429 with `Retry-After` where it "
        "is too early. Where the application asks for a factor first, it is accepted whatever the name, and nobody is told whether anything left.",
    ),
    Operation(
        "enterFactorCode", "POST", f"{_SIGN_IN}/{{id}}/code", "sign-in", "Prove a factor by a code", "mfa", "asker",
        sign_in.SignInFlow, 200, factors.FactorCode, "try",
        (errors.CodeWrong, errors.CodeExpired, errors.CodeBurned, errors.StepMissing, errors.FlowEnded, errors.NotAllowedByPolicy),
        "With `needs_factor`: a code that was sent, the authenticator app's, or a recovery code. Too many wrong ones end the attempt.",
    ),
    Operation(
        "readPasskeyOptions", "GET", f"{_SIGN_IN}/{{id}}/passkey", "sign-in", "What to ask a passkey", "mfa", "asker",
        passkeys.PasskeyOptions, problems=(errors.StepMissing, errors.FlowEnded),
        description="Where `next` has `passkey`: instead of name and password, where whichever passkey the browser finds will do, or with "
        "`needs_factor` one of this account.",
    ),
    Operation(
        "provePasskey", "POST", f"{_SIGN_IN}/{{id}}/passkey", "sign-in", "Sign in by a passkey", "mfa", "asker",
        sign_in.SignInFlow, 200, passkeys.PasskeyProof, "try", BY_PASSKEY,
        "Without name and password it is both factors: the session begins, unless something is newly required. Too many wrong ones end "
        "the attempt.",
    ),
    Operation(
        "addRequiredFactor", "POST", f"{_SIGN_IN}/{{id}}/factors", "sign-in", "Begin to add a factor that the policy requires", "mfa", "asker",
        factors.Factor, 201, factors.FactorRequest, "try", (errors.NotAllowedByPolicy, errors.StepMissing, errors.FlowEnded),
        "With `needs_action` and the action `factor`: one of `enrol`. It counts once it is confirmed.",
    ),
    Operation(
        "readRequiredFactor", "GET", f"{_SIGN_IN}/{{id}}/factors/{{factor}}", "sign-in", "A factor that is being added", "mfa", "asker",
        factors.Factor,
    ),
    Operation(
        "confirmRequiredFactor", "POST", f"{_SIGN_IN}/{{id}}/factors/{{factor}}/confirm", "sign-in", "Confirm it and go on", "mfa", "asker",
        sign_in.SignInFlow, 200, factors.FactorConfirm, "try", BY_CODE,
        "By the code that the app shows or that was sent. Answers the sign-in: complete, or what it needs next.",
    ),
    Operation(
        "resendRequiredFactorCode", "POST", f"{_SIGN_IN}/{{id}}/factors/{{factor}}/resend", "sign-in", "Send its code again", "mfa", "asker",
        factors.Factor, 202, None, "try", (errors.StepMissing, errors.FlowEnded),
        "While an address or number is pending. 429 with `Retry-After` where it is too early.",
    ),
    Operation(
        "beginSocialSignIn", "POST", f"{_SIGN_IN}/{{id}}/social", "sign-in", "Sign in with an account elsewhere", "identity", "asker",
        social.SocialRedirect, 200, social.SocialRequest, "try",
        (errors.StepMissing, errors.FlowEnded, errors.ProviderUnavailable),
        "Where `next` has `social`. Send the customer's browser to `redirect_to`; what it comes back with goes to `receiveSocialAnswer`.",
    ),
    Operation(
        "registerNewcomer", "POST", f"{_SIGN_IN}/{{id}}/registration", "sign-in", "Make an account for whom a provider has named", "identity",
        "asker", sign_in.SignInFlow | registration.RegistrationFlow, 200, social.NewcomerRequest, "start",
        (errors.StepMissing, errors.FlowEnded, errors.FeatureDisabled, errors.UsernameTaken, errors.SocialRefused, errors.NotAllowedByPolicy),
        "Where `next` has `registration`. The sign-in goes on, or where the address is yet to be proven, a registration waits for its mail.",
    ),
    # --- recovery ----------------------------------------------------------------------------------------------------------
    Operation(
        "startUsernameReminder", "POST", _REMINDER, "recovery", "Be reminded of the username", "recovery", "anybody",
        recovery.ReminderFlow, 202, recovery.ReminderRequest, "start", (errors.FeatureDisabled,),
        "Accepted whatever the address; the usernames go to it alone.",
    ),
    Operation(
        "readUsernameReminder", "GET", f"{_REMINDER}/{{id}}", "recovery", "How far the reminder is", "recovery", "asker",
        recovery.ReminderFlow, problems=(errors.FeatureDisabled,),
    ),
    Operation(
        "resendUsernameReminder", "POST", f"{_REMINDER}/{{id}}/resend", "recovery", "Send the reminder again", "recovery", "asker",
        recovery.ReminderFlow, 202, recovery.ResetResend, "try", (errors.FeatureDisabled, errors.FlowEnded),
        "429 with `Retry-After` where it is too early.",
    ),
    Operation(
        "startPasswordReset", "POST", _RESET, "recovery", "Forgot the password", "recovery", "anybody",
        recovery.ResetFlow, 202, recovery.ResetRequest, "start", (errors.FeatureDisabled,),
        "Accepted whatever the identifier; changes nothing before the proof.",
    ),
    Operation(
        "readPasswordReset", "GET", f"{_RESET}/{{id}}", "recovery", "How far the reset is", "recovery", "asker",
        recovery.ResetFlow, problems=(errors.FeatureDisabled,),
    ),
    Operation(
        "resendPasswordReset", "POST", f"{_RESET}/{{id}}/resend", "recovery", "Send link and code again", "recovery", "asker",
        recovery.ResetFlow, 202, recovery.ResetResend, "try", (errors.FeatureDisabled, errors.FlowEnded),
        "429 with `Retry-After` where it is too early.",
    ),
    Operation(
        "enterPasswordResetCode", "POST", f"{_RESET}/{{id}}/code", "recovery", "Prove the mailbox by the code", "recovery", "asker",
        recovery.ResetFlow, 200, registration.CodeRequest, "try", (errors.FeatureDisabled, *BY_CODE),
        "Five wrong tries burn every code of the flow; the link of a mail lives on.",
    ),
    Operation(
        "setNewPassword", "POST", f"{_RESET}/{{id}}/password", "recovery", "Set the new password", "recovery", "asker",
        recovery.ResetFlow, 200, registration.NewPasswordRequest, "try",
        (errors.FeatureDisabled, errors.StepMissing, errors.FlowEnded),
        "Ends every session of the account; none comes of it.",
    ),
    Operation(
        "startTotalLossRecovery", "POST", f"{APP}/total-loss-recoveries", "recovery", "Recover without the old mailbox", "recovery",
        "anybody", recovery.TotalLossFlow, 202, recovery.TotalLossRequest, "start", (errors.FeatureDisabled,),
        "Takes effect after the policy's delay; announced every day, and ended by one press in any notice.",
    ),
    # --- links -------------------------------------------------------------------------------------------------------------
    Operation(
        "inspectLink", "POST", f"{APP}/links/inspect", "links", "What a link is for and whether it works", "link", "asker",
        links.LinkInfo, 200, links.InspectRequest, "try", description="Changes nothing.",
    ),
    Operation(
        "confirmLink", "POST", f"{APP}/links/confirm", "links", "Do what the link is for, once", "link", "asker",
        links.LinkFlow | links.ConfirmedElsewhere | links.LinkDone,
        200, links.ConfirmRequest, "try",
        (*_LINK, errors.LinkOtherBrowser, errors.MatchWrong, errors.CredentialsWrong, errors.NotAllowedByPolicy),
        "From the window that asked it answers the flow. From any other one, activations and resets need `match`: without it "
        "nothing is consumed (`link_other_browser`); a wrong one ends the link. Locks and stops work from anywhere.",
    ),
    Operation(
        "renewLink", "POST", f"{APP}/links/renew", "links", "A fresh link for one that is too old", "link", "anybody",
        links.LinkFlow, 202, links.RenewRequest, "start",
        (*_LINK, errors.FeatureDisabled), "Its message goes to the same address; the flow belongs to whoever asks now.",
    ),
    *SIGNED_IN,
    Operation(
        "receiveSocialAnswer", "GET", "/v1/callbacks/social/{provider}", "sign-in", "Come back from a provider", "identity", "asker",
        social.SocialAnswer, counts="try",
        problems=(errors.SocialDenied, errors.SocialRefused, errors.ProviderUnavailable, errors.IdentityTaken, errors.FlowEnded,
                  errors.StepMissing, errors.FeatureDisabled, errors.NotAllowedByPolicy, errors.SessionRequired),
        description="With the query that the provider sent the browser back with, once, by the flow that asked. A browser is led to its page "
        "instead (303); an API client, which sends `Latchkey-Flow`, is told.",
    ),
    Operation(
        "receiveSocialForm", "POST", "/v1/callbacks/social/{provider}", "sign-in", "The same by a form", "gateway", "provider", status=303,
        description="For providers that answer with a form (`response_mode=form_post`): leads to the same address by GET, with a sealed handle.",
    ),
    # --- providers ---------------------------------------------------------------------------------------------------------
    Operation(
        "receiveCallback", "POST", "/v1/callbacks/{provider}", "providers", "What a provider has to tell", "notifier", "provider",
        problems=(errors.BodyTooLarge,),
        description="Receipts, bounces, and calls that ask what to say, signed by the provider and in its own format.",
    ),
)  # fmt: skip


def operation(name: str) -> Operation:
    """The row of this id; raises StopIteration where there is none."""
    return next(one for one in OPERATIONS if one.id == name)


def models() -> Iterator[Any]:
    """Every body and answer of the API."""
    for one in OPERATIONS:
        yield from (model for model in (one.request, one.answer) if model is not None)
