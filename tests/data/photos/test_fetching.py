import pytest

from tests.support.photo_server import draw_photo, serve_photos
from timesenclip_hf.data.photos.fetching import (
    AGENT,
    NO_BYTES,
    UNREADABLE,
    Connections,
    LastingError,
    PassingError,
    fetch_photo,
    photo_fault,
    tag_file,
)


@pytest.fixture
def server():
    with serve_photos() as running:
        yield running


def fetch(server, folder, path="a.jpg"):
    return fetch_photo(Connections(1, 5.0), f"{server.url}/{path}", folder / "a.part")


def test_the_server_is_told_who_asks(server, tmp_path):
    content = server.add("a.jpg")
    assert fetch(server, tmp_path) == (len(content), False)
    assert server.requests["a.jpg"][0]["User-Agent"] == AGENT
    assert (tmp_path / "a.part").read_bytes() == content


def test_a_try_that_broke_off_keeps_its_part_and_the_next_continues_it(server, tmp_path):
    content = server.add("a.jpg", answers=[("break off", 700)])
    with pytest.raises(PassingError, match="cut short"):
        fetch(server, tmp_path)
    assert (tmp_path / "a.part").read_bytes() == content[:700]
    assert tag_file(tmp_path / "a.part").exists()
    assert fetch(server, tmp_path) == (len(content) - 700, True)


@pytest.mark.parametrize(
    ("status", "wait", "seconds", "all_wait"),
    [(429, "7", 7.0, True), (503, None, None, True), (500, "2", 2.0, False), (504, "soon", None, False)],
)
def test_errors_that_pass_say_how_long_the_server_asks_to_wait_and_whom(
    server, tmp_path, status, wait, seconds, all_wait
):
    server.add("a.jpg", answers=[("status", status)], headers={"Retry-After": wait} if wait else {})
    with pytest.raises(PassingError, match=rf"failed by the server \({status}\)") as caught:
        fetch(server, tmp_path)
    assert (caught.value.wait, caught.value.all_wait) == (seconds, all_wait)


def test_answers_that_last_are_told_apart(server, tmp_path):
    server.add("a.jpg", answers=[("status", 403)])
    with pytest.raises(LastingError, match=r"refused by the server \(403\)"):
        fetch(server, tmp_path)
    with pytest.raises(LastingError, match="not on the server"):
        fetch(server, tmp_path, "absent.jpg")


def test_no_answer_is_an_error_that_passes_and_a_full_disk_is_not(server, tmp_path):
    with pytest.raises(PassingError, match="not answered"):
        fetch_photo(Connections(1, 0.2), "http://127.0.0.1:9/a.jpg", tmp_path / "a.part")
    server.add("a.jpg")
    (tmp_path / "a.part").mkdir()
    with pytest.raises(OSError, match=r"a\.part"):
        fetch(server, tmp_path)


def test_a_fault_is_told_from_a_file_or_from_bytes(tmp_path):
    photo = draw_photo()
    (tmp_path / "a.jpg").write_bytes(photo)
    (tmp_path / "empty.jpg").touch()
    assert photo_fault(photo) is None
    assert photo_fault(tmp_path / "a.jpg") is None
    assert photo_fault(tmp_path / "empty.jpg") == NO_BYTES
    assert photo_fault(photo[:-20]) == UNREADABLE
    assert photo_fault(tmp_path / "absent.jpg") == UNREADABLE
