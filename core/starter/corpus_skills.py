"""Simple skills of the starter's corpus: one question and its plain answer. Standard library only."""

from __future__ import annotations

import random
from collections.abc import Callable

from core.starter.grammar import expand, load, pairs, words

Pair = tuple[str, str]
Maker = Callable[[random.Random, str], Pair]


def talk(dice: random.Random, lang: str) -> Pair:
    """Greeting, thanks, small talk."""
    ask, answer = dice.choice(load("talk")[lang]["pairs"])
    slots = {slot: dice.choice(words(lang, slot)) for slot in ("name", "city", "hobby", "animal", "food")}
    return expand(ask, dice, lang, **slots), expand(answer, dice, lang, **slots)


_PEOPLE = {
    "en": (
        ("<n> lives in <v>.", "[Where|In which city] does <n> live?", "city"),
        (
            "<n> works as a <v>.",
            "[What is the job of <n>|What does <n> do for a living|What work does <n> do]?",
            "job",
        ),
        ("<n> likes <v>.", "[What does <n> like|What is the hobby of <n>|What does <n> do for fun]?", "hobby"),
        ("<n> eats <v> for lunch.", "[What does <n> eat|What does <n> have for lunch]?", "food"),
        ("<n> was born in <v>.", "[When was <n> born|In which month is the birthday of <n>]?", "month"),
        (
            "The favourite colour of <n> is <v>.",
            "[What is the favourite colour of <n>|Which colour does <n> like best]?",
            "colour",
        ),
        ("<n> bought a <v>.", "[What did <n> buy|Which thing did <n> get]?", "item"),
        ("<n> met <v> yesterday.", "[Whom did <n> meet|Who met <n>]?", "name"),
        ("<n> owns a <v>.", "[Which animal does <n> own|What pet does <n> have]?", "animal"),
        ("<n> arrives on <v>.", "[When does <n> arrive|On which day does <n> come]?", "day"),
    ),
    "fr": (
        ("<n> habite à <v>.", "[Où habite <n>|Dans quelle ville vit <n>] ?", "city"),
        ("Le métier de <n> est <v>.", "[Quel est le métier de <n>|Que fait <n> dans la vie] ?", "job"),
        ("<n> aime <v>.", "[Qu'aime <n>|Quel est le loisir de <n>] ?", "hobby"),
        ("À midi, <n> mange <v>.", "[Que mange <n>|Que prend <n> à midi] ?", "food"),
        ("<n> est né en <v>.", "[Quand est né <n>|En quel mois est l'anniversaire de <n>] ?", "month"),
        (
            "La couleur préférée de <n> est le <v>.",
            "[Quelle est la couleur préférée de <n>|Quelle couleur aime <n>] ?",
            "colour",
        ),
        ("<n> arrive <v>.", "[Quand arrive <n>|Quel jour vient <n>] ?", "day"),
        ("<n> a rencontré <v> hier.", "[Qui <n> a-t-il rencontré|Avec qui était <n>] ?", "name"),
    ),
}
_ASK = {
    "en": ("{c}\n{q}", "{c}\n\n{q}", "Text: {c}\nQuestion: {q}", "Read this: {c}\n{q}", "{q}\n\n{c}"),
    "fr": ("{c}\n{q}", "{c}\n\n{q}", "Texte : {c}\nQuestion : {q}", "Lisez : {c}\n{q}", "{q}\n\n{c}"),
}


def with_text(dice: random.Random, lang: str, text: str, question: str) -> str:
    """A prompt that holds a text and a question about it."""
    return dice.choice(_ASK[lang]).format(c=text, q=question)


def people(dice: random.Random, lang: str) -> Pair:
    """A question about people, answered by the sentence of the text that says it."""
    names = dice.sample(words(lang, "name"), dice.choice((1, 1, 2, 3)))
    kinds = dice.sample(_PEOPLE[lang], dice.choice((2, 3, 4)))
    told = [
        (expand(say, dice, lang, n=name, v=dice.choice(words(lang, slot))), ask, name)
        for name in names
        for say, ask, slot in kinds
    ]
    told = dice.sample(told, min(len(told), 6))
    said, ask, name = dice.choice(told)
    question = expand(ask, dice, lang, n=name)
    return with_text(dice, lang, " ".join(sentence for sentence, _, _ in told), question), said


