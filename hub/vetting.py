"""Vet what may leave this machine: no card with empty slots, no secret, no pickle, nothing that the Hub refuses.

Secrets are those that `detect-secrets` knows, and below in its own form those that it does not: its detectors work on
lines of text, so that their patterns are looked up here in the bytes of the file, whatever it is. Pickles in archives
and arrays are found by `picklescan`, as the Hub does. Of a loose file it tells what is imported, not whether the file
is a pickle: it takes a text that begins with the letter c for one, and a pickle that imports nothing for none. So a
loose file is judged by its opcodes here.
"""

import logging
import mmap
import pickletools
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector
from huggingface_hub.repocard import metadata_load
from picklescan.scanner import scan_numpy, scan_zip_bytes

# The Hub takes no larger file ("Storage limits" of its documentation, 2026).
FILE_LIMIT = 50_000_000_000
# Formats whose readers run what they hold; `.bin` is what transformers once pickled.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
# What a card holds where nobody filled it.
SLOTS = re.compile(r"\$\{?[a-z][a-z_]*\}?|\{\{.*?\}\}|\[More Information Needed\]|\bTODO\b|\bTBD\b|(?<=\| )None(?= \|)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
# What it finds is told in our own sentence.
logging.getLogger("picklescan").setLevel(logging.CRITICAL)


class _Detector(RegexBasedDetector):
    """Detect a secret that `detect-secrets` 1.5 does not know, or knows by a pattern too slow for gigabytes."""

    secret_type = "Other Secret"
    denylist: tuple[re.Pattern[str], ...] = ()

    def __init__(self, pattern: str) -> None:
        self.denylist = (re.compile(pattern),)


# By what a message calls them. Left out are detectors that guess (entropy, keywords, addresses), and those whose
# patterns begin with nothing in particular. Each of ours begins with plain letters, so that a search is as fast as for
# these alone.
SECRETS: dict[str, RegexBasedDetector] = {
    "a token of Hugging Face": _Detector(r"hf_[A-Za-z0-9]{30,}"),
    "a token of Hugging Face's organisations": _Detector(r"api_org_[A-Za-z0-9]{30,}"),
    "a key of AWS": AWSKeyDetector(),
    "a secret of AWS": _Detector(r"aws_secret_access_key[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9/+]{40}"),
    "a private key": PrivateKeyDetector(),
    "a private key under a password": _Detector(r"-----BEGIN (?:ENCRYPTED) PRIVATE KEY"),
    "a token of GitHub": GitHubTokenDetector(),
    "a fine-grained token of GitHub": _Detector(r"github_pat_[A-Za-z0-9_]{40,}"),
    "a key of Google": _Detector(r"AIza[A-Za-z0-9_-]{35}"),
    "a token of Slack": _Detector(r"xox[abprs]-[A-Za-z0-9-]{20,}"),
    "a key of OpenAI or Anthropic": _Detector(r"sk-[A-Za-z0-9_-]{32,}"),
    "a password in an address": BasicAuthDetector(),
    "a key of Azure": AzureStorageKeyDetector(),
    "a token of GitLab": GitLabTokenDetector(),
    "a JSON web token": JwtTokenDetector(),
    "a token of npm": NpmDetector(),
    "a token of PyPI": PypiTokenDetector(),
    "a key of SendGrid": SendGridDetector(),
    "a secret of Square": SquareOAuthDetector(),
    "a key of Twilio": TwilioKeyDetector(),
}
PATTERNS = {
    kind: [re.compile(pattern.pattern.encode(), pattern.flags & ~re.UNICODE) for pattern in detector.denylist]
    for kind, detector in SECRETS.items()
}


def check_card(path: Path) -> None:
    """Refuse a card that is not filled.

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
    """Find headings with nothing below them: no text, and no deeper heading."""
    headings = list(re.finditer(r"^(#+) +(.*)$", body, re.MULTILINE))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        content = body[heading.end() : following.start() if following else None]
        deeper = following is not None and len(following[1]) > len(heading[1])
        if not content.strip() and not deeper:
            yield heading[2]


def check_file(path: Path, name: str, limit: int = FILE_LIMIT) -> None:
    """Refuse a file that must not be published.

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
    """Tell whether a file is a pickle by its content: as it is, in an array of objects, or in an archive."""
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                if any(name.lower().endswith(PICKLES) for name in archive.namelist()):
                    return True
            file.seek(0)
            return bool(scan_zip_bytes(file, path.name).globals)
        file.seek(0)
        if file.read(6) == b"\x93NUMPY":
            file.seek(0)
            try:
                return bool(scan_numpy(file, path.name).globals)
            except ValueError:  # no head that NumPy reads
                return False
    return _is_pickle(path)


def _is_pickle(path: Path) -> bool:
    """Tell whether the bytes are a program of pickle's machine that imports or builds something; nothing of it runs."""
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
    """Name the kind of secret that a file holds, if any."""
    if not path.stat().st_size:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        kinds = (kind for kind, detector in SECRETS.items() if _detects(detector, PATTERNS[kind], content))
        return next(kinds, None)


def _detects(detector: RegexBasedDetector, patterns: Iterable[re.Pattern[bytes]], content: mmap.mmap) -> bool:
    """Search bytes by a detector's patterns, and let it confirm each match by what else it knows."""
    matches = (match[0].decode("latin-1") for pattern in patterns for match in pattern.finditer(content))
    return any(any(detector.analyze_string(match)) for match in matches)
