"""The one error a user of the product may see: outside input that cannot be used, in plain words.

Example: ``FaceLLMError("photo.jpg: not a picture (cannot identify image file)")``. Bugs stay
ordinary exceptions, so a caller can tell the two apart.
"""


class FaceLLMError(ValueError):
    """Outside input is unusable; the message names the file or value, the bound and the reason."""
