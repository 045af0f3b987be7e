"""Each house rule: what it refuses, and what it must leave alone."""

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tools.lint import modules, places, sql, templates
from tools.lint.__main__ import RULES, main
from tools.lint.tree import Finding, files, findings

ANY = PurePosixPath("src/panorad/data/imaging/retrieve.py")


def messages(check, text, path=ANY):
    return [message for _, message in check(path, text)]


def test_a_module_of_500_lines_passes_and_one_more_does_not():
    assert not messages(modules.check_length, "x = 1\n" * 500)
    assert list(modules.check_length(ANY, "x = 1\n" * 501)) == [
        (501, "501 lines; split it, or say why in the docstring: 'Long because: ...'")
    ]
    assert messages(modules.check_length, "x = 1\n" * 500 + "y = 2")


@pytest.mark.parametrize(
    ("docstring", "refused"),
    [
        ('"""Tags.\n\nLong because: the table has one row for each attribute of PS3.6.\n"""\n', False),
        ('"""Tags.\n\nLong because:\n"""\n', True),
        ('"""Tags. Long because: it grew.\n"""\n', True),
        ("# Long because: a comment is no docstring\n", True),
    ],
)
def test_a_long_module_may_say_why(docstring, refused):
    assert bool(messages(modules.check_length, docstring + "x = 1\n" * 500)) is refused


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("src/panorad/kit/utils.py", True),
        ("src/panorad/kit/Helpers.py", True),
        ("src/panorad/common/tags.py", True),
        ("tests/kit/manager.py", True),
        ("src/panorad/kit/blobs.py", False),
        ("src/panorad/management/equipment.py", False),
        ("src/panorad/access/web/commonname.py", False),
    ],
)
def test_shapeless_names(path, refused):
    assert bool(messages(modules.check_name, "", PurePosixPath(path))) is refused


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT uid FROM study WHERE id = %s",
        "select count(*) from instance",
        "\n  -- name: by_uid\n  SELECT uid\n  FROM study",
        "SELECT pg_notify('event', %s)",
        "select 1",
        "INSERT INTO event (at) VALUES (now())",
        "update study set settled = true",
        "UPDATE data.study AS s SET settled = true",
        "DELETE FROM landing WHERE id = 3",
        "WITH RECURSIVE tree (id) AS (SELECT 1) SELECT * FROM tree",
        "CREATE UNIQUE INDEX ON study (uid)",
        "drop table study",
        "TRUNCATE study",
        "COPY instance (uid, place) FROM STDIN",
        "SET LOCAL panorad.actor = 3",
        "LISTEN event",
    ],
)
def test_sql_is_recognized(statement):
    assert sql.is_sql(statement)


@pytest.mark.parametrize(
    "sentence",
    [
        "Select a study from the list",
        "Update the set of AE titles",
        "Delete from the archive?",
        "Create table-top phantoms",
        "Copy the address to the clipboard",
        "selected studies come from the list",
        "select",
        "with the patient's consent",
        "grant",
        "Listen to the change feed",
        "SERIES INSTANCE UID FROM PEER",
        "",
    ],
)
def test_sentences_are_not_sql(sentence):
    assert not sql.is_sql(sentence)


def test_sql_in_a_module_is_found_with_its_line_but_not_in_a_docstring():
    text = '''"""select x from y is what the store does."""
def rows(tx, table):
    """select x from y"""
    tx.execute("select a from b")
    tx.execute(f"delete from {table} where id = %s")
    tx.execute(f"select {table}.a from {table}")
'''
    assert [line for line, _ in sql.check_sql(ANY, text)] == [4, 5, 6]


@pytest.mark.parametrize(
    ("path", "judged"),
    [
        ("src/panorad/data/imaging/service.py", True),
        ("src/panorad/app.py", True),
        ("src/panorad/data/imaging/store.py", False),
        ("src/panorad/kit/db.py", False),
        ("src/panorad/migrations/run.py", False),
        ("tests/data/imaging/test_store.py", False),
        ("src/panorad/data/imaging/queries.sql", False),
    ],
)
def test_where_sql_may_stand(path, judged):
    assert sql.RULES[0].applies(PurePosixPath(path)) is judged


