"""A run becomes an image, and the image the run again: on a machine that has nothing but it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from observing import write_notebook

from nbrepro.errors import UsageError
from nbrepro.packaging.building import BuildOptions, Built, build_package
from nbrepro.packaging.images import open_image
from nbrepro.packaging.inspecting import inspect_image
from nbrepro.packaging.replay import ReplayOptions, replay_package
from nbrepro.packaging.root import PackagingError
from nbrepro.packaging.verifying import verify_replay
from nbrepro.rundir import RunDirectory

pytestmark = [pytest.mark.live("strace", "kernel", "isolation"), pytest.mark.xdist_group("package")]

CELLS = [
    "import glob, os\nimport numpy as np\nfactor = 2",
    "names = sorted(glob.glob('inputs/*.csv'))\ntable = [np.loadtxt(n).sum() for n in names]\n"
    "print(names, table, os.path.getsize('inputs/note.txt'))",
    "with open('out.csv', 'w') as out:\n    out.write(f'{sum(table) * factor}\\n')",
    "%%bash\ngzip -n -k -f out.csv && zcat out.csv.gz | sed s/^/total:/",
    "print(open('out.csv').read())\nos.path.exists('own.cfg')",
]
RUN = [sys.executable, "-m", "nbrepro"]


class Silence:
    def started(self, cells: int) -> None: ...
    def cell_started(self, position: int, source: str) -> None: ...
    def cell_ended(self, position: int, status: str) -> None: ...
    def stage(self, name: str) -> None: ...


@dataclass
class Recorded:
    """One recorded run and its package, which many tests look at."""

    base: Path

    @property
    def work(self) -> Path:
        return self.base / "work"

    @property
    def image(self) -> Path:
        return self.base / "image.tar"

    @cached_property
    def directory(self) -> RunDirectory:
        (found,) = (self.work / ".nbrepro/runs").iterdir()
        return RunDirectory(found)

    @cached_property
    def built(self) -> Built:
        return build_package(self.directory, self.image, BuildOptions(), Silence())

    @cached_property
    def bare(self) -> Built:
        return self.build("bare.tar")

    def build(self, name: str, **options: object) -> Built:
        return build_package(
            self.directory, self.base / name, BuildOptions(proven=False, **options), Silence()
        )

    def command(self, *words: object, code: int = 0) -> str:
        done = subprocess.run(
            [*RUN, *map(str, words)], cwd=self.work, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    base = tmp_path_factory.mktemp("package")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        found = Recorded(base)
        notebook = write_notebook(found.work, CELLS)
        record = json.loads(notebook.read_text())
        record["cells"][0]["metadata"]["tags"] = ["parameters"]
        notebook.write_text(json.dumps(record))
        (found.work / "inputs").mkdir()
        for name, text in {"a.csv": "1\n2\n", "b.csv": "3\n", "note.txt": "seen"}.items():
            (found.work / "inputs" / name).write_text(text)
        (found.work / "inputs/.env").write_text("PASSWORD=x\n")
        (found.work / "own.cfg").write_text("[x]\n")
        found.command("run", notebook, "--no-progress")
        yield found


def test_the_package_is_proven_while_it_is_made(recorded: Recorded):
    proof = recorded.built.proof
    assert (proof.equal, proof.cells, proof.complete, proof.failure) == (5, 5, True, "")
    assert not recorded.built.changed


def test_what_was_only_looked_at_is_found(recorded: Recorded):
    assert recorded.built.files
    files = {row.subject: row for row in inspect_image(recorded.image, "file")}
    work = recorded.work
    assert f"{work}/inputs/note.txt" in files and f"{work}/inputs/a.csv" in files
    assert files[f"{work}/own.cfg"].reason == "looked for by the replay"
    assert f"{work}/out.csv" not in files, "the run makes it itself"


def test_secrets_that_were_only_listed_are_left_out(recorded: Recorded):
    assert recorded.built.left_out[f"{recorded.work}/inputs/.env"] == "rule environment-file"
    assert ".env" not in " ".join(row.subject for row in inspect_image(recorded.image, "file"))


def test_a_replay_is_equal_to_the_run(recorded: Recorded):
    assert recorded.built.files
    folder = recorded.base / "replay"
    recorded.command("replay", recorded.image, "-o", folder, "--no-progress")
    assert (folder / f"files{recorded.work}/out.csv").read_text() == "12.0\n"
    said = recorded.command("verify", recorded.image, folder)
    assert "5 of 5 cells equal, 2 of 2 files equal" in said
    assert not (recorded.work / "image.replay").exists()


def test_parameters_and_other_inputs_change_what_comes_out(recorded: Recorded, tmp_path: Path):
    assert recorded.built.files
    (tmp_path / "new.csv").write_text("10\n")
    old = f"{recorded.work}/inputs/b.csv"
    words = ("-p", "factor=3", "--input", f"{old}={tmp_path}/new.csv", "--no-progress")
    recorded.command("replay", recorded.image, "-o", tmp_path / "out", *words)
    assert (tmp_path / f"out/files{recorded.work}/out.csv").read_text() == "39.0\n"
    said = recorded.command("verify", recorded.image, tmp_path / "out", code=8)
    assert "different" in said
    assert (recorded.work / "inputs/b.csv").read_text() == "3\n"
    rows = verify_replay(recorded.image, tmp_path / "out")
    assert [row.verdict for row in rows if row.kind == "cell"][:3] == [
        "equal",
        "different",
        "equal",
    ]


def test_a_cell_is_replayed_with_what_it_needs(recorded: Recorded, tmp_path: Path):
    assert recorded.built.files
    options = ReplayOptions(cell=5)
    replayed = replay_package(recorded.image, tmp_path / "out", options, Silence())
    assert (replayed.code, replayed.cells) == (0, [1, 2, 3, 5])
    assert {row.verdict for row in verify_replay(recorded.image, tmp_path / "out")} == {"equal"}
    with pytest.raises(UsageError, match="is not among the cells"):
        replay_package(recorded.image, tmp_path / "no", ReplayOptions(cell=9), Silence())


def test_a_package_of_a_cell_holds_less(recorded: Recorded, tmp_path: Path):
    built = build_package(recorded.directory, tmp_path / "1.tar", BuildOptions(cell=1), Silence())
    assert (built.proof.equal, built.proof.cells) == (1, 1)
    files = {row.subject for row in inspect_image(tmp_path / "1.tar", "file")}
    assert f"{recorded.work}/inputs/a.csv" not in files and "/usr/bin/gzip" not in files
    assert built.files < recorded.built.files


def test_the_same_input_gives_the_same_bytes(recorded: Recorded):
    one, other = recorded.bare, recorded.build("2.tar")
    assert one.path.read_bytes() == other.path.read_bytes()
    zstd = recorded.build("3.tar", compress="zstd")
    assert one.digest == other.digest != zstd.digest
    assert [layer.diff_id for layer in one.layers] == [layer.diff_id for layer in zstd.layers]
    assert [layer.kind for layer in one.layers] == ["system", "environment", "data", "run"]


def test_a_layer_is_shared_where_only_the_data_is_another(recorded: Recorded):
    one = recorded.bare
    other = recorded.build("2.tar", exclude=(f"{recorded.work}/inputs/note.txt",))
    same = {
        first.kind for first, second in zip(one.layers, other.layers, strict=True)
        if first.digest == second.digest
    }  # fmt: skip
    assert same == {"system", "environment"}


def test_data_by_reference_stays_outside_and_comes_back_as_input(
    recorded: Recorded, tmp_path: Path
):
    recorded.build("outside.tar", with_data="reference")
    image = recorded.base / "outside.tar"
    assert "/inputs/a.csv" not in " ".join(row.subject for row in inspect_image(image, "file"))
    inputs = {f"{recorded.work}/inputs": recorded.work / "inputs"}
    replayed = replay_package(image, tmp_path / "out", ReplayOptions(inputs=inputs), Silence())
    assert replayed.code == 0, replayed.failure
    assert (tmp_path / f"out/files{recorded.work}/out.csv").read_text() == "12.0\n"


@pytest.mark.parametrize("form", ["dir", "tar", "squashfs"])
def test_other_formats_hold_the_same_files(recorded: Recorded, tmp_path: Path, form: str):
    target = recorded.base / f"root.{form}"
    recorded.build(target.name, format=form, compress="gzip")
    wanted = f"{recorded.work}/inputs/a.csv"[1:]
    if form == "dir":
        assert (target / wanted).read_text() == "1\n2\n"
        replayed = replay_package(target, tmp_path / "out", ReplayOptions(cell=3), Silence())
        assert replayed.code == 0, replayed.failure
        shutil.rmtree(target)
        return
    lister = {"tar": ["tar", "-tf"], "squashfs": ["unsquashfs", "-l", "-d", ""]}[form]
    if not shutil.which(lister[0]):
        pytest.skip(f"{lister[0]} is not installed")
    said = subprocess.run([*lister, target], capture_output=True, text=True, check=True).stdout
    assert wanted in said and ".nbrepro/replay.py" in said
    target.unlink()


# What is refused


def test_a_secret_that_was_read_stops_the_making(tmp_path: Path):
    notebook = write_notebook(tmp_path / "work", ["text = open('id_rsa').read()"])
    (tmp_path / "work/id_rsa").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    (tmp_path / "other").write_text("1")
    record = json.loads(notebook.read_text())
    record["cells"][0]["source"] += f"\nopen('{tmp_path}/other').read()"
    notebook.write_text(json.dumps(record))
    subprocess.run(
        [*RUN, "run", notebook, "--no-progress"], cwd=tmp_path / "work", check=True,
        capture_output=True,
    )  # fmt: skip
    package = [*RUN, "package", "-o", tmp_path / "image.tar", "--no-progress", "--no-proof"]
    done = subprocess.run(package, cwd=tmp_path / "work", capture_output=True, text=True)
    assert done.returncode == 4 and not done.stdout
    for part in ("id_rsa: a private key (rule private-key)", "rule outside-the-project", "--allow"):
        assert part in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"work", "other"}, "nothing is left"
    allowed = [*package, "--allow", "id_rsa", "--exclude", tmp_path / "other"]
    subprocess.run(allowed, cwd=tmp_path / "work", check=True, capture_output=True)
    package = open_image(tmp_path / "image.tar").read_package()
    assert package["allowed"] == {f"{tmp_path}/work/id_rsa": "private-key"}
    assert package["left_out"][f"{tmp_path}/other"] == "--exclude"


def test_a_full_disk_leaves_nothing_behind(recorded: Recorded, tmp_path: Path):
    script = (
        "mount -t tmpfs -o size=40m none $1 && touch $1/kept || exit 77\n"
        "$2 -m nbrepro package -o $1/image.tar --no-progress --no-proof\n"
        "echo code $?; ls -A $1"
    )
    words = ["unshare", "-rm", "sh", "-c", script, "sh", tmp_path, sys.executable]
    done = subprocess.run(words, cwd=recorded.work, capture_output=True, text=True, timeout=120)
    if done.returncode == 77:
        pytest.skip("no file system of one's own can be mounted here")
    assert done.stdout == "code 4\nkept\n", done.stdout + done.stderr
    assert "no space left on device" in done.stderr and done.stderr.count("\n") == 1


# Other engines


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for podman."""
    folder = Path(tempfile.mkdtemp(prefix="nb-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.live("podman", "runc")
def test_an_engine_runs_the_image(recorded: Recorded, tmp_path: Path, short: Path):
    assert recorded.built.files
    storage = ["--root", short / "storage", "--runroot", short / "run"]
    podman = ["podman", *storage, "--storage-driver", "vfs", "--runtime", "runc"]
    loaded = subprocess.run(
        [*podman, "load", "-q", "-i", recorded.image], capture_output=True, text=True
    )
    assert loaded.returncode == 0, loaded.stderr
    name = loaded.stdout.split()[-1]
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
    out = tmp_path / "out"
    out.mkdir()
    words = ["run", "--rm", "--network", "none", *limits, "-v", f"{out}:/.nbrepro/out", name]
    ran = subprocess.run([*podman, *words], capture_output=True, text=True, timeout=250)
    subprocess.run([*podman, "rmi", "-f", name], capture_output=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    _check_executed(recorded, out / "executed.ipynb")


@pytest.mark.live("umoci", "runc")
def test_an_unpacked_bundle_runs(recorded: Recorded, tmp_path: Path):
    assert recorded.built.files
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    layout.mkdir()
    subprocess.run(["tar", "-C", layout, "-xf", recorded.image], check=True)
    subprocess.run(
        ["umoci", "unpack", "--image", f"{layout}:small", bundle], check=True, capture_output=True
    )
    config = json.loads((bundle / "config.json").read_text())
    config["process"].pop("rlimits", None)
    config["process"]["terminal"] = False
    config["root"]["readonly"] = False
    (bundle / "config.json").write_text(json.dumps(config))
    ran = subprocess.run(
        ["runc", "run", "--bundle", bundle, f"nbrepro-{os.getpid()}"],
        capture_output=True, text=True, timeout=250, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    _check_executed(recorded, bundle / "rootfs/.nbrepro/out/executed.ipynb")


def _check_executed(recorded: Recorded, executed: Path) -> None:
    again = json.loads(executed.read_text())
    ran = json.loads((recorded.directory.path / "executed.ipynb").read_text())
    assert [_texts(cell) for cell in again["cells"]] == [_texts(cell) for cell in ran["cells"]]
    assert _texts(again["cells"][3]) == ["total:12.0\n"]


def _texts(cell: dict[str, object]) -> list[str]:
    return ["".join(o.get("text") or o["data"]["text/plain"]) for o in cell["outputs"]]


def test_refusals_and_packages_are_checked(recorded: Recorded, tmp_path: Path):
    with pytest.raises(UsageError, match="zstd"):
        build_package(
            recorded.directory, tmp_path / "x", BuildOptions(format="tar", compress="zstd"),
            Silence(),
        )  # fmt: skip
    with pytest.raises(UsageError, match="folder does not exist"):
        build_package(recorded.directory, tmp_path / "a/x", BuildOptions(), Silence())
    with pytest.raises(PackagingError, match="cannot be made"):
        assert recorded.built.files
        (tmp_path / "x").mkdir()
        (tmp_path / "x/y").touch()
        build_package(recorded.directory, tmp_path / "x", BuildOptions(proven=False), Silence())
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
