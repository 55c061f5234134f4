"""`latchkey apply`: reading the file, and saying what came of it."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from servicekit.web.apply import Report, apply_file, named, print_report, read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "latchkey.yaml"


Heard = list[tuple[str, bytes]]


@pytest.fixture
def identity() -> Iterator[tuple[str, Heard]]:
    """Somebody who listens where identity would, and what came."""
    heard: Heard = []

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            answer = json.dumps({"applied": ["store Default"], "unchanged": [], "warnings": []}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Listening)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    server.server_close()


class TestRead:
    def test_yaml_as_json_knows_it(self, file):
        file.write_text("a: {b: [1, true, null, text]}\nday: 2026-11-24\n1: x\n")
        assert read(file) == ({"a": {"b": [1, True, None, "text"]}, "day": "2026-11-24", "1": "x"}, [])

    def test_what_is_written_is_meant(self, file):
        """A country is no number and no answer (FRD-1), a switch is one in all words."""
        file.write_text("prices: {+1: 0.1, NO: 0.2}\ncountries: [+1, +49, NO, no]\nswitches: [true, false]\nnone: [~, null]\n")
        assert read(file)[0] == {
            "prices": {"+1": 0.1, "NO": 0.2},
            "countries": ["+1", "+49", "NO", "no"],
            "switches": [True, False],
            "none": [None, None],
        }

    def test_merged_groups(self, file):
        file.write_text("a: &a {b: 1, +1: 2}\nc: {<<: *a, b: 3}\n")
        assert read(file)[0] == {"a": {"b": 1, "+1": 2}, "c": {"b": 3, "+1": 2}}

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

    def test_a_broken_file_never_reaches_identity(self, file, keys_dir, identity):
        """And a whole one does: whoever listens there hears of it."""
        url, heard = identity
        file.write_text("a: [\n")
        assert apply_file(file, identity_url=url, keys_dir=keys_dir).errors
        assert heard == []
        file.write_text("applications: []\n")
        assert apply_file(file, identity_url=url, keys_dir=keys_dir) == Report(["store Default"])
        assert heard == [("/internal/configuration", b'{"applications":[]}')]


class TestNamed:
    @pytest.mark.parametrize(
        ("pointer", "place"),
        [
            ("/applications/0/brand/accent", "applications[demo].brand.accent"),
            ("/identity_stores/1/attributes/0/name", "identity_stores[Other].attributes[nickname].name"),
            ("/applications/0/consents/0", "applications[demo].consents[terms]"),
            ("/applications/0/languages/1", "applications[demo].languages[1]"),
            ("/applications/7/slug", "applications[7].slug"),
            ("/identity_stores/0", "identity_stores[0]"),
            ("/applications/elsewhere/self_service_policy", "applications[elsewhere].self_service_policy"),
            ("/surprise", "surprise"),
            ("/", ""),
            ("", ""),
        ],
    )
    def test_as_one_finds_it_in_the_file(self, pointer, place):
        document = {
            "applications": [{"slug": "demo", "languages": ["en", "xx"], "consents": [{"id": "terms"}]}],
            "identity_stores": [{"identifiers": {}}, {"name": "Other", "attributes": [{"name": "nickname"}]}],
        }
        assert named(document, pointer) == place

    @pytest.mark.parametrize("document", [None, [], "text", {"applications": 7}])
    def test_whatever_the_file_is(self, document):
        assert named(document, "/applications/0/slug")


class TestReport:
    def test_every_error_on_a_line_and_exit_code_1(self, capsys):
        assert (
            print_report(Report(errors=[("applications[go].slug", "go is reserved"), ("", "must be a group of settings")])) == 1
        )
        assert capsys.readouterr().out.splitlines() == [
            "  applications[go].slug: go is reserved",
            "  the file: must be a group of settings",
            "nothing was applied",
        ]

    def test_what_was_done_and_exit_code_0(self, capsys):
        assert print_report(Report(["store Default"], ["application demo"], [("applications[demo]", "R8")])) == 0
        assert capsys.readouterr().out.splitlines() == [
            "  note  applications[demo]: R8",
            "  applied store Default",
            "1 applied, 1 unchanged",
        ]
