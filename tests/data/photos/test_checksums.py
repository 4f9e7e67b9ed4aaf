from timesenclip_hf.data.photos.checksums import CHECKSUM_FILE, ChecksumFile, sha256_of


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
