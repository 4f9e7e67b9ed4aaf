"""Hold a file against what may be published at all: a suffix of the list, and the content that belongs to it."""

import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from safetensors import SafetensorError, safe_open

from hub.filling import ROOT
from hub.metric_code import as_published
from timesenclip_hf.gate.onnx_files import names_others

# Text under other names than suffixes tell: licences, and what a wheel has beside its modules.
NAMES = ("LICENSE", "LICENCE", "NOTICE", "METADATA", "RECORD", "WHEEL", "INSTALLER", "py.typed", ".gitattributes")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# What lies in our repository for others to run or to render; the code of metrics is published with other imports.
CODE = (".py", ".html", ".j2", ".css", ".js", ".ipynb")
CODE_FOLDERS = ("src", "hub", "training", "docs")
# Elements of a page that run, fetch or send something.
ACTIVE = {"script", "iframe", "object", "embed", "form", "link", "base", "svg", "style"}
# Entries of transformers' files that name code; of another repository where "--" is in them.
CODE_ENTRIES = ("auto_map", "custom_pipelines", "impl")


def check_kind(path: Path, name: str) -> None:
    """Refuse a file of a kind that is not published, or whose content is not what its suffix says.

    Args:
        path: of it.
        name: as people are told it.

    Raises:
        ValueError: it is refused, with the reason.
    """
    suffix = path.name if path.name in NAMES else path.suffix.lower()
    if suffix not in CHECKS:
        listed = ", ".join(sorted(known for known in CHECKS if known.startswith(".")))
        raise ValueError(f"{name} is of no kind that is published here ({listed}): take it away, or save it as those.")
    try:
        CHECKS[suffix](path)
    except _RefusedError as error:
        raise ValueError(f"{name} {error}.") from None
    except (ValueError, OSError, RecursionError, SafetensorError, SyntaxError, yaml.YAMLError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ValueError(f"{name} is not what its name says ({first}): write it again.") from None


class _RefusedError(ValueError):
    """Say why a file is refused; the words follow its name."""


def _text(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if control := CONTROL.search(text.replace("\f", "")):
        raise ValueError(f"a control character, {control[0]!r}, in a text")
    if text.startswith("#!"):
        raise _RefusedError("is a program: publish no scripts")
    return text


def _json(path: Path) -> None:
    _check_entries(json.loads(path.read_text(encoding="utf-8")), "")


def _json_lines(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        _check_entries(json.loads(line), "")


def _check_entries(content: Any, entry: str) -> None:
    """Refuse entries by which transformers would load the code of another repository."""
    if isinstance(content, str) and entry and "--" in content:
        raise _RefusedError("names code of another repository: publish the code beside it")
    if isinstance(content, dict):
        for key, value in content.items():
            _check_entries(value, entry or (key if key in CODE_ENTRIES else ""))
    elif isinstance(content, list):
        for value in content:
            _check_entries(value, entry)


def _yaml(path: Path) -> None:
    for _ in yaml.safe_load_all(_text(path)):
        pass


@cache
def _ours() -> frozenset[str]:
    """Hash our own code, and the metrics as they are published."""
    files = [file for folder in CODE_FOLDERS for file in (ROOT / folder).rglob("*") if file.suffix in CODE]
    texts = [file.read_bytes() for file in files]
    metrics = [as_published(file.read_text(encoding="utf-8")).encode() for file in files if "metrics" in file.parts]
    return frozenset(hashlib.sha256(text).hexdigest() for text in (*texts, *metrics))


def _is_ours(path: Path) -> bool:
    return hashlib.sha256(path.read_bytes()).hexdigest() in _ours()


def _code(path: Path) -> None:
    if not _is_ours(path):
        raise _RefusedError("is code that is not in this repository, byte by byte: publish none but ours")


class _Page(HTMLParser):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        active = any(
            key.startswith("on") or (value or "").strip().lower().startswith(("javascript:", "data:"))
            for key, value in attrs
        )
        if tag in ACTIVE or active:
            raise _RefusedError(f"has the active element <{tag}>, and is not in this repository: publish plain pages")


def _page(path: Path) -> None:
    if not _is_ours(path):
        page = _Page()
        page.feed(_text(path))
        page.close()


def _tensors(path: Path) -> None:
    with safe_open(path, "np") as file:  # checks that header and tensors fill the file
        file.keys()


def _picture(path: Path) -> None:
    with Image.open(path, formats=("PNG", "JPEG", "WEBP", "GIF")) as image:
        expected = {".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower(), path.suffix[1:].upper())
        if image.format != expected:
            raise ValueError(f"a {image.format} picture")
        image.load()
    content = path.read_bytes()
    ends = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9", "GIF": b";"}
    if expected == "WEBP":
        ends_there = len(content) == int.from_bytes(content[4:8], "little") + 8
    else:
        ends_there = content.endswith(ends[expected])
    if not ends_there or (expected == "PNG" and content.count(ends["PNG"]) > 1):
        raise ValueError("bytes behind the end of the picture")


def _parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None


def _onnx(path: Path) -> None:
    import onnx

    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except Exception as error:  # protobuf has errors of its own
        raise ValueError(str(error)) from None
    if not model.ir_version or not model.graph.node:
        raise ValueError("no graph")
    if names_others(model):
        raise _RefusedError("keeps its weights in another file: export it whole")
    domains = {node.domain for node in model.graph.node} | {opset.domain for opset in model.opset_import}
    local = {function.domain for function in model.functions}
    if foreign := sorted(domains - local - {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "pkg.onnxscript.torch_lib"}):
        raise _RefusedError(f"needs operators of {foreign[0]!r}, which would have to be installed: export it again")


CHECKS: dict[str, Callable[[Path], Any]] = {
    ".safetensors": _tensors,
    ".json": _json,
    ".jsonl": _json_lines,
    **dict.fromkeys((".md", ".txt", ".csv", ".toml", ".cff", ".bib", *NAMES), _text),
    **dict.fromkeys((".yaml", ".yml"), _yaml),
    **dict.fromkeys((".py", ".j2", ".css", ".js", ".ipynb"), _code),
    ".html": _page,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif"), _picture),
    ".parquet": _parquet,
    ".onnx": _onnx,
}
