"""Render a conversation with a model's template, and say which tokens carry loss. No torch."""

from core.chat.model import NO_LOSS, ChatModel, Encoded, Loss, answers_think, final_answer, load_chat

__all__ = ["NO_LOSS", "ChatModel", "Encoded", "Loss", "answers_think", "final_answer", "load_chat"]
