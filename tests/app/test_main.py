import pytest
from matplotlib import pyplot

from timesenclip_hf.app.__main__ import main


def test_the_demo_prints_labels_with_scores_and_leaves_a_picture(tmp_path, capsys):
    main(str(tmp_path / "demo.png"))
    lines = capsys.readouterr().out.splitlines()
    right, total = (int(word) for word in lines[1].split() if word.isdigit())
    assert right > 0.75 * total == 450
    assert [line.split()[0] for line in lines[4:7]] == ["wheat", "maize", "rapeseed"]
    height, width, _ = pyplot.imread(tmp_path / "demo.png").shape
    assert (width, height) == (1870, 682)
    with pytest.raises(FileExistsError, match=r"demo\.png is there already"):
        main(str(tmp_path / "demo.png"))
