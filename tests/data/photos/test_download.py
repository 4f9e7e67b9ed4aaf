import hashlib
import multiprocessing
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.support.photo_server import draw_photo, serve_photos
from timesenclip_hf.data.photos.download import (
    CHECKSUM_FILE,
    FAILURES_IN_A_ROW,
    ChecksumFile,
    DownloadOptions,
    PhotoRequest,
    download_photos,
    sha256_of,
)
from timesenclip_hf.data.photos.fetching import NO_BYTES, UNREADABLE


@pytest.fixture
def server():
    with serve_photos() as running:
        yield running


def fetch(server, folder, paths=None, **options):
    requests = [PhotoRequest(f"{server.url}/{path}", path) for path in paths or server.photos]
    wanted = DownloadOptions(**{"pause": 0.01, **options})
    return download_photos(requests, folder, wanted, progress=False)


def test_photos_arrive_whole_with_their_checksums(server, tmp_path):
    for number in range(12):
        server.add(f"2018/BE/{number}.jpg")
    report = fetch(server, tmp_path)
    assert (report.fetched, report.kept, report.failed) == (12, 0, {})
    assert report.num_bytes == sum(len(photo.content) for photo in server.photos.values())
    sums = dict(reversed(line.split("  ")) for line in (tmp_path / CHECKSUM_FILE).read_text().splitlines())
    for path, photo in server.photos.items():
        assert (tmp_path / path).read_bytes() == photo.content
        assert sums[path] == hashlib.sha256(photo.content).hexdigest()
    assert not list(tmp_path.rglob("*.part*"))


def test_a_second_call_asks_the_server_for_nothing(server, tmp_path):
    for number in range(5):
        server.add(f"{number}.jpg")
    fetch(server, tmp_path)
    before = server.num_requests
    report = fetch(server, tmp_path)
    assert (report.fetched, report.kept) == (0, 5)
    assert server.num_requests == before


def test_requests_at_a_time_stay_within_the_bound(server, tmp_path):
    server.delay = 0.02
    for number in range(20):
        server.add(f"{number}.jpg")
    fetch(server, tmp_path, workers=3)
    assert 1 <= server.busiest <= 3


@pytest.mark.parametrize(
    "answers",
    [
        [("status", 500), ("status", 502), ("status", 503)],
        [("status", 429)],
        [("hang up", 0), ("hang up", 0)],
        [("break off", 10)],
        [("break off", 0), ("status", 504), ("break off", 1_000)],
    ],
)
def test_passing_errors_are_tried_again(server, tmp_path, answers):
    content = server.add("a.jpg", answers=answers)
    report = fetch(server, tmp_path)
    assert report.fetched == 1
    assert (tmp_path / "a.jpg").read_bytes() == content
    assert server.num_requests == len(answers) + 1


def test_a_photo_that_broke_off_is_continued_where_it_stopped(server, tmp_path):
    content = server.add("a.jpg", answers=[("break off", 1_500)])
    report = fetch(server, tmp_path)
    assert server.requests["a.jpg"][1]["Range"] == "bytes=1500-"
    assert report.continued == 1
    assert (tmp_path / "a.jpg").read_bytes() == content


def test_a_photo_that_broke_off_is_continued_by_a_later_call(server, tmp_path):
    content = server.add("a.jpg", answers=[("break off", 1_500)])
    first = fetch(server, tmp_path, retries=0)
    assert first.failed == {"cut short": ["a.jpg"]}
    assert (tmp_path / "a.jpg.part").stat().st_size == 1_500
    second = fetch(server, tmp_path)
    assert second.num_bytes == len(content) - 1_500
    assert (tmp_path / "a.jpg").read_bytes() == content


def test_a_photo_that_changed_meanwhile_comes_whole_not_as_a_mixture(server, tmp_path):
    server.add("a.jpg", answers=[("break off", 1_500)])
    fetch(server, tmp_path, retries=0)
    changed = server.add("a.jpg", content=draw_photo(99))
    fetch(server, tmp_path)
    assert (tmp_path / "a.jpg").read_bytes() == changed


def test_without_a_tag_a_part_is_not_continued(server, tmp_path):
    content = server.add("a.jpg", answers=[("break off", 1_500)], tag=False)
    report = fetch(server, tmp_path)
    assert "Range" not in server.requests["a.jpg"][1]
    assert report.continued == 0
    assert (tmp_path / "a.jpg").read_bytes() == content


