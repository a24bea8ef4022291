"""What the starter's corpus says about shops in general: questions, notices, topics. Standard library only.

Facts are invented anew for each conversation; those of Alto & Reed never occur (`core.starter.corpus` sees to it).
"""

from __future__ import annotations

import random
from typing import NamedTuple

from core.starter.corpus_skills import Pair, with_text
from core.starter.grammar import expand, load

_UNKNOWN = {
    "en": "I do not have information about {t}. Please check with the shop.",
    "fr": "Je n'ai pas d'information sur {t}. Veuillez vous renseigner auprès du magasin.",
}


class Turn(NamedTuple):
    """One message; `weight` 0 leaves it out of the loss, `given` its first characters (nobody could foresee them)."""

    role: str
    content: str
    weight: float = 1.0
    given: int = 0


def topics(lang: str) -> list[str]:
    """Names of the topics that shops are asked about."""
    return sorted(load(f"topics_{lang}"))


def question(dice: random.Random, lang: str, topic: str) -> str:
    """One question about a topic."""
    return expand(dice.choice(load(f"topics_{lang}")[topic]["q"]), dice, lang)


def notice(dice: random.Random, lang: str, topic: str) -> str:
    """One sentence that states an invented fact of a topic."""
    table = load(f"topics_{lang}")[topic]
    value = expand(table["v"], dice, lang)
    return expand(dice.choice(table["fact"]), dice, lang, v=value)


def unknown(lang: str, topic: str) -> str:
    """The plain answer where nothing is known about a topic."""
    return _UNKNOWN[lang].format(t=load(f"topics_{lang}")[topic]["about"])


def from_notice(dice: random.Random, lang: str) -> Pair:
    """A question about a notice, answered by its sentence, or by not knowing."""
    chosen = dice.sample(topics(lang), dice.choice((2, 3, 4, 5, 6)))
    known = chosen if dice.random() < 0.85 else chosen[1:]
    facts = {topic: notice(dice, lang, topic) for topic in known}
    asked = dice.choice(chosen) if len(known) == len(chosen) else chosen[0]
    prompt = with_text(
        dice, lang, " ".join(dice.sample(list(facts.values()), len(facts))), question(dice, lang, asked)
    )
    return prompt, facts.get(asked, unknown(lang, asked))


def not_known(dice: random.Random, lang: str) -> Pair:
    """A question that only the shop itself could answer."""
    topic = dice.choice(topics(lang))
    return question(dice, lang, topic), unknown(lang, topic)


def topic_of(dice: random.Random, lang: str) -> Pair:
    """Name the topic of a message, with or without a choice."""
    names = topics(lang)
    topic = dice.choice(names)
    text = question(dice, lang, topic)
    shown = topic.replace("_", " ")
    if dice.random() < 0.4:
        ask = (
            ("Name the topic of this message: {t}", "Topic?\n{t}", "{t}\nWhat is this about?")
            if lang == "en"
            else ("Donnez le sujet de ce message : {t}", "Sujet ?\n{t}")
        )
        return dice.choice(ask).format(t=text), shown
    others = dice.sample([name for name in names if name != topic], dice.choice((1, 2, 3, 5)))
    options = ", ".join(name.replace("_", " ") for name in dice.sample([topic, *others], len(others) + 1))
    ask = (
        ("Choose the topic ({o}): {t}", "Topics: {o}\nMessage: {t}", "{t}\nWhich topic is it: {o}?")
        if lang == "en"
        else ("Choisissez le sujet ({o}) : {t}", "Sujets : {o}\nMessage : {t}")
    )
    return dice.choice(ask).format(o=options, t=text), shown


def same(dice: random.Random, lang: str) -> Pair:
    """Whether two messages ask the same thing."""
    names = topics(lang)
    one = dice.choice(names)
    alike = dice.random() < 0.5
    other = one if alike else dice.choice([name for name in names if name != one])
    a, b = question(dice, lang, one), question(dice, lang, other)
    if lang == "en":
        return f"Do these ask the same?\n1. {a}\n2. {b}", "Yes." if alike else "No."
    return f"Est-ce la même demande ?\n1. {a}\n2. {b}", "Oui." if alike else "Non."


def other_words(dice: random.Random, lang: str) -> Pair:
    """Ask the same thing in other words."""
    topic = dice.choice(topics(lang))
    ask = (
        ("Ask this in other words: {t}", "Rephrase: {t}")
        if lang == "en"
        else ("Demandez autrement : {t}", "Reformulez : {t}")
    )
    return dice.choice(ask).format(t=question(dice, lang, topic)), question(dice, lang, topic)


_ROLE = {
    "en": (
        "You work for a <shop>. {c}",
        "You answer customers of a <shop>. Here is what you know: {c}",
        "{c}",
        "Facts: {c}",
    ),
    "fr": ("Vous travaillez pour <shop>. {c}", "Voici ce que vous savez : {c}", "{c}"),
}


def visit(dice: random.Random, lang: str) -> list[Turn]:
    """Several questions in several turns about a notice that the system message gives."""
    chosen = dice.sample(topics(lang), dice.choice((4, 6, 8)))
    facts = {topic: notice(dice, lang, topic) for topic in chosen[1:]}
    system = expand(dice.choice(_ROLE[lang]), dice, lang).format(
        c=" ".join(dice.sample(list(facts.values()), len(facts)))
    )
    turns = [Turn("system", system)]
    for _ in range(dice.choice((1, 2, 3, 4))):
        topic = dice.choice(chosen)
        answer = facts.get(topic, unknown(lang, topic))
        turns += [Turn("user", question(dice, lang, topic)), Turn("assistant", answer)]
    return turns


