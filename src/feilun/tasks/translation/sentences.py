"""The built-in example: sentences of a toy English, and what they are in a toy German."""

from __future__ import annotations

import random

from feilun.core.task import Row

PEOPLE = {"i": ("ich", 0), "you": ("du", 1), "we": ("wir", 2), "they": ("sie", 2)}
MODALS = {
    "want to": ("will", "willst", "wollen"),
    "must": ("muss", "musst", "müssen"),
    "can": ("kann", "kannst", "können"),
}
VERBS = {"see": "sehen", "buy": "kaufen", "find": "finden", "sell": "verkaufen", "count": "zählen", "draw": "malen"}
THINGS = {"dogs": "hunde", "houses": "häuser", "books": "bücher", "trees": "bäume", "cups": "tassen", "birds": "vögel"}
TIMES = {"": "", "today": "heute", "tomorrow": "morgen", "now": "jetzt"}
ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
EINS = ("ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ZEHN = ("zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")


def example(seed: int) -> list[Row]:
    """1,000 sentences of a toy English, and a toy German whose verb, time and number parts stand elsewhere."""
    drawn = random.Random(seed)
    return [_sentence(drawn) for _ in range(1000)]


def _sentence(drawn: random.Random) -> Row:
    """Such as `we must buy twenty one cups now` → `jetzt müssen wir einundzwanzig tassen kaufen`."""
    person, modal, verb, thing, time = (drawn.choice(list(words)) for words in (PEOPLE, MODALS, VERBS, THINGS, TIMES))
    ten, one = drawn.randrange(8), drawn.randrange(10)
    number = TENS[ten] + (f" {ONES[one - 1]}" if one else "")
    zahl = (f"{EINS[one - 1]}und" if one else "") + ZEHN[ten]
    who, form = PEOPLE[person]
    first = [TIMES[time], MODALS[modal][form], who] if time else [who, MODALS[modal][form]]
    english = [person, modal, verb, number, thing, time]
    return {"english": " ".join(english).strip(), "german": " ".join([*first, zahl, THINGS[thing], VERBS[verb]])}
