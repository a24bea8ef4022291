"""An OpenAI-compatible endpoint: asked with patience, within a budget, at a pace."""
