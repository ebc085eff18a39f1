"""Bundles on disk become the bundle that is uploaded, or one clear error."""

import json
from pathlib import Path
from typing import Any

import pytest

from phasegate.adapters import bundle_files
from phasegate.adapters.bundle_files import load_bundle
from phasegate.domain.errors import BundleError
from phasegate.domain.plan import Environment

pytestmark = pytest.mark.patient

METADATA: dict[str, Any] = {
    "main_module": "entry.py",
    "compatibility_date": "2026-02-15",
    "bindings": [{"type": "secret_text", "name": "KEY", "text": "hunter2-hunter2"}],
    "annotations": {"workers/tag": "1.2.3", "workers/message": "a message"},
}
MULTIPART = (
    b"------formdata-undici-0123\r\n"
    b'Content-Disposition: form-data; name="metadata"\r\n\r\n'
    b'{"main_module":"index.js","bindings":[],"annotations":{"workers/tag":"v2"}}\r\n'
    b"------formdata-undici-0123\r\n"
    b'Content-Disposition: form-data; name="index.js"; filename="index.js"\r\n'
    b"Content-Type: application/javascript+module\r\n\r\n"
    b"export default {};\r\n\r\n// ends with a blank line\r\n\r\n"
    b"------formdata-undici-0123\r\n"
    b'Content-Disposition: form-data; name="lib/a%22b.wasm"; filename="lib/a%22b.wasm"\r\n'
    b"Content-Type: application/wasm\r\n\r\n"
    b"\x00asm\r\n\x01\r\n"
    b"------formdata-undici-0123--\r\n"
)


def a_directory(root: Path, *, metadata: Any = METADATA, staging: Any = None, **files: bytes) -> Path:
    (root / "modules" / "lib").mkdir(parents=True)
    (root / "metadata.json").write_text(json.dumps(metadata))
    if staging is not None:
        (root / "metadata.staging.json").write_text(json.dumps(staging))
    (root / "modules" / "entry.py").write_bytes(b"async def app(scope, receive, send): ...\n")
    (root / "modules" / "lib" / "rules.txt").write_bytes(b"1\n")
    for name, data in files.items():
        (root / "modules" / name.replace("__", ".")).write_bytes(data)
    return root


def a_file(root: Path, body: bytes = MULTIPART) -> Path:
    path = root / "bundle.form"
    path.write_bytes(body)
    return path


def test_a_directory_becomes_modules_named_as_they_are_imported(tmp_path):
    """
    The name of a part is what the code imports, so it is the path below modules/.
    """
    directory = a_directory(tmp_path)

    bundle = load_bundle(directory)

    assert [(m.name, m.content_type) for m in bundle.modules] == [
        ("entry.py", "text/x-python"),
        ("lib/rules.txt", "text/plain"),
    ]
    assert bundle.tag == "1.2.3"


def test_staging_takes_its_own_bindings_and_the_rest_from_production(tmp_path):
    """
    Staging must not write to production's database, and must run the same build.
    """
    own = [{"type": "d1", "name": "DB", "id": "staging"}]

    bundle = load_bundle(a_directory(tmp_path, staging={"main_module": "entry.py", "bindings": own}))

    assert bundle.metadata[Environment.STAGING] == {**METADATA, "bindings": own}
    assert bundle.metadata[Environment.PRODUCTION] == METADATA


def test_staging_may_not_run_another_build(tmp_path):
    """
    What is validated in staging must be what goes to production.
    """
    directory = a_directory(tmp_path, staging={**METADATA, "compatibility_date": "2020-01-01"})

    with pytest.raises(BundleError, match=r"metadata\.staging\.json: compatibility_date: differs"):
        load_bundle(directory)


def test_a_dry_run_of_wrangler_is_a_bundle(tmp_path):
    """
    The build needs no token when its output is the very body that is uploaded.
    """
    path = a_file(tmp_path)

    bundle = load_bundle(path)

    assert [(m.name, m.content_type, m.data) for m in bundle.modules] == [
        (
            "index.js",
            "application/javascript+module",
            b"export default {};\r\n\r\n// ends with a blank line\r\n",
        ),
        ('lib/a"b.wasm', "application/wasm", b"\x00asm\r\n\x01"),
    ]
    assert bundle.tag == "v2"


