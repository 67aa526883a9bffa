"""The tree is what it is said to be: import contracts, one slug on every axis, sizes, nothing kept in modules."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.pages import PAGES

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(path for package in ("app", "model") for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

FUNCTION_LINES = 50
MODULE_LINES = 300
TEMPLATE_LINES = 120
ELEMENT_LINES = 200

STATEFUL = {"Counter", "Condition", "Event", "Lock", "Queue", "RLock", "Semaphore", "Thread", "defaultdict", "deque"}
CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def names_of_assignment(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


# Imports


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout
    assert "0 broken" in checked.stdout
    assert int(checked.stdout.split("Contracts: ")[1].split()[0]) >= 5


# Maps


WINGS = sorted(path.parent for package in ("app", "model") for path in (ROOT / package).rglob("__init__.py"))


def test_the_reading_order_names_every_wing_and_no_other() -> None:
    said = ast.get_docstring(ast.parse((ROOT / "model" / "__init__.py").read_text())) or ""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "wings-of-model")
    folders = [name for layer in reversed(layers) for name in layer.split(" | ") if (ROOT / "model" / name).is_dir()]
    assert re.findall(r"^    (\w+) {3,}", said, re.MULTILINE) == folders
    assert {path.name for path in WINGS if path.parent == ROOT / "model"} == set(folders)


def test_the_tree_in_contributing_names_every_folder_and_no_other() -> None:
    tree = (ROOT / "CONTRIBUTING.md").read_text().split("```text\n")[1].split("```")[0]
    named, above = set(), [""]
    for indent, name in re.findall(r"^( *)([\w/]+)/ ", tree, re.MULTILINE):
        above[len(indent) // 2 :] = [name]
        named.add("/".join(above))
    wings = {str(path.relative_to(ROOT)) for path in WINGS}
    assert named == wings | {"templates", "static", "tests", "model/trained"}


@pytest.mark.parametrize("wing", [wing for wing in WINGS if wing.parent != ROOT], ids=name_of)
def test_a_wing_holds_more_than_one_module_and_says_what_it_may_import(wing: Path) -> None:
    assert len(list(wing.glob("*.py"))) > 2
    says = ast.get_docstring(ast.parse((wing / "__init__.py").read_text())) or ""
    assert "mports " in says, "it says what it may import"


# One slug on every axis


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.slug)
def test_a_page_is_one_slug_on_every_axis(page: object) -> None:
    slug, path = page.slug, page.path  # type: ignore[attr-defined]
    assert (ROOT / "app" / "pages" / f"{slug}.py").is_file()
    assert (ROOT / "templates" / slug / "page.html").is_file()
    assert (ROOT / "tests" / "app" / "pages" / f"test_{slug}.py").is_file()
    assert path == ("/" if page is PAGES[0] else f"/{slug}")
    assert path in {route.path for route in page.router.routes}  # type: ignore[attr-defined]


def test_no_page_is_left_over_on_any_axis() -> None:
    slugs = {page.slug for page in PAGES}
    assert {path.stem for path in (ROOT / "app" / "pages").glob("*.py")} == slugs | {"__init__"}
    assert {path.name for path in (ROOT / "templates").iterdir() if path.is_dir()} == slugs | {"shared"}
    tests = (ROOT / "tests" / "app" / "pages").glob("test_*.py")
    assert {path.stem for path in tests} == {f"test_{slug}" for slug in slugs}


def test_a_fragment_is_a_template_whose_name_says_so_and_every_template_is_used() -> None:
    folder = ROOT / "templates"
    texts = [path.read_text() for path in (*folder.rglob("*.html"), *(ROOT / "app").rglob("*.py"))]
    for path in folder.rglob("*.html"):
        name = str(path.relative_to(folder))
        assert path.name.startswith("_") or path.name in ("base.html", "error.html", "page.html"), name
        assert any(f'"{name}"' in text for text in texts), name


# Sizes


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_does_and_is_short(path: Path) -> None:
    source = path.read_text()
    tree = ast.parse(source)
    assert ast.get_docstring(tree)
    assert len(source.splitlines()) <= MODULE_LINES
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno + 1 <= FUNCTION_LINES, node.name


@pytest.mark.parametrize("path", sorted((ROOT / "templates").rglob("*.html")), ids=name_of)
def test_a_template_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= TEMPLATE_LINES


@pytest.mark.parametrize("path", sorted((ROOT / "static" / "elements").glob("*.js")), ids=name_of)
def test_an_element_is_short_and_defines_the_tag_it_is_named_after(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= ELEMENT_LINES
    assert source.count("customElements.define(") == 1
    assert f'customElements.define("{path.stem}"' in source


def test_no_module_is_named_after_nothing() -> None:
    unnamed = {
        "utils",
        "util",
        "helpers",
        "common",
        "misc",
        "manager",
        "service",
        "types",
        "token",
        "random",
    }
    assert not unnamed & {path.stem for path in MODULES}


# Nothing kept in modules


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_keeps_nothing_that_changes(path: Path) -> None:
    tree = ast.parse(path.read_text())
    at_module_level = {name for node in tree.body for name in names_of_assignment(node)}
    for node in tree.body:
        value = getattr(node, "value", None)
        if isinstance(value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)):
            assert all(name.lstrip("_").isupper() for name in names_of_assignment(node)), ast.unparse(node)
        if isinstance(value, ast.Call):
            called = ast.unparse(value.func).rsplit(".", 1)[-1]
            assert called not in STATEFUL, ast.unparse(node)
    for change in changed_names(tree):
        assert change not in at_module_level, f"{path.name} changes {change}"


def changed_names(tree: ast.Module) -> Iterator[str]:
    """Names that something declares global, assigns an item of, deletes one of, or calls a changing method of."""
    for node in ast.walk(tree):
        match node:
            case ast.Global(names=names):
                yield from names
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in CHANGES:
                yield name


# The tests themselves


def test_tests_are_no_package_and_use_no_client_but_httpx() -> None:
    assert not [path for path in TESTS if path.name == "__init__.py"]
    for path in TESTS:
        if path != Path(__file__):
            source = path.read_text()
            assert "TestClient" not in source, name_of(path)
            assert "unittest.mock" not in source, name_of(path)


NOT_OF_ONE_MODULE = {
    "tests/app/api/test_fuzzed.py",
    "tests/model/explain/test_objectives.py",
    "tests/model/inspector/test_damaged.py",
    "tests/model/inspector/test_families.py",
    "tests/model/inspector/test_referee.py",
    "tests/model/inspector/test_trl.py",
    "tests/model/inspector/test_variants.py",
    "tests/model/masks/test_policy_tables.py",
    "tests/model/masks/test_trl.py",
    "tests/model/test_trained.py",
}


@pytest.mark.parametrize(
    "path", [p for p in TESTS if p.name.startswith("test_") and p.parent.name != "tests"], ids=name_of
)
def test_a_test_module_stands_where_its_module_stands(path: Path) -> None:
    place = path.relative_to(ROOT / "tests")
    if place.parts[0] != "browser" and name_of(path) not in NOT_OF_ONE_MODULE:
        assert (ROOT / place.parent / f"{path.stem.removeprefix('test_')}.py").is_file()


def test_the_product_imports_nothing_that_a_plain_install_lacks() -> None:
    """`make run` installs the dependencies without extras; what a module imports at its top must be among them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = (re.split("[<=>]", line)[0] for line in project["dependencies"])
    declared = {name.replace("-", "_").lower() for name in named} | {"starlette"}  # fastapi's base
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for package in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"app", "model"}:
                assert package in declared, f"{path.name} imports {package}"