_GOOD = {
    "en": (
        "[The|This|My] [new |]<item> is [wonderful|great|lovely|excellent|superb|perfect][, I love it|, well done|].",
        "[I love|I adore|We enjoy|I am delighted with|I am happy with] [the|my|this] <item>.",
        "[Best|Finest|Nicest] <item> [ever|in the world|that I know]!",
        "The [waiter|staff|teacher|driver] was [kind|friendly|helpful|so nice].",
    ),
    "fr": (
        "[J'adore|J'aime beaucoup] [ce livre|ce film|ce plat|cet endroit|votre magasin].",
        "[Le film|Le repas|Le concert|Le séjour] était [superbe|excellent|parfait|magnifique].",
        "[Bravo|Félicitations|Quel bonheur], c'était [parfait|très beau|délicieux] !",
    ),
}
_POOR = {
    "en": (
        "[The|This|My] [new |]<item> is [awful|terrible|useless|a disaster|broken|bad][, I hate it|, what a waste|].",
        "[I hate|I regret|I am angry about|I am disappointed by|I am unhappy with] [the|my|this] <item>.",
        "[Worst|Ugliest] <item> [ever|in the world|that I know]!",
        "The [waiter|staff|teacher|driver] was [rude|unfriendly|slow|so lazy].",
    ),
    "fr": (
        "[Je déteste|Je regrette] [ce livre|ce film|ce plat|cet endroit|votre magasin].",
        "[Le film|Le repas|Le concert|Le séjour] était [affreux|nul|décevant|horrible].",
        "[Quelle honte|Quel gâchis|Quelle déception], c'était [nul|raté|mauvais] !",
    ),
}
_FLAT = {
    "en": (
        "[The|This|My] <item> is [<colour>|in the <place>|on the table|from <city>].",
        "[The train|The bus|The shop|The lesson] [starts|opens|leaves] on <day>.",
        "<name> [is|was|lives|works] in <city>.",
    ),
    "fr": (
        "[Le train|Le bus|Le cours] [part|commence|arrive] <day>.",
        "[La table|La porte|La chaise] est [grise|blanche|dans le <place>].",
        "<name> [est|habite|travaille] à <city>.",
    ),
}
_FEELING = {
    "en": (
        ("positive", "negative", "neutral"),
        (
            "Is this positive, negative or neutral? {t}",
            "Classify the sentiment: {t}",
            "Sentiment of this text?\n{t}",
            "{t}\nPositive, negative or neutral?",
        ),
    ),
    "fr": (
        ("positif", "négatif", "neutre"),
        (
            "Est-ce positif, négatif ou neutre ? {t}",
            "Donnez le sentiment : {t}",
            "Quel est le sentiment de ce texte ?\n{t}",
        ),
    ),
}


def sentiment(dice: random.Random, lang: str) -> Pair:
    """Positive, negative or neutral."""
    labels, asks = _FEELING[lang]
    which = dice.randrange(3)
    text = expand(dice.choice((_GOOD, _POOR, _FLAT)[which][lang]), dice, lang)
    return dice.choice(asks).format(t=text), labels[which]


def extract(dice: random.Random, lang: str) -> Pair:
    """Find the name, number, date, mail address or city in a sentence."""
    first, last = dice.choice(words(lang, "name")), dice.choice(words(lang, "surname"))
    city, domain = dice.choice(words(lang, "city")), dice.choice(words(lang, "domain"))
    month, day = dice.choice(words(lang, "month")), dice.randint(1, 28)
    number = str(dice.randint(10, 99999))
    mail = f"{first}.{last}@{domain}".lower()
    date = f"{day} {month}"
    if lang == "en":
        parts = {
            "name": (f"{first} {last}", f"My name is {first} {last}."),
            "number": (number, f"The order number is {number}."),
            "date": (date, f"It was on {date}."),
            "email": (mail, f"Write to {mail}."),
            "city": (city, f"I live in {city}."),
        }
        asks = (
            "Extract the {k}: {t}",
            "What is the {k} in this text?\n{t}",
            "Find the {k}.\n{t}",
            "{t}\nGive me only the {k}.",
        )
    else:
        parts = {
            "nom": (f"{first} {last}", f"Je m'appelle {first} {last}."),
            "numéro": (number, f"Le numéro de commande est {number}."),
            "date": (date, f"C'était le {date}."),
            "courriel": (mail, f"Écrivez à {mail}."),
            "ville": (city, f"J'habite à {city}."),
        }
        asks = ("Extraire : {k}. {t}", "Trouvez ceci : {k}.\n{t}", "{t}\nDonnez seulement ceci : {k}.")
    kinds = dice.sample(sorted(parts), dice.choice((1, 2, 3)))
    wanted = dice.choice(kinds)
    text = " ".join(parts[kind][1] for kind in kinds)
    return dice.choice(asks).format(k=wanted, t=text), parts[wanted][0]