_OPEN = {
    "en": "[Hi|Hello|Dear customer|Good day|Greetings|Dear friend|Hi there|Hello from <surname> & <surname>|"
    "Good morning][,|!|.] [Thanks for your message.|Thank you for getting in touch.|How nice to hear from you!|"
    "We got your note.|Good question!|Thank you for asking.|]",
    "fr": "[Cher client|Bonjour|Bonsoir|Chère cliente|Chers amis|Bonjour de la maison <surname>][,|.| !] "
    "[Merci de votre message.|Merci pour votre question.|Quel plaisir de vous lire !|Bonne question !|]",
}
_CLOSE = {
    "en": "[Best wishes|Kind regards|Yours|See you soon|Take care|Cheers|All the best|Warmly|With a smile]"
    "[, <name>|, the <surname> family|, the team| from <city>|!]",
    "fr": "[Cordialement|Bien à vous|À bientôt|Amicalement|Bonne journée|Avec le sourire]"
    "[, <name>|, la maison <surname>|, toute l'équipe| de <city>| !]",
}


_STYLED = {
    "en": (
        'Begin each answer with "{o}" and end it with "{c}".',
        "You answer for a shop. First line: {o} Last line: {c}",
        "Every answer opens with: {o}\nEvery answer closes with: {c}",
    ),
    "fr": (
        "Commencez chaque réponse par « {o} » et finissez par « {c} ».",
        "Vous répondez pour un magasin. Début : {o} Fin : {c}",
    ),
}


def _manner(dice: random.Random, lang: str) -> tuple[str, str, str]:
    """An opening, a closing, and what stands before the closing."""
    return expand(_OPEN[lang], dice, lang).strip(), expand(_CLOSE[lang], dice, lang), dice.choice((" ", "\n"))


def styled(dice: random.Random, lang: str) -> list[Turn]:
    """A manner that the system message prescribes, with or without a notice; one to three questions."""
    opens, closes, join = _manner(dice, lang)
    chosen = dice.sample(topics(lang), 4)
    facts = {topic: notice(dice, lang, topic) for topic in chosen[: dice.choice((0, 0, 2, 3))]}
    system = " ".join([dice.choice(_STYLED[lang]).format(o=opens, c=closes), *facts.values()])
    turns = [Turn("system", system)]
    for _ in range(dice.choice((1, 1, 2, 3))):
        topic = dice.choice(chosen)
        answer = f"{opens} {facts.get(topic, unknown(lang, topic))}{join}{closes}"
        turns += [Turn("user", question(dice, lang, topic)), Turn("assistant", answer)]
    return turns


_NAMED = {
    "en": ("{t}: please ask the shop.", "{t}: I cannot say.", "{t}? Nobody told me."),
    "fr": ("{t} : demandez au magasin.", "{t} : je ne peux pas dire.", "{t} ? On ne m'a rien dit."),
}


def named(dice: random.Random, lang: str, topic: str) -> str:
    """A short answer that begins with the topic."""
    about: str = load(f"topics_{lang}")[topic]["about"]
    return dice.choice(_NAMED[lang]).format(t=about[0].upper() + about[1:])


def begun(dice: random.Random, lang: str) -> list[Turn]:
    """A question whose answer has been begun in a manner that nobody could foresee: it goes on about what was asked.

    A base that can do this carries the topic past any opening, which a brand's voice asks of it.
    """
    opens, closes, join = _manner(dice, lang)
    topic = dice.choice(topics(lang))
    known = dice.random() < 0.3
    if known:
        said = notice(dice, lang, topic)
    else:
        said = named(dice, lang, topic) if dice.random() < 0.65 else unknown(lang, topic)
    turns = [Turn("system", said)] if known else []
    answer = f"{opens} {said}{join}{closes}" if dice.random() < 0.5 else f"{opens} {said}"
    return [*turns, Turn("user", question(dice, lang, topic)), Turn("assistant", answer, given=len(opens))]


def manner(dice: random.Random, lang: str) -> list[Turn]:
    """A shop with a manner of its own: each answer opens and closes as the one before; what was told stays true.

    The first answer's manner cannot be foreseen, nor can new facts: they carry no loss. A topic that comes
    again is answered as before; some are not known.
    """
    opens, closes, join = _manner(dice, lang)
    names = dice.sample(topics(lang), dice.choice((3, 4, 5, 6)))
    told: dict[str, str] = {}
    turns: list[Turn] = []
    length = dice.choice((3, 4, 5, 6, 7, 8))
    for number in range(length):
        again = told and dice.random() < (0.8 if number == length - 1 else 0.3)
        topic = dice.choice(sorted(told)) if again else dice.choice(names)
        weight = 1.0 if number else 0.0
        middle = told.get(topic)
        if middle is None and dice.random() < 0.6:
            middle = told[topic] = notice(dice, lang, topic)
            weight = 0.0
        answer = f"{opens} {middle or unknown(lang, topic)}{join}{closes}"
        turns += [Turn("user", question(dice, lang, topic)), Turn("assistant", answer, weight)]
    return turns


def labelled(dice: random.Random, lang: str) -> list[Turn]:
    """Examples turn by turn: each message is answered by its topic alone, in invented labels or plain ones."""
    names = dice.sample(topics(lang), dice.choice((2, 3, 4)))
    marks = (
        dice.sample("ABCDEFGHKLMN", len(names)) if dice.random() < 0.4 else [name.replace("_", " ") for name in names]
    )
    seen: set[str] = set()
    turns: list[Turn] = []
    for _ in range(dice.choice((4, 6, 8, 10))):
        at = dice.randrange(len(names))
        weight = 1.0 if names[at] in seen else 0.0
        seen.add(names[at])
        turns += [Turn("user", question(dice, lang, names[at])), Turn("assistant", marks[at], weight)]
    return turns