def test_a_bundle_file_takes_stagings_bindings_from_the_file_next_to_it(tmp_path):
    """
    One body serves both environments; the databases still differ.
    """
    path = a_file(tmp_path)
    (tmp_path / "bundle.form.staging.json").write_text('{"bindings": [{"type": "d1", "id": "s"}]}')

    bundle = load_bundle(path)

    assert bundle.metadata[Environment.STAGING]["bindings"] == [{"type": "d1", "id": "s"}]
    assert bundle.metadata[Environment.PRODUCTION]["bindings"] == []


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (
            {**METADATA, "main_module": "index.js"},
            "main_module: 'index.js' is no module; the modules are entry",
        ),
        ({"bindings": []}, "main_module: None is no module"),
        (["not", "an", "object"], "must be a JSON object"),
        ({**METADATA, "bindings": {"KEY": "hunter2-hunter2"}}, "bindings: must be a JSON array"),
        ({**METADATA, "assets": {"config": {}}}, "assets: the files are missing; they belong into"),
    ],
)
def test_metadata_that_cannot_be_uploaded_is_refused_by_place(tmp_path, metadata, words):
    """
    A wrong bundle is found before anything is uploaded, and secrets stay out of the text.
    """
    directory = a_directory(tmp_path, metadata=metadata)

    with pytest.raises(BundleError, match=words) as refusal:
        load_bundle(directory)

    assert "hunter2" not in str(refusal.value)


def test_a_module_of_an_unknown_kind_is_refused(tmp_path):
    """
    A guessed content type would fail in production, not here.
    """
    directory = a_directory(tmp_path, entry__pyc=b"\x00")

    with pytest.raises(
        BundleError, match=r"entry\.pyc: no module has the suffix '\.pyc'; allowed are .*\.py"
    ):
        load_bundle(directory)


@pytest.mark.parametrize("outside", ["secret.txt", "directory"])
def test_a_link_out_of_the_bundle_is_refused(tmp_path, outside):
    """
    A bundle must not carry files of the machine that it was made on.
    """
    (tmp_path / "directory").mkdir()
    (tmp_path / "secret.txt").write_text("private")
    directory = a_directory(tmp_path / "bundle")
    (directory / "modules" / "leak.txt").symlink_to(tmp_path / outside)

    with pytest.raises(BundleError, match=r"leak\.txt: is a link that leads elsewhere"):
        load_bundle(directory)


def test_a_bundle_has_a_largest_size(tmp_path, monkeypatch):
    """
    Cloudflare takes 64 MiB; more is refused while reading, whatever is on the disk.
    """
    monkeypatch.setattr(bundle_files, "LARGEST", 1000)
    directory = a_directory(tmp_path, a__txt=b"x" * 600, b__txt=b"x" * 600)

    with pytest.raises(BundleError, match=r"b\.txt: the bundle is larger than"):
        load_bundle(directory)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (MULTIPART[:-4], "closing boundary is missing"),
        (MULTIPART[:200], "closing boundary is missing"),
        (b"PK\x03\x04", "is no multipart body"),
        (b"", "is no multipart body"),
        (MULTIPART.replace(b'name="metadata"', b'name="index.js"'), "'index.js' is there twice"),
        (MULTIPART.replace(b'name="metadata"', b'name="other"'), "'metadata' is missing"),
        (MULTIPART.replace(b'name="metadata"', b'title="metadata"'), "a part has no name"),
    ],
)
def test_a_file_that_is_no_upload_body_is_refused(tmp_path, body, words):
    """
    A half-written file must not become half a release.
    """
    path = a_file(tmp_path, body)

    with pytest.raises(BundleError, match=words):
        load_bundle(path)


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_a_bundle_that_is_not_there_says_where_it_was_looked_for(tmp_path, place):
    """
    A typing mistake is found by its path.
    """
    (tmp_path / "empty").mkdir()

    with pytest.raises(BundleError, match=place):
        load_bundle(tmp_path / place)
