"""Personal data and secrets in text: where they are, how to show them in part, what to put in their place."""
