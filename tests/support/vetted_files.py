"""Make up what must not be published, and list what may: 60 secrets, 25 dangerous files, our own files.

Secrets are put together here, so that no file of the repository seems to hold one.
"""

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import subprocess
import tarfile
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, PngImagePlugin
from safetensors.numpy import save

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = (".py", ".md", ".json", ".html", ".css", ".yaml", ".png", ".safetensors", ".cff", ".toml", ".j2", ".txt")
HUB, FORTY, SIXTEEN = "hf_" + "aB3" * 11 + "x", "abcd/+12" * 5, "0123456789abcdef"


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("a pickle ran",)


def zipped(**members: bytes) -> bytes:
    """Make a zip archive of members, whose names have __ for the full stop."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return memory.getvalue()


def tarred(name: str, content: bytes, kind: int = tarfile.PAX_FORMAT) -> bytes:
    """Make a tar archive of one file."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=kind) as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return memory.getvalue()


def packed(content: bytes) -> bytes:
    """Put bytes into a zip in a gzip in base64 in JSON."""
    return json.dumps({"data": base64.b64encode(gzip.compress(zipped(a__txt=content))).decode()}).encode()


def png(**texts: str) -> bytes:
    """Make a picture with compressed texts."""
    info, memory = PngImagePlugin.PngInfo(), io.BytesIO()
    for key, text in texts.items():
        info.add_text(key, text, zip=True)
    Image.new("RGB", (4, 4)).save(memory, "png", pnginfo=info)
    return memory.getvalue()


def parquet(words: list[str] | list[bytes], metadata: dict[str, str] | None = None) -> bytes:
    """Make a table of one column."""
    memory = io.BytesIO()
    pq.write_table(pa.table({"words": words}).replace_schema_metadata(metadata), memory, compression="zstd")
    return memory.getvalue()


def array(values: object) -> bytes:
    """Write an array as NumPy does."""
    memory = io.BytesIO()
    np.save(memory, values, allow_pickle=True)
    return memory.getvalue()


def _long_structured() -> np.ndarray:
    """Make an array of objects whose header is longer than readers of headers allow."""
    fields = [(f"a_field_with_a_rather_long_name_{index:04d}", "<i4") for index in range(400)]
    return np.zeros(1, np.dtype([*fields, ("object", "O")]))


def _of_providers() -> dict[str, str]:
    return {
        "Hugging Face": HUB,
        "Hugging Face after letters": "x" + HUB,
        "Hugging Face of 28 letters": "hf_" + "a" * 28,
        "Google OAuth": "ya29." + "aB3d" * 12,
        "Google API": "AIza" + "aB-_3" * 7,
        "Google client": "GOCSPX-" + "aB3d" * 7,
        "Copernicus": "CDSE_PASSWORD=hunter2secret",
        "OpenAI": "sk-proj-" + "aB3_" * 12,
        "Anthropic": "sk-ant-api03-" + "aB3_" * 12,
        "Planet": "PLAK" + SIXTEEN * 2,
        "Mapbox": "sk.eyJ1Ijoi" + "aB3d" * 10,
        "Databricks": "dapi" + SIXTEEN * 2,
        "DigitalOcean": "dop_v1_" + SIXTEEN * 4,
        "Kaggle": '{"username": "me", "key": "' + SIXTEEN * 2 + '"}',
        "bearer": "Authorization: Bearer " + "aB3d" * 8,
        "Hugging Face's organisation": "api_org_" + "aB3" * 11,
        "AWS in upper case": "AWS_SECRET_ACCESS_KEY=" + FORTY,
        "AWS in lower case": "aws_secret_access_key=" + FORTY,
        "AWS in camel case": '{"secretAccessKey": "' + FORTY + '"}',
        "AWS key id": "AKIA" + "ABCDEFGH12345678",
        "GitHub": "ghp_" + "aB3d" * 9,
        "GitHub, fine-grained": "github_pat_" + "A1b2" * 12,
        "GitLab": "glpat-" + "aB3d5F7h9-_aB3d5F7h9",
        "npm": "npm_" + "aB3d" * 9,
        "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" + "aB3" * 20,
        "Azure account key": "AccountKey=" + "abcd/+12" * 10 + "abcdef==;EndpointSuffix",
        "Azure signature": "https://a.blob.core.windows.net/b?sv=2022&sig=" + "aB3d%2F" * 6,
        "web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + "aB3d" * 10,
        "Weights & Biases": "WANDB_API_KEY=" + SIXTEEN * 2 + "01234567",
        "Telegram": "123456789:" + "AAaB3" * 7,
        "Slack": "xoxb-" + "1234567890-" * 2 + "aB3dE",
        "Slack webhook": "https://hooks.slack.com/services/T00000000/B00000000/" + "aB3d" * 6,
        "Stripe": "sk_live_" + "aB3d" * 6,
        "SendGrid": "SG." + "aB3d" * 5 + "ab." + "aB3d" * 10 + "abc",
        "Discord": "MTIz" + "aB3d" * 5 + ".aB3dE_." + "aB3d" * 6 + "abc",
        "Discord webhook": "https://discord.com/api/webhooks/123456/" + "aB3d" * 10,
    }


