"""What may leave this machine: no card with empty slots, no secret, no pickle, nothing that the Hub would not take."""

import mmap
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub.repocard import metadata_load

# The Hub takes no larger file ("Storage limits" of its documentation, 2026).
FILE_LIMIT = 50_000_000_000
# Formats whose readers run what they hold; `.bin` is what transformers once pickled.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
# Each begins with plain letters, so that a search is as fast as one for these.
SECRETS = {
    "a token of Hugging Face": rb"hf_[A-Za-z0-9]{30,}",
    "a token of Hugging Face's organisations": rb"api_org_[A-Za-z0-9]{30,}",
    "a key of AWS": rb"AKIA[0-9A-Z]{16}",
    "a temporary key of AWS": rb"ASIA[0-9A-Z]{16}",
    "a secret of AWS": rb"aws_secret_access_key[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9/+]{40}",
    "a private key": rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY",
    "a token of GitHub": rb"gh[pousr]_[A-Za-z0-9]{36}",
    "a fine-grained token of GitHub": rb"github_pat_[A-Za-z0-9_]{40,}",
    "a key of Google": rb"AIza[A-Za-z0-9_-]{35}",
    "a token of Slack": rb"xox[abprs]-[A-Za-z0-9-]{20,}",
    "a key of OpenAI or Anthropic": rb"sk-[A-Za-z0-9_-]{32,}",
    "a password in an address": rb"https?://[\w.%+-]+:[^\s/@:$<{]{3,}@",
}
# What a card holds where nobody filled it.
SLOTS = re.compile(r"\$\{?[a-z][a-z_]*\}?|\{\{.*?\}\}|\[More Information Needed\]|\bTODO\b|\bTBD\b|(?<=\| )None(?= \|)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def check_card(path: Path) -> None:
    """Refuses a card that is not filled.

    Raises:
        ValueError: no card, a slot or section left empty, or no licence.
    """
    if not path.is_file():
        raise ValueError(f"{path.parent} has no card, README.md.")
    text = path.read_text(encoding="utf-8")
    try:
        metadata: Any = metadata_load(path) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"The head of the card {path} is no YAML: {error}.") from None
    if metadata.get("license") in (None, "", [], "unknown"):
        raise ValueError(f"The card {path} names no licence: give one.")
    body = FENCED.sub("a listing", text.partition("\n---\n")[2])
    if metadata["license"] == "other" and not re.search("^#+ Licences?$", body, re.MULTILINE):
        raise ValueError(f"The licence of the card {path} is 'other', and no section says which: name it.")
    empty = [f"`{name}` of its head" for name, value in metadata.items() if value in (None, "", [], {})]
    empty += [f"`{slot}`" for slot in SLOTS.findall(body)] + [f"the section {name!r}" for name in _bare(body)]
    if empty:
        raise ValueError(f"The card {path} has empty slots: {', '.join(dict.fromkeys(empty))}.")


def _bare(body: str) -> Iterator[str]:
    """Headings with nothing below them: no text, and no deeper heading."""
    headings = list(re.finditer(r"^(#+) +(.*)$", body, re.MULTILINE))
    for place, heading in enumerate(headings):
        following = headings[place + 1] if place + 1 < len(headings) else None
        content = body[heading.end() : following.start() if following else None]
        deeper = following is not None and len(following[1]) > len(heading[1])
        if not content.strip() and not deeper:
            yield heading[2]


def check_file(path: Path, name: str, limit: int = FILE_LIMIT) -> None:
    """Refuses a file that must not be published.

    Args:
        path: of it.
        name: as people are told it.
        limit: bytes it may have.

    Raises:
        ValueError: it is too large, a pickle, or holds a secret; the secret itself is not repeated.
    """
    size = path.stat().st_size
    if size > limit:
        raise ValueError(f"{name} has {size / 1e9:,.3g} GB, the limit is {limit / 1e9:,.3g} GB: save it in parts.")
    if path.suffix.lower() in PICKLES or holds_pickle(path):
        raise ValueError(
            f"{name} is a pickle, which can run code where it is opened: publish safetensors only, and take it away."
        )
    if secret := find_secret(path):
        raise ValueError(f"{name} holds {secret}: take it out, and withdraw it where it was issued.")


def holds_pickle(path: Path) -> bool:
    """Whether a file is a pickle by its content: as it is, in an array of objects, or in an archive."""
    with path.open("rb") as file:
        head = file.read(512)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(_is_pickle_inside(archive, entry) for entry in archive.infolist())
    return _is_array_of_objects(head) or _is_pickle(path)


def _is_pickle_inside(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    if entry.filename.lower().endswith(PICKLES):
        return True
    with archive.open(entry) as file:
        return _is_array_of_objects(file.read(512))


def _is_array_of_objects(head: bytes) -> bool:
    """NumPy pickles what is no plain number; the head of its file says so."""
    return head.startswith(b"\x93NUMPY") and re.search(rb"'descr':.*?\|O", head) is not None


def _is_pickle(path: Path) -> bool:
    """Whether the bytes are a program of pickle's machine that imports or builds something; nothing of it is run."""
    calls, started = False, False
    try:
        with path.open("rb") as file:
            for opcode, _, _ in pickletools.genops(file):
                started |= opcode.name == "PROTO"
                calls |= opcode.name in ("GLOBAL", "INST", "STACK_GLOBAL", "REDUCE", "BUILD")
                if opcode.name == "STOP":
                    return started or calls
    except (ValueError, UnicodeDecodeError, OverflowError, MemoryError):
        # Of a pickle that was cut short the beginning is enough.
        return started and calls
    return False


def find_secret(path: Path) -> str | None:
    """What kind of secret a file holds, if any."""
    if not path.stat().st_size:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return next((kind for kind, pattern in SECRETS.items() if re.search(pattern, content)), None)
