"""Models that can be asked, and how the command line names them.

(nothing)                          the weights shipped with facellm
folder with a facellm config       our model (``local``)
folder of another config, hf:ID    any image-text model of ``transformers`` (``foreign``)
http://host:8000/v1#NAME           an OpenAI-compatible endpoint (``endpoint``)
module:name                        a Python function (``function``)
"""

from __future__ import annotations

import json
from pathlib import Path

from facellm.config import FaceLLMConfig
from facellm.errors import FaceLLMError

from ..asking import Model
from .options import ModelOptions

HUB = "hf:"


def open_model(name: str | None, options: ModelOptions | None = None) -> Model:
    """The model a name stands for; nothing heavy of the others is imported.

    Raises:
        FaceLLMError: If the name stands for nothing, or the model cannot be loaded.
    """
    options = options or ModelOptions()
    if name is not None and name.startswith(("http://", "https://")):
        from .endpoint import EndpointModel

        return EndpointModel.of(name, options)
    if name is None or is_ours(Path(name)):
        from .local import LocalModel

        return LocalModel.load(None if name is None else Path(name))
    if name.startswith(HUB) or Path(name).is_dir():
        from .foreign import ForeignModel

        return ForeignModel.load(name.removeprefix(HUB))
    if ":" in name:
        from .function import FunctionModel

        return FunctionModel.load(name)
    raise FaceLLMError(
        f"model {name!r}: no such folder; give a folder of weights, hf:ID, an address as "
        "http://localhost:8000/v1#NAME, or module:function"
    )


def is_ours(folder: Path) -> bool:
    """Whether a folder holds weights of ours."""
    try:
        record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("model_type") == FaceLLMConfig.model_type