def _of_addresses_and_keys() -> dict[str, str]:
    return {
        "database": "postgres://user:hunter2secret@db.example.org/x",
        "database with a port": "mysql+pymysql://user:hunter2secret@10.0.0.1:3306/x",
        "FTP": "ftp://user:hunter2secret@example.org/x",
        "S3": "s3://AK:hunter2secret@bucket/x",
        "redis": "redis://:hunter2secret@host:6379",
        "password with <": "https://user:pa<ss@example.org",
        "password with @": "https://user:p@ss@example.org",
        "token as a user": "https://" + "x" * 3 + ":@example.org",
        "address in upper case": "HTTPS://user:hunter2secret@example.org",
        "two letters": "https://user:ab@example.org",
        ".netrc": "machine example.org login me password hunter2secret",
        "assignment": "password = 'hunter2secret'",
        "OpenSSH": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
        "PGP": "-----BEGIN " + "PGP PRIVATE KEY BLOCK-----",
        "PuTTY": "PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 14",
        "age": "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" * 2,
        "private key in JSON": '"-----BEGIN ' + 'RSA PRIVATE KEY-----\\n"',
        "private key in lower case": "-----begin " + "rsa private key-----",
        "private key under a password": "-----BEGIN " + "ENCRYPTED PRIVATE KEY-----",
    }


def _encoded() -> dict[str, str]:
    return {
        "split over lines": HUB[:20] + "\n" + HUB[20:],
        "split over lines of three": HUB[:14] + "\n  " + HUB[14:24] + "\r\n" + HUB[24:],
        "split over quoted pieces": f'["{HUB[:20]}", "{HUB[20:]}"]',
        "split over added pieces": f'token = "{HUB[:20]}" + \\\n    "{HUB[20:]}"',
        "escaped in JSON": '{"a": "' + "".join(f"\\u{ord(letter):04x}" for letter in HUB) + '"}',
        "escaped in an address": "https://example.org/?a=" + "".join(f"%{ord(letter):02X}" for letter in HUB),
        "escaped in HTML": "".join(f"&#{ord(letter)};" for letter in HUB),
        "hexadecimal": HUB.encode().hex(),
        "base64": base64.b64encode(HUB.encode()).decode(),
        "base64 in lines": base64.encodebytes(b"a text before it, of more than a line: " + HUB.encode()).decode(),
        "base64 of base64": base64.b64encode(base64.b64encode(HUB.encode())).decode(),
    }