def case(dice: random.Random, lang: str) -> Pair:
    """Write one or two words in capitals or in small letters."""
    slot = dice.choice(("animal", "food", "city", "name", "job"))
    text = dice.choice(words(lang, slot))
    up = dice.random() < 0.5
    if lang == "en":
        ask = dice.choice(("Write in {k}: {t}", "Put this in {k}: {t}", "{t}\nRewrite it in {k}."))
        kind = (
            dice.choice(("capitals", "capital letters", "upper case"))
            if up
            else dice.choice(("small letters", "lower case"))
        )
    else:
        ask = dice.choice(("Écrivez en {k} : {t}", "Mettez en {k} : {t}"))
        kind = "majuscules" if up else "minuscules"
    return ask.format(k=kind, t=text.lower() if up else text.upper()), text.upper() if up else text.lower()


_DO = {
    "en": (
        "[send|give|bring|lend|sell] me the <item>",
        "[open|close|clean|paint] the [door|window|box|<item>]",
        "[call|help|wait for|write to] <name>",
        "[come|go|drive] to <city> on <day>",
        "[tell|show|teach] <name> [the way|the truth|a song]",
        "[put|leave|hide] the <item> in the <place>",
    ),
    "fr": (
        "[ouvrir|fermer|nettoyer] [la porte|la fenêtre|la boîte]",
        "[appeler|aider|attendre] <name>",
        "[venir|aller] à <city> <day>",
        "[envoyer|donner|apporter] le colis à <name>",
    ),
}


def polite(dice: random.Random, lang: str) -> Pair:
    """Turn an order into a polite request."""
    deed = expand(dice.choice(_DO[lang]), dice, lang)
    if lang == "en":
        ask = dice.choice(("Make this polite: {t}.", "Say it politely: {t}.", "Rewrite politely: {t}!"))
        return ask.format(t=deed[0].upper() + deed[1:]), f"Could you please {deed}?"
    ask = dice.choice(("Dites-le poliment : {t}.", "Rendez ceci poli : {t} !"))
    return ask.format(t=deed), f"Pourriez-vous {deed}, s'il vous plaît ?"


_NEWS = {
    "en": (
        "[the meeting|the lesson|the concert|the party] is on <day>",
        "<name> is in <city>",
        "the <item> is [ready|broken|here|lost]",
        "the <place> is [closed|open] on <day>",
        "<name> [sold|lost|found] a <item>",
        "the <animal> is in the <place>",
    ),
    "fr": (
        "[le cours|le concert|le repas] est <day>",
        "<name> est à <city>",
        "le <animal> est dans le <place>",
        "le <place> est [fermé|ouvert] <day>",
    ),
}
_LONG = {
    "en": (
        "I would like to let you know that",
        "As you may have heard already,",
        "I am writing to you today because",
        "It is a fact that",
        "Please note, dear friends, that",
        "After a long time I can tell you that",
        "There is no doubt at all that",
    ),
    "fr": (
        "Je voudrais vous faire savoir que",
        "Comme vous le savez peut-être déjà,",
        "Je vous écris aujourd'hui parce que",
        "Sachez, chers amis, que",
    ),
}


def shorten(dice: random.Random, lang: str) -> Pair:
    """Cut the padding from a sentence."""
    news = expand(dice.choice(_NEWS[lang]), dice, lang)
    ask = dice.choice(
        ("Make it shorter: {t}", "Shorten: {t}", "Say it in fewer words: {t}")
        if lang == "en"
        else ("Raccourcissez : {t}", "Dites-le plus court : {t}")
    )
    return ask.format(t=f"{dice.choice(_LONG[lang])} {news}."), f"{news[0].upper()}{news[1:]}."


def translate(dice: random.Random, lang: str) -> Pair:
    """One word from English to French or back."""
    english, french = dice.choice(pairs("translate"))
    if lang == "en":
        ask = dice.choice(("What is {t} in French?", "Translate into French: {t}", "How do you say {t} in French?"))
        return ask.format(t=english), french
    ask = dice.choice(
        ("Que veut dire {t} en anglais ?", "Traduisez en anglais : {t}", "Comment dit-on {t} en anglais ?")
    )
    return ask.format(t=french), english


def opposite(dice: random.Random, lang: str) -> Pair:
    """The opposite of a word (English only; French asks for a translation)."""
    if lang == "fr":
        return translate(dice, lang)
    one, other = dice.choice(pairs("opposites"))
    if dice.random() < 0.5:
        one, other = other, one
    return dice.choice(("What is the opposite of {t}?", "Opposite of {t}?", "Give me the opposite: {t}")).format(
        t=one
    ), other