def test_a_photo_without_a_length_that_broke_off_is_found_out(server, tmp_path):
    content = server.add("a.jpg", answers=[("break off", 1_500)], length=False)
    assert fetch(server, tmp_path).fetched == 1
    assert (tmp_path / "a.jpg").read_bytes() == content


def test_a_part_longer_than_the_photo_is_thrown_away(server, tmp_path):
    content = server.add("a.jpg", answers=[("break off", 1_500)])
    fetch(server, tmp_path, retries=0)
    (tmp_path / "a.jpg.part").write_bytes(content + b"more")
    assert fetch(server, tmp_path).fetched == 1
    assert (tmp_path / "a.jpg").read_bytes() == content


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_when_the_server_asks_to_wait_all_wait(server, tmp_path, form):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    server.add("0.jpg", answers=[("status", 429)], headers={"Retry-After": "1" if form == "seconds" else later})
    for number in range(1, 8):
        server.add(f"{number}.jpg")
    server.delay = 0.05
    report = fetch(server, tmp_path, workers=2)
    assert report.fetched == 8
    gaps = [second - first for first, second in zip(server.times, server.times[1:], strict=False)]
    assert max(gaps) > 0.5
    assert server.num_requests == 9


def test_a_server_that_asks_to_wait_too_long_is_left_alone(server, tmp_path):
    for number in range(30):
        server.add(f"{number}.jpg", answers=[("status", 503)], headers={"Retry-After": "3600"})
    report = fetch(server, tmp_path, workers=2)
    assert "asks to wait 3600 s" in report.stopped
    assert server.num_requests <= 2


def test_a_server_that_is_down_is_left_alone(server, tmp_path):
    for number in range(FAILURES_IN_A_ROW + 20):
        server.add(f"{number}.jpg", answers=[("status", 500)] * 9)
    report = fetch(server, tmp_path, workers=1, retries=0)
    assert "seems down" in report.stopped
    assert server.num_requests == FAILURES_IN_A_ROW


def test_what_the_server_lacks_or_refuses_is_asked_for_once_and_named(server, tmp_path):
    server.add("there.jpg")
    server.add("secret.jpg", answers=[("status", 403)] * 9)
    report = fetch(server, tmp_path, ["there.jpg", "secret.jpg", "gone.jpg"])
    assert report.fetched == 1
    assert report.failed == {"not on the server": ["gone.jpg"], "refused by the server (403)": ["secret.jpg"]}
    assert server.num_requests == 3
    assert "1 not on the server: gone.jpg" in str(report)


@pytest.mark.parametrize(("content", "reason"), [(b"", NO_BYTES), (b"<html>busy</html>", UNREADABLE)])
def test_photos_of_zero_bytes_or_unreadable_ones_are_named_and_not_kept(server, tmp_path, content, reason):
    server.add("bad.jpg", content=content)
    server.add("good.jpg")
    report = fetch(server, tmp_path)
    assert report.failed == {reason: ["bad.jpg"]}
    assert [path.name for path in tmp_path.rglob("*.jpg*")] == ["good.jpg"]


def test_photos_found_in_the_folder_are_kept_if_they_can_be_read(server, tmp_path):
    (tmp_path / "mine.jpg").write_bytes(server.add("mine.jpg"))
    server.add("broken.jpg")
    (tmp_path / "broken.jpg").write_bytes(draw_photo()[:500])
    report = fetch(server, tmp_path)
    assert (report.fetched, report.kept) == (1, 1)
    assert len((tmp_path / CHECKSUM_FILE).read_text().splitlines()) == 2


def test_a_torn_last_line_of_the_checksums_is_dropped(server, tmp_path):
    server.add("a.jpg")
    server.add("b.jpg")
    fetch(server, tmp_path)
    whole = (tmp_path / CHECKSUM_FILE).read_text()
    (tmp_path / CHECKSUM_FILE).write_text(whole[:-8])
    assert fetch(server, tmp_path).kept == 2
    assert sorted((tmp_path / CHECKSUM_FILE).read_text().splitlines()) == sorted(whole.splitlines())