def _packs() -> dict[str, bytes]:
    return {
        "UTF-16": HUB.encode("utf-16"),
        "UTF-16 without a mark": HUB.encode("utf-16-be"),
        "UTF-32": HUB.encode("utf-32"),
        "gzip": gzip.compress(HUB.encode()),
        "bzip2": bz2.compress(HUB.encode()),
        "xz": lzma.compress(HUB.encode()),
        "zlib": zlib.compress(HUB.encode()),
        "zip": zipped(a__txt=HUB.encode()),
        "name in a zip": zipped(**{f"{HUB}__txt": b""}),
        "tar": tarred("a.txt", HUB.encode()),
        "array": zipped(a__npy=array(np.array([HUB]))),
        "metadata of Parquet": parquet(["a"], {"note": HUB}),
        "cell of Parquet": parquet([HUB]),
        "bytes of Parquet": parquet([gzip.compress(HUB.encode())]),
        "text of a picture": png(Comment=HUB),
        "metadata of safetensors": save({"a": np.ones(1)}, {"note": HUB}),
        "tensor of bytes": save({"a": np.frombuffer(gzip.compress(HUB.encode()), np.uint8)}),
    }


@cache
def secrets() -> dict[str, bytes]:
    """Make up 60 or more secrets, by what they are."""
    texts = _of_providers() | _of_addresses_and_keys() | _encoded()
    return {name: text.encode() for name, text in texts.items()} | _packs()


@cache
def dangerous_files() -> dict[str, bytes]:
    """Make up 25 or more files that run something, or that nobody can open, by their names."""
    bomb = pickle.dumps(_Bomb())
    header = json.dumps({}).encode().ljust(8)
    return {
        "config.json": bomb,
        "spaced.json": b"\n" + bomb,
        "first.json": pickle.dumps(_Bomb(), 0),
        "coded.json": json.dumps({"a": base64.b64encode(bomb).decode()}).encode(),
        "elsewhere.json": json.dumps({"auto_map": {"AutoModel": "some/body--model.Model"}}).encode(),
        "model.pkl": b"x",
        "model.PKL": b"x",
        "model.bin": bomb,
        "model.pkl.gz": gzip.compress(bomb),
        "model.pkl.bz2": bz2.compress(bomb),
        "model.pkl.xz": lzma.compress(bomb),
        "model.z": zlib.compress(bomb),
        "raw.txt": zipped(data=bomb),
        "nested.txt": zipped(a__npz=zipped(a__npy=array(np.array([{1: 2}], dtype=object)))),
        "a.tar": tarred("a.pkl", bomb),
        "old.txt": tarred("weights", bomb, tarfile.USTAR_FORMAT),
        "a.tar.gz": gzip.compress(tarred("a.pkl", bomb)),
        "structured.npy": array(_long_structured()),
        "structured.csv": zipped(a__npy=array(_long_structured())),
        "model.h5": b"\x89HDF\r\n\x1a\n" + bomb,
        "tail.safetensors": struct.pack("<Q", 8) + header + bomb,
        "tensor.safetensors": save({"a": np.frombuffer(bomb, np.uint8)}),
        "cell.parquet": parquet([bomb]),
        "modeling.py": b"import os\nos.system('true')\n",
        "modeling.pyc": b"\xa7\r\r\n" + bytes(12),
        "start.txt": b"#!/bin/sh\ntrue\n",
        "setup.exe": b"MZ" + bytes(100),
        "page.html": b"<p>a</p><script>alert(1)</script>",
        "event.html": b"<img src=a onerror=alert(1)>",
        "picture.svg": b"<svg onload='alert(1)'/>",
        "behind.png": png() + zipped(a__txt=b"a"),
        "tagged.yaml": b"a: !!python/object/apply:os.system ['true']\n",
        "closed.json": b"7z\xbc\xaf\x27\x1c" + bytes(40),
        "model.keras": zipped(a__txt=b"a"),
        "model.pt2": zipped(a__txt=b"a"),
        "model.gguf": b"GGUF" + bytes(40),
        ".env": b"A=1\n",
    }


@cache
def harmless_files() -> list[Path]:
    """List our own files of the kinds that are published."""
    command = ["git", "ls-files", "src", "docs", "hub", "training", "README.md", "CITATION.cff", "LICENSE"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split()
    files = [ROOT / name for name in listed] or sorted((ROOT / "src").rglob("*"))
    return [file for file in files if file.is_file() and (file.suffix in PUBLISHED or file.name == "LICENSE")]
