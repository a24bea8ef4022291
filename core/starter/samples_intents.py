"""The sample classification set: short messages to a shop, each with what it is (`text,label`)."""

from __future__ import annotations

import random

# label → (first halves, second halves) in English, then in French; {i} is an instrument.
_EN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "praise": (
        (
            "The {i} sounds wonderful",
            "I adore my new {i}",
            "What a lovely {i} you sold me",
            "Best shop for a {i} in the whole county",
            "My teacher envied the {i}",
            "The {i} is even better than I hoped",
        ),
        (
            "I will recommend you to everyone.",
            "five stars from me.",
            "I am delighted.",
            "your staff were so kind.",
            "bravo to the whole team!",
            "it made my week.",
            "keep up the great work.",
        ),
    ),
    "complaint": (
        (
            "The {i} rattles at every note",
            "Nobody answered my three mails about the {i}",
            "I am very disappointed by the {i}",
            "The {i} I got is not the colour shown",
            "After two days the {i} fell apart",
            "Your clerk was rude when I showed him the {i}",
        ),
        (
            "this is unacceptable.",
            "I expected better of you.",
            "I want to speak to the manager.",
            "what a waste of money.",
            "I shall not buy from you again.",
            "please put this right.",
            "I feel cheated.",
        ),
    ),
    "order_status": (
        (
            "I have heard nothing about my {i} since Friday",
            "The tracking page of the {i} shows nothing",
            "Order {n} with the {i}",
            "My {i} was dispatched last week",
            "I am still waiting for a {i}",
            "You confirmed the {i} on Monday",
        ),
        (
            "where is it now?",
            "has it left your warehouse?",
            "could you look up its status?",
            "is the courier on his way?",
            "any news for me?",
            "which depot holds it?",
            "please trace the parcel.",
        ),
    ),
    "change_order": (
        (
            "I picked the wrong {i}",
            "Instead of one {i} I would like two",
            "My address changed since I bought the {i}",
            "Order {n} has a {i} in it",
            "About the {i} that I reserved",
            "I typed the wrong house number for the {i}",
        ),
        (
            "please change it before it ships.",
            "can I still edit that?",
            "kindly swap it for the black one.",
            "send it to my office instead.",
            "would you take it off the order?",
            "let me add a case to it.",
            "please update the order.",
        ),
    ),
    "product_question": (
        (
            "Does the {i} come with a case",
            "Is the {i} right for a child of eight",
            "What wood is the {i} made of",
            "How heavy is the {i}",
            "Can the {i} be played with headphones",
            "Which {i} suits a jazz player",
        ),
        (
            "and is it easy to carry?",
            "and which one would you choose?",
            "I cannot find it on the page.",
            "or is there another model?",
            "I would like to know before I decide.",
            "please tell me more.",
            "and what comes in the box?",
        ),
    ),
    "appointment": (
        (
            "I would like to try a {i}",
            "My {i} needs a look from your workshop",
            "We want to see the {i} in the window",
            "I hope to compare two models of {i}",
            "My son wants to play every {i} you have",
            "Could someone show me a {i}",
        ),
        (
            "can I come on Thursday at three?",
            "please book me a slot.",
            "is tomorrow morning free?",
            "which day suits you?",
            "put me down for next week.",
            "I can be there at noon.",
            "when is your expert in?",
        ),
    ),
    "thanks": (
        (
            "Got your reply about the {i}",
            "The {i} is safe at home",
            "Your advice on the {i} helped",
            "The new case for the {i} fits",
            "My {i} is back from you",
            "You explained the {i} so well",
        ),
        (
            "thanks a lot.",
            "thank you very much!",
            "many thanks to you all.",
            "I am grateful for your time.",
            "thanks, that is all for now.",
            "cheers!",
            "thank you, have a good day.",
        ),
    ),
}
_FR: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "praise": (
        ("J'adore ma nouvelle {i}", "Quelle belle {i}", "La {i} a un son superbe"),
        ("bravo à toute l'équipe !", "je suis ravie.", "je vous recommanderai.", "cinq étoiles."),
    ),
    "complaint": (
        (
            "La {i} s'est cassée au bout de deux jours",
            "Je suis très déçu de la {i}",
            "Aucune réponse à mes courriels sur la {i}",
        ),
        (
            "c'est inacceptable.",
            "je veux parler au responsable.",
            "quel gâchis.",
            "je n'achèterai plus chez vous.",
        ),
    ),
    "order_status": (
        ("Toujours pas de nouvelles de ma {i}", "Le suivi de la {i} n'affiche rien", "Commande {n}, une {i}"),
        ("où est-elle ?", "est-elle partie ?", "pouvez-vous vérifier ?", "le livreur est-il en route ?"),
    ),
    "change_order": (
        ("Je me suis trompé de {i}", "Au lieu d'une {i}, j'en voudrais deux", "Pour la {i} réservée hier"),
        (
            "merci de modifier la commande.",
            "puis-je encore changer ?",
            "envoyez-la plutôt à mon bureau.",
            "ajoutez un étui.",
        ),
    ),
    "product_question": (
        (
            "La {i} est-elle fournie avec un étui",
            "Quelle {i} pour un enfant de huit ans",
            "En quel bois est la {i}",
        ),
        (
            "et est-elle lourde ?",
            "je ne trouve pas sur la page.",
            "dites-m'en plus, s'il vous plaît.",
            "ou faut-il un autre modèle ?",
        ),
    ),
    "appointment": (
        (
            "Je voudrais essayer une {i}",
            "Ma {i} doit passer à l'atelier",
            "Quelqu'un peut-il me montrer une {i}",
        ),
        (
            "puis-je venir jeudi à quinze heures ?",
            "quel jour vous convient ?",
            "réservez-moi un créneau.",
            "demain matin, c'est libre ?",
        ),
    ),
    "thanks": (
        ("La {i} est bien arrivée", "Vos conseils sur la {i} m'ont aidée", "Ma {i} est revenue de chez vous"),
        ("merci beaucoup.", "mille mercis.", "je vous remercie, bonne journée.", "merci, c'est tout."),
    ),
}
_THINGS_EN = (
    "oboe",
    "violin",
    "snare drum",
    "mandolin",
    "digital piano",
    "tenor horn",
    "bass guitar",
    "piccolo",
    "concertina",
    "vibraphone",
    "lute",
    "ukulele",
    "double bass",
    "bassoon",
    "synthesiser",
)
_THINGS_FR = ("clarinette", "trompette", "flûte", "guitare", "harpe", "batterie", "mandoline", "contrebasse")


def _rows(
    table: dict[str, tuple[tuple[str, ...], tuple[str, ...]]],
    things: tuple[str, ...],
    each: int,
    dice: random.Random,
) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for label, (firsts, seconds) in table.items():
        pairs = [(a, b) for a in firsts for b in seconds]
        for a, b in dice.sample(pairs, each):
            first = a.format(i=dice.choice(things), n=dice.randint(1000, 9999))
            rows.append((f"{first}, {b}", label))
    return rows


def intent_rows() -> list[tuple[str, str]]:
    """(text, label) rows, 7 labels in equal number, English and some French, shuffled."""
    dice = random.Random("intents")
    rows = _rows(_EN, _THINGS_EN, 40, dice) + _rows(_FR, _THINGS_FR, 10, dice)
    dice.shuffle(rows)
    return rows
