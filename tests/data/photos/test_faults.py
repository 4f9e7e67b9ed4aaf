from tests.support.photo_server import draw_photo
from timesenclip_hf.data.photos.faults import NO_BYTES, UNREADABLE, photo_fault


def test_a_fault_is_told_from_a_file_or_from_bytes(tmp_path):
    photo = draw_photo()
    (tmp_path / "a.jpg").write_bytes(photo)
    (tmp_path / "empty.jpg").touch()
    assert photo_fault(photo) is None
    assert photo_fault(tmp_path / "a.jpg") is None
    assert photo_fault(tmp_path / "empty.jpg") == NO_BYTES
    assert photo_fault(photo[:-20]) == UNREADABLE
    assert photo_fault(tmp_path / "absent.jpg") == UNREADABLE