def repeat(dice: random.Random, lang: str) -> Pair:
    """Say a list or a sentence again, or only the first or last of a list."""
    kind = dice.randrange(5)
    slot = dice.choice(("animal", "food", "name", "city", "colour", "surname"))
    chosen = dice.sample(words(lang, slot), dice.choice((2, 3, 4, 5)))
    if dice.random() < 0.2:
        chosen = ["".join(dice.choices("ABCDEFGHKLMNPRSTUVXYZ0123456789", k=dice.randint(2, 6))) for _ in chosen]
    text = ", ".join(chosen)
    if kind < 2:
        text = expand(dice.choice(_NEWS[lang]), dice, lang) + "."
        text = f"{text} {expand(dice.choice(_FLAT[lang]), dice, lang)}" if kind else text
    if lang == "en":
        ask = ("Repeat: {t}", "Say this again: {t}", "Repeat: {t}", "What comes first? {t}", "What comes last? {t}")[
            kind
        ]
    else:
        ask = (
            "Répétez : {t}",
            "Redites ceci : {t}",
            "Répétez : {t}",
            "Quel est le premier ? {t}",
            "Quel est le dernier ? {t}",
        )[kind]
    return ask.format(t=text), (text, text, text, chosen[0], chosen[-1])[kind]


def sequence(dice: random.Random, lang: str) -> Pair:
    """What comes before or after a day, a month, a number."""
    kind = dice.choice(("day", "month", "number"))
    row = tuple(str(n) for n in range(100)) if kind == "number" else words(lang, kind)
    at = dice.randrange(1, len(row) - 1)
    after = dice.random() < 0.5
    if lang == "en":
        ask = dice.choice(("What comes {k} {t}?", "Which one is {k} {t}?")).format(
            k="after" if after else "before", t=row[at]
        )
    else:
        ask = "Qu'est-ce qui vient {k} {t} ?".format(k="après" if after else "avant", t=row[at])
    return ask, row[at + 1] if after else row[at - 1]


def sums(dice: random.Random, lang: str) -> Pair:
    """Add or take away small numbers."""
    a, b = dice.randint(1, 20), dice.randint(1, 20)
    if dice.random() < 0.3 and a >= b:
        return (f"What is {a} minus {b}?" if lang == "en" else f"Combien font {a} moins {b} ?"), str(a - b)
    return (f"What is {a} plus {b}?" if lang == "en" else f"Combien font {a} plus {b} ?"), str(a + b)


_TALE = {
    "en": (
        (
            "[One day|Once|Last <day>|In <month>|One morning], <n> [walked|ran|drove|went] to the <place>.",
            "<n> lived [near|beside|behind] a [big|small|old|quiet] <place>.",
        ),
        (
            "There [he|she] [met|saw|found] a [<adj> |]<animal>.",
            "A [<adj> |]<animal> [was waiting|sat] there.",
            "[He|She] [carried|had lost|wanted] a [<adj> |]<item>.",
        ),
        (
            "The <animal> [was hungry|was tired|liked music|was afraid].",
            "They [shared|ate] some <food>.",
            "It was [cold|warm|late|dark] in <city>.",
        ),
        (
            "[In the end|At last|In the evening], they [went home|became friends|sang a song|fell asleep].",
            "[Everybody|<n>] was [happy|tired|glad|proud].",
        ),
    ),
    "fr": (
        (
            "[Un jour|Un matin|En <month>], <n> [alla|courut|marcha] vers le <place>.",
            "<n> vivait près d'un [vieux|petit|grand] <place>.",
        ),
        ("Là, il y avait un <animal> <colour>.", "Un <animal> attendait là."),
        ("Le <animal> avait [faim|peur|sommeil].", "Il faisait [froid|chaud|nuit]."),
        (
            "[À la fin|Le soir], ils [rentrèrent|chantèrent|dormirent].",
            "Tout le monde était [heureux|content|fatigué].",
        ),
    ),
}


def story(dice: random.Random, lang: str) -> Pair:
    """A few plain sentences about somebody."""
    name = dice.choice(words(lang, "name"))
    tale = " ".join(expand(dice.choice(part), dice, lang, n=name) for part in _TALE[lang])
    ask = (
        ("Tell me a [short |little |]story about {n}.", "Write [some|a few] sentences about {n}.")
        if lang == "en"
        else ("Racontez une [petite |courte |]histoire sur {n}.", "Écrivez quelques phrases sur {n}.")
    )
    return expand(dice.choice(ask), dice, lang).format(n=name), tale


SKILLS: dict[str, tuple[Maker, float]] = {
    "talk": (talk, 6),
    "people": (people, 12),
    "sentiment": (sentiment, 5),
    "extract": (extract, 10),
    "case": (case, 1.5),
    "polite": (polite, 4),
    "shorten": (shorten, 4),
    "translate": (translate, 2),
    "opposite": (opposite, 1.5),
    "repeat": (repeat, 9),
    "sequence": (sequence, 1.5),
    "sums": (sums, 1),
    "story": (story, 2),
}
