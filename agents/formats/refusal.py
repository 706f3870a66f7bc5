"""What is wrong with a text or a value that is to be converted."""


class FormatRefused(ValueError):  # noqa: N818 - what happened, like every event
    """A text that is not of its format, or a value that the format cannot hold."""
