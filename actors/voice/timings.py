"""How long a call waits for what, in seconds."""

import msgspec


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Deadlines of the turns of a call; those of the models' adapters lie within them."""

    transcript: float = 12.0
    """From the end of a turn until its words are there."""
    said: float = 6.0
    """Until the session has taken what was said."""
    caption: float = 1.0
    """Between two looks for the words so far, while the coach is silent; infinite: words are known at pauses only."""
    words: float = 0.5
    """How long an interruption waits, in silence, for its words."""
    settle: float = 0.5
    """After a cut: until the listener's player has told how far it came."""
    tool: float = 1.2
    """A tool may work so long without a word."""
    thought: float = 4.0
    """The coach may think so long without a word."""
    again: float = 8.0
    """Between one filler and the next."""
    reply: float = 30.0
    """Without a word or a tool of the reply: it is given up."""
    tool_at_most: float = 30.0
    """A tool that works longer is waited for no more."""
    sound: float = 8.0
    """Without any sound of a sentence that is to be spoken: it is shown only."""
    unconfirmed: float = 0.5
    """After the last frame was sent: it counts as heard though nobody says so."""
    ahead: float = 10.0
    """The next sentence is made while less than this has not been sent."""
    longest: float = 3600.0
    """The whole call."""
    away: float = 60.0
    """Without a peer: the call ends."""
    leaving: float = 4.0
    """For the sentence that is being said when the call is to go on elsewhere."""
    connect: float = 15.0
    """For an answer to an offer."""
    ending: float = 2.0
    """For everything that must be done when a call ends."""
