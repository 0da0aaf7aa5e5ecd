"""What two executions of a cell were given that differs: code, data, packages, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nbrepro.compare.knowledge import is_of_session, only_places
from nbrepro.compare.values import Activity, Build, FileUse, PackageUse

Say = str | None


@dataclass(frozen=True, slots=True)
class Given:
    """Something that one or both executions were given and that is not the same.

    A `weak` one is a cause only where nothing else explains what differs: it may itself follow
    from something, as a file that only one of two executions looked at.
    """

    kind: str
    subject: str
    a: Say
    b: Say
    because: str
    weak: bool = False


def given_files(a: Activity, b: Activity) -> Iterator[Given]:
    """Yield the inputs from outside whose contents differ."""
    for key in sorted(a.inputs.keys() | b.inputs.keys()):
        one, other = a.inputs.get(key), b.inputs.get(key)
        known = one or other
        assert known is not None
        if all(use is None or use.maker for use in (one, other)):
            continue  # Made by the run itself: its maker answers for it.
        kind = "code" if known.role == "code" else "data"
        subject = known.key
        if one is None or other is None:
            which = "first" if other is None else "second"
            yield Given(kind, subject, _content(one), _content(other),
                        f"only the {which} run read it", weak=True)  # fmt: skip
        elif one.sha256 and other.sha256 and one.sha256 != other.sha256:
            yield Given(kind, subject, _content(one), _content(other),
                        "its content is not the same")  # fmt: skip


def unknown_files(a: Activity, b: Activity) -> Iterator[str]:
    """Yield, as sentences, the inputs of which no digest tells whether they are the same."""
    for key in sorted(a.inputs.keys() & b.inputs.keys()):
        one, other = a.inputs[key], b.inputs[key]
        if not (one.sha256 and other.sha256):
            reason = one.reason or other.reason
            if reason and not reason.startswith("is a "):
                yield f"{key}: its content is not compared ({reason})"


def given_packages(
    a: Mapping[str, PackageUse], b: Mapping[str, PackageUse], other_python: bool
) -> Iterator[Given]:
    """Yield the packages whose version, or whose files in the same version, differ."""
    for name in sorted(a.keys() | b.keys()):
        one, other = a.get(name), b.get(name)
        known = one or other
        assert known is not None
        if one is None or other is None:
            which = "first" if other is None else "second"
            if known.kind == "package":
                yield Given("package", name, _versions(one), _versions(other),
                            f"only the {which} run used it", weak=True)  # fmt: skip
        elif (one.builds, one.altered) != (other.builds, other.altered):
            yield from _builds(name, one, other, other_python)


def _builds(name: str, one: PackageUse, other: PackageUse, other_python: bool) -> Iterator[Given]:
    versions = _versions(one), _versions(other)
    if versions[0] != versions[1]:
        yield Given(one.kind, name, *versions, "its version is not the same")
        return
    if one.altered != other.altered:
        changed = sorted({path for path, _ in one.altered ^ other.altered})
        said = f"the version is the same, its files are not ({', '.join(changed[:3])})"
        yield Given(one.kind, name, *_alterations(one, other, changed[0]), said)
        return
    if other_python and _built_for_another(one.builds, other.builds):
        return  # What an interpreter's own build of a wheel is, the interpreter answers for.
    sides = _records(one.builds), _records(other.builds)
    if all(sides):
        one_form, other_form = (f"{v} (files {r})" for v, r in zip(versions, sides, strict=True))
        said = "the version is the same, its files are not"
        yield Given(one.kind, name, one_form, other_form, said)


def _alterations(one: PackageUse, other: PackageUse, path: str) -> tuple[str, str]:
    sides = [dict(use.altered).get(path) for use in (one, other)]
    versions = _versions(one), _versions(other)
    first, second = (
        f"{version} ({path} {f'sha256 {digest[:12]}' if digest else 'as installed'})"
        for version, digest in zip(versions, sides, strict=True)
    )
    return first, second


def _built_for_another(one: frozenset[Build], other: frozenset[Build]) -> bool:
    tags = [{build.tag for build in builds} for builds in (one, other)]
    return "" not in tags[0] | tags[1] and tags[0] != tags[1]


def given_settings(a: Activity, b: Activity) -> Iterator[Given]:
    """Yield the settings that both read and that differ."""
    for name in sorted(a.settings.keys() & b.settings.keys()):
        one, other = a.settings[name], b.settings[name]
        same = (one.state, one.relative) == (other.state, other.relative)
        if same or is_of_session(name):
            continue
        yield Given("environment", name, setting_text(a, name), setting_text(b, name),
                    "it was read and is not the same", weak=only_places(name))  # fmt: skip


def setting_text(activity: Activity, name: str) -> Say:
    """Give a setting's value as a person reads it; None where it is unset."""
    use = activity.settings.get(name)
    if use is None or use.state == "unset":
        return None
    return "(withheld)" if use.state == "withheld" else use.value


def _content(use: FileUse | None) -> Say:
    if use is None:
        return None
    return f"sha256 {use.sha256[:12]}" if use.sha256 else use.reason or "unknown"


def _versions(use: PackageUse | None) -> Say:
    if use is None:
        return None
    return ", ".join(sorted({build.version for build in use.builds}))


def _records(builds: frozenset[Build]) -> str:
    return ", ".join(sorted(build.record[:12] for build in builds if build.record))
