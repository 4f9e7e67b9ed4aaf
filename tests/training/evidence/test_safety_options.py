"""The options that name a path, as commands and scripts define them."""

import pytest


def test_every_option_that_names_a_path_is_known_to_be_read_or_written():
    for module, extra in (("matplotlib", "map"), ("playwright", "dev"), ("accelerate", "train"), ("datasets", "data")):
        pytest.importorskip(module, reason=f"needs the extra {extra}")
    from training.evidence.safety_options import READ, WRITTEN, named_paths

    found = list(named_paths())
    unknown = [(command, name) for command, name in found if name not in WRITTEN.get(command, {}) and name not in READ]
    assert unknown == [], "say in training/evidence/safety_options.py whether it is read or written"
    written = [(command, name) for command, names in WRITTEN.items() for name in names]
    assert [pair for pair in written if pair not in found] == []
    assert len(written) >= 29
