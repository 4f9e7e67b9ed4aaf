import pytest

from timesenclip_hf.maps.cubes.selection import boxes_touch, read_box, read_chunks, read_period


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2021", "2021-01-01", "2021-12-31"),
        ("2020-02", "2020-02-01", "2020-02-29"),
        ("2021-04/2021-09", "2021-04-01", "2021-09-30"),
        ("2020/2021-03", "2020-01-01", "2021-03-31"),
        ("2021-04-15", "2021-04-15", "2021-04-15"),
        ("2021-04-15 / 2021-09-02", "2021-04-15", "2021-09-02"),
    ],
)
def test_a_period_runs_to_the_end_of_what_is_named(text, first, last):
    assert [str(day) for day in read_period(text)] == [first, last]


@pytest.mark.parametrize("text", ["spring", "", "2021-13", "2021/", "../2021", "2021-05/2021-04"])
def test_what_is_no_period_is_refused(text):
    with pytest.raises(ValueError, match=r"is no period|ends before it begins") as caught:
        read_period(text)
    assert "\n" not in str(caught.value)


def test_a_box_is_four_numbers_in_order():
    assert read_box("2.2, 50.8,2.3,50.9") == (2.2, 50.8, 2.3, 50.9)
    for bad in ("1,2,3", (3, 50, 2, 51), (2, 51, 3, 50), "a,b,c,d", (0, 0, 200, 10), 5):
        with pytest.raises(ValueError, match="A box is west, south, east and north") as caught:
            read_box(bad)
        assert "\n" not in str(caught.value)


def test_a_box_across_180_degrees_has_its_west_above_its_east():
    assert read_box("179.9,-17,-179.9,-16") == (179.9, -17, -179.9, -16)
    fiji, world = (179.9, -17, -179.9, -16), (-180, -90, 180, 90)
    assert boxes_touch(fiji, world)
    assert boxes_touch((-179.95, -16.5, -179.92, -16.4), fiji)
    assert boxes_touch(fiji, (179.95, -16.5, 180, -16.4))
    assert not boxes_touch(fiji, (-179.5, -16.5, -179, -16.4))
    assert not boxes_touch(fiji, (-179.95, 16, -179.92, 17))


def test_chunks_are_a_side_or_two():
    assert read_chunks(256) == (256, 256)
    assert read_chunks({"y": 100, "x": 200}) == (100, 200)
    for bad in (0, {"y": 3}, {"time": 1, "y": 1, "x": 1}):
        with pytest.raises(ValueError, match="`chunks` is a side in pixels"):
            read_chunks(bad)
