"""Every verb, in the order of `feilun --help`. A verb is added by adding it to a group's file."""

from __future__ import annotations

from feilun.cli import chatting, house, improving, judging, looking, shipping, starting
from feilun.cli.record import Verb

GROUPS = ("Start", "Look", "Ship", "Improve", "House")

VERBS: tuple[Verb, ...] = (
    *starting.VERBS,
    *looking.VERBS,
    *judging.VERBS,
    *shipping.VERBS,
    *chatting.VERBS,
    *improving.VERBS,
    *house.VERBS,
)
