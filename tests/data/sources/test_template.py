from timesenclip_hf.data.sources.tables import read_table
from timesenclip_hf.data.sources.template import read_template


def test_the_template_is_read_as_it_is(tmp_path):
    (tmp_path / "fields.csv").write_text(read_template())
    table = read_table(tmp_path / "fields.csv")
    assert table.ids == ["field-1", "wood-1"]
    assert [item["series"].shape for item in table.series] == [(12, 10), (10, 10)]
