import logging

from typer.testing import CliRunner

from timesenclip_hf.cli.options import options_in_log
from timesenclip_hf.cli.starting import Commands


def test_warnings_of_the_package_speak_in_options_while_a_command_runs(capsys):
    logger = logging.getLogger("timesenclip_hf.models.windows")
    with options_in_log():
        logger.warning('pass `year=2018` or `season="2018-07"` to choose\x1b[2J')
    assert capsys.readouterr().err == "pass --year 2018 or --season 2018-07 to choose\\x1b[2J\n"


def test_libraries_are_set_up_after_the_options_were_read(monkeypatch):
    order = []
    monkeypatch.setattr("timesenclip_hf.cli.starting.set_up_transformers", lambda: order.append("set up"))
    app = Commands()

    @app.command()
    def work(count: int) -> None:
        order.append(f"work {count}")

    assert CliRunner().invoke(app, ["two"]).exit_code == 2
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0
    assert order == []
    assert CliRunner().invoke(app, ["2"]).exit_code == 0
    assert order == ["set up", "work 2"]