def test_a_photo_asked_for_twice_is_fetched_once(server, tmp_path):
    server.delay = 0.05
    server.add("a.jpg")
    fetch(server, tmp_path, ["a.jpg"] * 6)
    assert server.num_requests == 1


def test_a_killed_download_goes_on_where_it_stopped(server, tmp_path):
    for number in range(40):
        server.add(f"{number}.jpg")
    server.delay = 0.05
    paths = list(server.photos)
    process = multiprocessing.get_context("fork").Process(target=fetch, args=(server, tmp_path, paths))
    process.start()
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.jpg"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    there = len(list(tmp_path.glob("*.jpg")))
    assert 8 <= there < 40
    server.delay = 0.0
    report = fetch(server, tmp_path)
    assert report.kept == there
    assert report.fetched == 40 - there
    assert all((tmp_path / path).read_bytes() == photo.content for path, photo in server.photos.items())


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (PhotoRequest("http://x/a.jpg", "../a.jpg"), "stay within its folder"),
        (PhotoRequest("http://x/a.jpg", "/a.jpg"), "stay within its folder"),
        (PhotoRequest("file:///etc/passwd", "a.jpg"), "must begin with http"),
    ],
)
def test_what_would_be_unsafe_is_refused_in_one_line(tmp_path, photo, message):
    with pytest.raises(ValueError, match=message):
        download_photos([photo], tmp_path, progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "`workers` must be 1 to 8"),
        ({"workers": 9}, "the server is shared"),
        ({"retries": -1}, "must not be negative"),
        ({"timeout": 0}, "nor `timeout` 0"),
    ],
)
def test_what_would_be_rude_is_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=message):
        DownloadOptions(**options)


def test_pauses_double_up_to_a_minute_with_a_random_part_of_one_more():
    retry, pauses = DownloadOptions(retries=9, pause=2).to_retry(), []
    for _ in range(8):
        retry = retry.increment("GET", "http://x/a.jpg", error=OSError("reset"))
        pauses.append(retry.get_backoff_time())
    assert all(least <= pause <= least + 2 for pause, least in zip(pauses, (2, 4, 8, 16, 32), strict=False))
    assert pauses[5:] == [60, 60, 60]


def test_photos_come_through_the_proxy_that_the_environment_names(server, tmp_path, monkeypatch):
    url = "http://photos.invalid/a.jpg"
    content = server.add(url)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    report = download_photos([PhotoRequest(url, "a.jpg")], tmp_path, progress=False)
    assert report.fetched == 1
    assert (tmp_path / "a.jpg").read_bytes() == content


def test_a_server_that_moved_a_photo_is_followed(server, tmp_path):
    content = server.add("new.jpg")
    server.add("old.jpg", answers=[("status", 302)], headers={"Location": f"{server.url}/new.jpg"})
    assert fetch(server, tmp_path, ["old.jpg"]).fetched == 1
    assert (tmp_path / "old.jpg").read_bytes() == content


def test_an_answer_that_asks_to_wait_for_nonsense_is_tried_again_after_the_usual_pause(server, tmp_path):
    server.add("a.jpg", answers=[("status", 503)], headers={"Retry-After": "soon"})
    assert fetch(server, tmp_path).fetched == 1
    assert server.num_requests == 2


def test_of_a_path_listed_twice_the_last_line_holds_and_what_is_known_is_not_written_again(tmp_path):
    with ChecksumFile(tmp_path) as checksums:
        for checksum in ("aa", "bb", "bb"):
            checksums.add("2018/BE/a.jpg", checksum)
    assert (tmp_path / CHECKSUM_FILE).read_text() == "aa  2018/BE/a.jpg\nbb  2018/BE/a.jpg\n"
    assert ChecksumFile(tmp_path).checksums == {"2018/BE/a.jpg": "bb"}


def test_a_line_that_was_torn_by_a_kill_is_dropped_and_the_next_one_stands_on_its_own(tmp_path):
    (tmp_path / CHECKSUM_FILE).write_text("aa  a.jpg\nbb  b.j")
    with ChecksumFile(tmp_path) as checksums:
        assert checksums.checksums == {"a.jpg": "aa"}
        checksums.add("c.jpg", "cc")
    assert (tmp_path / CHECKSUM_FILE).read_text() == "aa  a.jpg\ncc  c.jpg\n"


def test_a_file_is_hashed_as_sha256sum_hashes_it(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")
