import pytest

from tests.conftest import ROOT
from training.arguments import parse_arguments

CONFIGS = sorted((ROOT / "training" / "configs").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_the_repository_is_read(config):
    data, _, training = parse_arguments([str(config)])
    assert data.series_points > 0
    assert training.output_dir.startswith("runs/")


def test_the_command_line_goes_before_the_file(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("seed: 5\nsteps: 7\n")
    _, _, training = parse_arguments([str(config), "--steps", "9"])
    assert (training.seed, training.steps) == (5, 9)


def test_a_key_that_does_not_exist_is_named(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("learning_rat: 1\n")
    with pytest.raises(ValueError, match="Unknown key 'learning_rat' in the configuration: use batch_size"):
        parse_arguments([str(config)])
