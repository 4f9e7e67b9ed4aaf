"""XML that declares a document type is known by what a parser reads, not by its first bytes."""

import io

import pytest

from timesenclip_hf.gate.markup import has_doctype

DECLARED = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>'


@pytest.mark.parametrize(
    ("content", "declares"),
    [
        (DECLARED.encode(), True),
        (f"<!--{' ' * 200_000}-->{DECLARED}".encode(), True),
        (DECLARED.encode("utf-16"), True),
        (b"<x><!-- <!DOCTYPE x> --></x>", False),
        (b"<x/><!DOCTYPE x>", False),
        (b"\x89PNG\r\n<!DOCTYPE x>", False),
        (b"", False),
    ],
    ids=["plain", "behind a comment", "UTF-16", "in a comment", "behind the root", "no XML", "empty"],
)
def test_a_document_type_is_known_wherever_it_stands(content, declares):
    assert has_doctype(io.BytesIO(content)) == declares
