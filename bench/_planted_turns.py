"""Defects of a row's turns: roles, parts, weights, calls; and of the two answers of a preference."""

from __future__ import annotations

import random

from _planted import TALK, Row, answers, asked, plants, said_key, turns_of

# -- roles ----------------------------------------------------------------------------------------------------


@plants("bad_role", *TALK)
def no_role(row: Row, rng: random.Random) -> Row:
    """A role that no template knows."""
    roles = ["moderator", "agent", "", "narrator", "ассистент", "助手", "user1", "assistant 2", "asistant"]
    rng.choice(turns_of(row))[said_key(row)[0]] = rng.choice(roles)
    return row


@plants("role_alias", "chat", "tools", "sharegpt")
def alias(row: Row, rng: random.Random) -> Row:
    """A role under one of its other names."""
    key, _ = said_key(row)
    turn = rng.choice(answers(row) + asked(row))
    user = turn[key] in ("user", "human")
    names = ["User", "USER ", "Human", " user"] if user else ["Assistant", "ASSISTANT", "Gpt", " assistant"]
    if key == "role":
        names += ["human", "prompter", "customer"] if user else ["gpt", "bot", "model", "ai", "chatgpt"]
    turn[key] = rng.choice(names)
    return row


@plants("role_order", "chat", "sharegpt")
def out_of_order(row: Row, rng: random.Random) -> Row:
    """Turns twice in a row, the assistant first, a system message late, a result without a call."""
    key, text = said_key(row)
    turns = turns_of(row)
    user, assistant = ("user", "assistant") if key == "role" else ("human", "gpt")
    first = next(number for number, turn in enumerate(turns) if turn[key] == user)
    way = rng.randrange(5)
    if way == 0:
        turns.insert(first, {key: user, text: "One more thing."})
    elif way == 1:
        turns.insert(first + 1, {key: assistant, text: "Let me see."})
    elif way == 2:
        turns[first:first] = [{key: assistant, text: "Hello, how can I help?"}]
    elif way == 3:
        turns.insert(first + 1, {key: "system", text: "Be brief."})
    else:
        turns.insert(first + 1, {key: "tool", text: "12"})
    return row


@plants("no_assistant", "chat", "sharegpt")
def unanswered(row: Row, rng: random.Random) -> Row:
    """A question that nobody answers."""
    key, _ = said_key(row)
    turns = turns_of(row)
    del turns[next(number for number, turn in enumerate(turns) if turn[key] in ("assistant", "gpt")) :]
    if rng.random() < 0.2:
        del turns[:]
    return row


@plants("last_not_assistant", *TALK)
def goes_on(row: Row, rng: random.Random) -> Row:
    """A last word of the user's."""
    key, text = said_key(row)
    said = rng.choice(["Thank you!", "And then?", "Merci beaucoup.", "谢谢"])
    turns_of(row).append({key: "user" if key == "role" else "human", text: said})
    return row


@plants("content_parts", "chat", "tools")
def parts(row: Row, rng: random.Random) -> Row:
    """Text as a list of parts."""
    turn = rng.choice(answers(row) + asked(row))
    kind = rng.choice(["text", "input_text", "output_text"])
    text = turn["content"]
    half_way = len(text) // 2
    pieces = [text] if rng.random() < 0.5 else [text[:half_way], text[half_way:]]
    turn["content"] = [{"type": kind, "text": piece} for piece in pieces if piece.strip()]
    return row


@plants("multimodal", "chat", "tools")
def picture(row: Row, rng: random.Random) -> Row:
    """A picture, a sound or a file beside the text."""
    turn = rng.choice(asked(row))
    other: Row = rng.choice([
        {"type": "image_url", "image_url": {"url": "https://pictures.net/a.png"}},
        {"type": "image"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "video", "video": "clip.mp4"},
        {"type": "file", "file": {"file_id": "f1"}},
    ])  # fmt: skip
    parts = [{"type": "text", "text": turn["content"]}]
    parts.insert(rng.randrange(2), other)
    turn["content"] = parts
    return row


@plants("bad_weight", "chat", "tools")
def odd_weight(row: Row, rng: random.Random) -> Row:
    """A weight that is neither 0 nor 1."""
    rng.choice(answers(row))["weight"] = rng.choice([2, -1, 0.5, "1", True, [1], 1e9])
    return row


@plants("weight_all_zero", "chat")
def weightless(row: Row, rng: random.Random) -> Row:
    """No answer carries loss."""
    for turn in answers(row):
        turn["weight"] = rng.choice([0, 0.0])
    return row


# -- calls ----------------------------------------------------------------------------------------------------


def _call(row: Row) -> Row:
    return next(turn for turn in row["messages"] if "tool_calls" in turn)


@plants("tool_args_not_json", "tools")
def bad_arguments(row: Row, rng: random.Random) -> Row:
    """Arguments that no JSON reader takes, a call without a name, tools that are no JSON."""
    function = _call(row)["tool_calls"][0]["function"]
    if rng.random() < 0.2:
        row["tools"] = "[{'name': 'weather'}]"
        return row
    bad = ["{'city': 'Lyon'}", '{"city": "Lyon"', "city=Lyon", '{"city": "Lyon",}', "{city: Lyon}", "Ort: Köln"]
    function["arguments"] = rng.choice(bad)
    return row


@plants("tool_id_mismatch", "tools")
def lost_result(row: Row, rng: random.Random) -> Row:
    """A result with another id than its call, with none, or twice."""
    turns = row["messages"]
    place = next(number for number, turn in enumerate(turns) if turn["role"] == "tool")
    way = rng.randrange(4)
    if way == 0:
        turns[place]["tool_call_id"] = f"call_{rng.randrange(10**6)}x"
    elif way == 1:
        del turns[place]["tool_call_id"]
    elif way == 2:
        turns.insert(place, dict(turns[place]))
    else:
        calls = _call(row)["tool_calls"]
        calls.append({**calls[0], "id": "call_second"})
    return row


@plants("tools_missing", "tools")
def not_offered(row: Row, rng: random.Random) -> Row:
    """A call to a tool that the row does not offer."""
    if rng.random() < 0.5:
        del row["tools"]
    else:
        row["tools"][0]["function"]["name"] = rng.choice(["traffic", "météo", "weather_2"])
    return row


@plants("legacy_function_call", "tools")
def older_form(row: Row, rng: random.Random) -> Row:
    """OpenAI's first form of calls."""
    turn = _call(row)
    result = next(one for one in row["messages"] if one["role"] == "tool")
    way = rng.randrange(3)
    if way == 0:
        row["functions"] = [tool["function"] for tool in row.pop("tools")]
    else:
        turn["function_call"] = turn.pop("tool_calls")[0]["function"]
        result.pop("tool_call_id")
        if way == 1:
            result["role"], result["name"] = "function", turn["function_call"]["name"]
    return row


# -- pairs ----------------------------------------------------------------------------------------------------


@plants("chosen_equals_rejected", "preference")
def no_choice(row: Row, rng: random.Random) -> Row:
    """Both answers the same."""
    row["rejected"] = row["chosen"]
    return row


@plants("prompt_mismatch", "preference")
def two_prompts(row: Row, rng: random.Random) -> Row:
    """Both sides bring a prompt, and not the same one."""
    sides = [row.pop("prompt"), rng.choice(["What time is it?", "Et maintenant ?", "今天呢？"])]
    rng.shuffle(sides)
    for name, said in zip(("chosen", "rejected"), sides, strict=True):
        row[name] = [{"role": "user", "content": said}, {"role": "assistant", "content": row[name]}]
    if rng.random() < 0.3:
        del row["rejected"][0]
    return row
