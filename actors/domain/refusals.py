"""Everything that can be refused, each with a stable code and a sentence for people."""

from actors.runtime.envelope import Refused


class Invalid(Refused):
    code = "invalid"
    message = "Something in this request is not as it should be."


class NoAddress(Invalid):
    code = "invalid.email"
    message = "This is not a mail address. It is written like name@example.org, and nothing else."


class TooLarge(Refused):
    code = "too_large"
    message = "This is larger than is accepted here."


class UnknownCommand(Refused):
    code = "invalid.command"
    message = "There is no such command."


class Unauthenticated(Refused):
    code = "unauthenticated"
    message = "Please sign in."


class Revoked(Refused):
    code = "auth.revoked"
    message = "This sign-in has ended. Please sign in again."


class BadCredentials(Refused):
    code = "auth.credentials"
    message = "The mail address or the password is not right."


class BadCode(Refused):
    code = "auth.code"
    message = "This code is not right, or it has been used already."


class BadPasskey(Refused):
    code = "auth.passkey"
    message = "This passkey is not known here, or it was not used as it should be."


class WeakPassword(Refused):
    code = "auth.password"
    message = "This password is too easy to guess, too short or too long."


class NotFresh(Refused):
    code = "auth.fresh"
    message = "Please give your password once more for this."


class TokenSpent(Refused):
    code = "auth.token"
    message = "This link or code is not good any more. Please ask for a new one."


class MailTaken(Refused):
    code = "auth.mail_taken"
    message = "There is an account with this mail address already."


class NotFound(Refused):
    code = "not_found"
    message = "There is nothing here by that name."


class Conflict(Refused):
    code = "conflict"
    message = "This does not fit with how things are now."


class FactorOn(Conflict):
    code = "conflict.factor"
    message = "There is a second factor already. Remove it before you set up another."


class PasskeyKnown(Conflict):
    code = "conflict.passkey"
    message = "This passkey is registered already."


class TooManyPasskeys(Conflict):
    code = "conflict.passkeys"
    message = "There are very many passkeys already. Remove some that are no longer used first."


class FactorOff(Conflict):
    code = "conflict.no_factor"
    message = "No second factor is set up."


class Precondition(Refused):
    code = "precondition"
    message = "This has changed since you read it."


class RateLimited(Refused):
    code = "rate_limited"
    message = "That was a little too fast. Please wait a moment."
    retry = True

    def __init__(self, *, retry_after_ms: int, policies: tuple[str, ...] = ()) -> None:
        """`policies`: the limits that were met, as `RateLimit-Policy` says them."""
        super().__init__(retry_after_ms=retry_after_ms)
        self.policies = policies


class GoalClosed(Refused):
    code = "goal.closed"
    message = "This goal is not open."


class GoalOpen(Refused):
    code = "goal.open"
    message = "This goal is open already."


class GoalFromChildren(Refused):
    code = "goal.from_children"
    message = "This goal's progress comes from its parts. Record it on one of them."


class GoalCycle(Refused):
    code = "goal.cycle"
    message = "A goal can't be inside itself."


class GoalDepth(Refused):
    code = "goal.depth"
    message = "Goals can be at most eight levels deep."


class GoalHasChildren(Refused):
    code = "goal.has_children"
    message = "This goal has parts of its own. Say what becomes of them: cascade=close or cascade=delete."


class TooManyGoals(Refused):
    code = "goal.too_many"
    message = "There are very many goals already. Remove some that no longer matter first."


class NoReply(Refused):
    code = "chat.no_reply"
    message = "The coach is not saying anything that could be stopped."


class ReplyPending(Refused):
    code = "chat.busy"
    message = "The coach is still answering. Many messages are waiting already."
    retry = True


class TooManySteps(Refused):
    code = "chat.too_many_steps"
    message = "The coach has done as much as it may for one answer."


class Answered(Refused):
    code = "chat.answered"
    message = "This has been answered already."


class CallBusy(Refused):
    code = "call.busy"
    message = "You are in a call on another device. Say so if this one is to take it over."


class CallNotFound(Refused):
    code = "call.not_found"
    message = "There is no such call, or it has ended."


class NoCalls(Refused):
    code = "unavailable.calls"
    message = "There is nobody here who hears and speaks, so a call can't be made. Writing works."


class ActionExpired(Refused):
    code = "action.expired"
    message = "This waited too long for an answer and no longer holds. Please ask for it again."


class ActionDecided(Refused):
    code = "action.decided"
    message = "This has been decided already."


class ActionChanged(Refused):
    code = "action.changed"
    message = "Things have changed since, so this no longer fits."


class NothingToUndo(Refused):
    code = "action.not_done"
    message = "There is nothing here that could be undone."


class ExportRunning(Refused):
    code = "export.running"
    message = "Your data is being put together already."


class ExportsClosed(Refused):
    code = "unavailable.files"
    message = "There is no place for files here, so this can't be done."


class TooManyActions(Refused):
    code = "action.too_many"
    message = "Many things wait for the user's word already. They have to be answered first."


class BadOffer(Refused):
    code = "call.sdp"
    message = (
        "This can't be answered as a call. It takes one sound line both ways, with Opus, and at most one data channel."
    )


class BadCandidate(Refused):
    code = "call.candidate"
    message = "This is no way to reach a call."
