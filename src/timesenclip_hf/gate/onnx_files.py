"""Parse ONNX files of strangers: one that keeps its numbers in other files is refused, as a runtime would read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..extras import needs_extra


def parse_onnx(content: bytes, path: Path) -> Any:
    """Parse an ONNX file.

    Args:
        content: its bytes.
        path: of the file, for sentences.

    Returns:
        The `onnx.ModelProto`.

    Raises:
        ValueError: it is damaged, no ONNX file, or keeps numbers in another file.
    """
    with needs_extra("export"):
        import onnx
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # protobuf's own errors, which are not public
        raise ValueError(f"{path} is damaged, or no ONNX file: write it again with timesenclip export.") from None
    if names_others(model):
        raise ValueError(f"{path} keeps numbers in another file: write it again with timesenclip export.")
    return model


def names_others(model: Any) -> bool:
    """Tell whether an `onnx.ModelProto` keeps numbers in other files, which a runtime would read."""
    return any(getattr(message, "external_data", None) for message in _messages(model))


def _messages(message: Any) -> Iterator[Any]:
    """Give a message of protobuf and all that it holds: tensors may be anywhere, also in the branches of a node."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _messages(part)
