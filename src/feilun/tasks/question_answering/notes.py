"""The built-in example: notes about who lives, works and goes where, and questions that some of them answer."""

from __future__ import annotations

import random
from typing import Any

from feilun.core.task import Row

PEOPLE = ("Anna", "Bo Lind", "Chen Wei", "Dr Okoye", "Priya", "王芳", "Tom", "Maria", "Ivan", "Zoë")
PLACES = ("Rome", "New York", "Oslo", "Lake Como", "北京", "Cape Town", "São Paulo", "Kyoto", "Lima", "Bern")
DAYS = ("Monday", "3 May", "12 June", "Friday", "Sunday", "1 July")
FACTS = {
    "lives": ("{person} lives in {place}.", "Where does {person} live?"),
    "works": ("{person} has an office in {place}.", "Where does {person} have an office?"),
    "comes": ("{person} comes back on {day}.", "When does {person} come back?"),
}
WORDS = {"place": PLACES, "day": DAYS}


def example(seed: int) -> list[Row]:
    """500 questions, a fifth of which their note does not answer."""
    drawn = random.Random(seed)
    return [_row(drawn) for _ in range(500)]


def _row(drawn: random.Random) -> Row:
    people = drawn.sample(PEOPLE, 2)
    told = drawn.sample([(person, fact) for person in people for fact in FACTS], 4)
    context = ""
    found: dict[tuple[str, str], Any] = {}
    for person, fact in told:
        sentence, kind = FACTS[fact][0], "day" if fact == "comes" else "place"
        said = drawn.choice(WORDS[kind])
        before, behind = sentence.replace("{person}", person).split(f"{{{kind}}}")
        found[person, fact] = {"text": said, "answer_start": len(context) + len(before)}
        context += f"{before}{said}{behind} "
    missing = [(person, fact) for person in people for fact in FACTS if (person, fact) not in found]
    person, fact = drawn.choice(missing if drawn.random() < 0.2 else told)
    answer = found.get((person, fact))
    right = [] if answer is None else [answer]
    if answer is not None and " " in answer["text"] and fact == "comes":  # a month alone is right, too
        gap = answer["text"].index(" ") + 1
        right.append({"text": answer["text"][gap:], "answer_start": answer["answer_start"] + gap})
    question = FACTS[fact][1].replace("{person}", person)
    return {"question": question, "context": context.strip(), "answers": right}
