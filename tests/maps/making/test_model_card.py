import pytest

from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.maps.making.model_card import SIMULATED, caveat_of_card


def test_the_embedded_checkpoint_is_known_for_what_it_was_trained_on():
    assert caveat_of_card(str(DEFAULT_CHECKPOINT)) == SIMULATED


@pytest.mark.parametrize(
    ("card", "caveat"),
    [
        ("---\ntags:\n- clip\n- simulated-data\n---\n# Mine\n", SIMULATED),
        ("---\ntags:\n- clip\n---\n# Trained on no - simulated-data\n- simulated-data\n", None),
        ("# No tags\n- simulated-data\n", None),
    ],
)
def test_only_a_tag_of_the_card_counts(tmp_path, card, caveat):
    (tmp_path / "README.md").write_text(card)
    assert caveat_of_card(str(tmp_path)) == caveat


@pytest.mark.parametrize("name", ["nobody/nothing", "a b c", "../../x/y"])
def test_a_checkpoint_without_a_card_here_warns_of_nothing(tmp_path, name):
    assert caveat_of_card(str(tmp_path)) is None
    assert caveat_of_card(name) is None
