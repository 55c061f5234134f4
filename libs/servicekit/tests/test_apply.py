"""`latchkey apply`: reading the file, and saying what came of it."""

from pathlib import Path

import httpx
import pytest
from servicekit.apply import Report, apply_file, print_report, read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "latchkey.yaml"


class TestRead:
    def test_yaml_as_json_knows_it(self, file):
        file.write_text("a: {b: [1, true, null, text]}\nday: 2026-11-24\n1: x\n")
        assert read(file) == ({"a": {"b": [1, True, None, "text"]}, "day": "2026-11-24", "1": "x"}, [])

    def test_an_empty_file_is_an_empty_document(self, file):
        file.write_text("# nothing yet\n")
        assert read(file) == ({}, [])

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("a: {b: 1\nc: [2]\n", ":2:2"),
            ("a: 1\nb: 2\na: 3\n", ":3:1"),
            ("a:\n  b: 1\n  b: 2\n", ":3:3"),
            ("? [a, b]\n: 1\n", ":1:3"),
            ("a: !!python/object/apply:os.system [ls]\n", ":1:4"),
            ("a: &x [*x]\n", ""),
            ("a: !!binary aGk=\n", ""),
            ("a: 99999999999999999999\n", ""),
        ],
    )
    def test_what_is_wrong_has_its_line(self, file, text, place):
        file.write_text(text)
        document, ((where, reason),) = read(file)
        assert (document, where) == (None, f"{file}{place}")
        assert reason

    def test_a_file_that_cant_be_read(self, tmp_path, file):
        file.write_bytes(b"a: \xff\n")
        for path in (tmp_path / "nowhere.yaml", tmp_path, file):
            assert "can't be read" in read(path)[1][0][1]


class TestApplyFile:
    def test_identity_that_does_not_answer(self, file, keys_dir):
        file.write_text("applications: []\n")
        report = apply_file(file, identity_url="http://127.0.0.1:9", keys_dir=keys_dir)
        assert report.errors == [("http://127.0.0.1:9", "identity does not answer")]

    def test_no_operators_key(self, file, tmp_path):
        file.write_text("applications: []\n")
        (report,) = apply_file(file, identity_url="http://127.0.0.1:9", keys_dir=tmp_path / "none").errors
        assert "latchkey keys init" in report[1]

    def test_a_broken_file_never_reaches_identity(self, file, keys_dir, monkeypatch):
        monkeypatch.setattr(httpx.AsyncClient, "request", lambda *_args, **_more: pytest.fail("was sent"))
        file.write_text("a: [\n")
        assert apply_file(file, identity_url="http://127.0.0.1:9", keys_dir=keys_dir).errors


class TestReport:
    def test_every_error_on_a_line_and_exit_code_1(self, capsys):
        assert print_report(Report(errors=[("/applications/0/slug", "go is reserved"), ("", "must be a group of settings")])) == 1
        assert capsys.readouterr().out.splitlines() == [
            "  /applications/0/slug: go is reserved",
            "  /: must be a group of settings",
            "nothing was applied",
        ]

    def test_what_was_done_and_exit_code_0(self, capsys):
        assert print_report(Report(["store Default"], ["application demo"], [("/applications/0", "R8")])) == 0
        assert capsys.readouterr().out.splitlines() == [
            "  note  /applications/0: R8",
            "  applied store Default",
            "1 applied, 1 unchanged",
        ]
