"""What transformers' callback catches."""


class ConfigError(Exception):
    """As wandb's."""