@pytest.mark.parametrize(
    ("page", "word"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ('<script type="module">import "./x.js"</script>', "<script>"),
        ("<style>p {color: red}</style>", "<style>"),
        ('<button\n  class="x"\n  onclick="go()">', "onclick"),
        ('<div {% if late %}style="color: red"{% endif %}>', "style attribute"),
        ('<div hx-on::after-request="go()">', "hx-on"),
        ('<a href=" javascript:go()">', "script in href"),
        ('<IMG SRC="x" ONERROR="go()">', "onerror"),
    ],
)
def test_pages_with_inline_code_are_refused(page, word):
    (message,) = messages(templates.check_page, page)
    assert word in message


@pytest.mark.parametrize(
    "page",
    [
        '<script type="module" src="/static/list.js"></script>',
        '<script type="application/json" id="facets">{{ facets | tojson }}</script>',
        '<link rel="stylesheet" href="/static/app.css"><div class="once" data-style="x">on = 1</div>',
        "{# <script>alert(1)</script> #}<p>{{ 'onclick=' }}</p>",
        '<a title="{{ a > b }}" href="{{ url }}">style="color: red"</a>',
    ],
)
def test_pages_without_inline_code_pass(page):
    assert not messages(templates.check_page, page)


def test_a_page_breach_knows_its_line_past_template_code():
    assert [line for line, _ in templates.check_page(ANY, '{% if a\n   and b %}\n<p\n style="x">')] == [3]


@pytest.mark.parametrize(
    "parts", [("https://py", "pi.", "org/simple"), ("REGI", "STRY.npm", "js.org"), ("http://d", "eb.deb", "ian.org/debian")]
)
def test_registry_hosts_are_refused(parts):
    assert messages(places.check_places, f"index = {''.join(parts)}")


@pytest.mark.parametrize(
    ("parts", "refused"),
    [
        (("", "root", ".cache"), True),
        (("cd ", "work", "main"), True),
        (("file://", "home", "somebody", "x"), True),
        (("", "Users", "somebody", "x"), True),
        (("..", "work", "list"), False),
        (("/api", "work", "list"), False),
        (("{base}", "home", "page", "x"), False),
        (("", "worklist", "today"), False),
        (("", "dicom-web", "studies"), False),
        (("", "home"), False),
    ],
)
def test_machine_paths_are_refused(parts, refused):
    assert bool(messages(places.check_places, f"path = {'/'.join(parts)}")) is refused


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def put(root: Path, name: str, content: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


def test_the_tree_is_what_git_would_add(tree):
    put(tree, ".gitignore", b"/made/\n")
    put(tree, "made/out.py", b"")
    put(tree, "src/p/\xe4\xb8\xad.py".encode("latin-1").decode("utf-8"), b"")
    (tree / "link.py").symlink_to("nowhere.py")
    assert [str(name) for name in files(tree)] == [".gitignore", "src/p/中.py"]


def test_every_rule_is_run_on_a_tree_and_binary_files_are_left_alone(tree, capsys):
    secret = "/".join(("", "root", "x"))
    put(tree, "src/panorad/utils.py", b"x = 'select a from b'\n" * 501)
    put(tree, "src/panorad/web/templates/list.html", b"<p onclick=x>")
    put(tree, "README.md", f"see {secret}".encode())
    put(tree, "picture.bin", f"\0{secret}".encode())
    put(tree, "old.txt", f"\xff{secret}".encode("latin-1"))
    found = sorted(findings(tree, RULES))
    assert {finding.rule for finding in found} == {rule.name for rule in RULES}
    assert {str(finding.path) for finding in found} == {
        "README.md",
        "src/panorad/utils.py",
        "src/panorad/web/templates/list.html",
    }
    assert main([str(tree)]) == 1
    assert "README.md:1: places: names a folder of one machine" in capsys.readouterr().out


def test_a_line_may_excuse_itself_from_one_rule_with_a_reason(tree):
    put(
        tree,
        "src/panorad/reader.py",
        b"a = 'select a from b'  # house rule sql-place: another program's database\n"
        b"b = 'select a from b'  # house rule sql-place:\n"
        b"c = 'select a from b'  # house rule places: not this one\n",
    )
    assert [finding.line for finding in findings(tree, RULES)] == [2, 3]


def test_a_clean_tree_passes_and_a_folder_without_git_is_an_error(tree, tmp_path_factory, capsys):
    put(tree, "src/panorad/blobs.py", b'"""Blobs."""\n')
    assert main([str(tree)]) == 0
    outside = tmp_path_factory.mktemp("outside")
    assert main([str(outside)]) == 2
    assert "git cannot list" in capsys.readouterr().err


def test_a_finding_reads_as_editors_expect():
    assert str(Finding(PurePosixPath("a/b.py"), 3, "rule", "why")) == "a/b.py:3: rule: why"
