import pytest

from timesenclip_hf.maps import MapOptions, RunOptions


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"embeddings": "float64"}, "`embeddings` must be one of float16, int8"),
        ({"smoothing": "majority:4"}, "must be such as"),
        ({"smoothing": "blur"}, "must be such as"),
    ],
)
def test_what_a_map_cannot_show_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        MapOptions(**options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scheduler": "slurm"}, "must be threads, processes or tcp"),
        ({"workers": 0}, "`workers` must be at least 1"),
        ({"chunk": 0}, "at least 1 pixel"),
    ],
)
def test_where_no_run_can_compute_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        RunOptions(**options)


def test_workers_behind_an_address_are_elsewhere():
    assert RunOptions("processes").is_local
    assert not RunOptions("tcp://10.0.0.1:8786").is_local
