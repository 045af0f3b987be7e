"""`panorad import`, `export`, `verify`, `reindex`: what is done to the archive by files and by hand."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panorad.cli.console import Home, center_of, err, out, progress
from panorad.model.actor import SYSTEM
from panorad.model.event import Event
from panorad.model.instance import Stored
from panorad.model.query import Level, Match, Query

if TYPE_CHECKING:
    from panorad.app.center import Center


def add_to(app: typer.Typer) -> None:
    """Put these commands on the main one."""
    app.command("import")(import_files)
    app.command("export")(export)
    app.command("verify")(verify)
    app.command("reindex")(reindex)


def import_files(
    paths: Annotated[list[Path], typer.Argument(help="Folders, DICOM files, zip archives or a DICOMDIR.")],
    institution: Annotated[str | None, typer.Option(help="Code of the institution the images are of; default: the center's own.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Read files again that an earlier run has taken.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write what became of the files to this JSON file.")] = None,
    home: Home = None,
) -> None:
    """Import images from files. Refused files are listed with the reason; a run that was interrupted goes on where it stopped."""
    from panorad.access import gate
    from panorad.data.imaging.importing import Journal, run_import, sources

    with center_of(home) as center:
        with center.begin(SYSTEM) as tx:
            actor = gate.actor_of_institution(tx, institution or center.settings.institution)
        name = sha256("\n".join(str(path.absolute()) for path in paths).encode()).hexdigest()[:16]
        journal = None if again else Journal(center.settings.home / "imports" / f"{actor.institution_code}-{name}.txt")
        with progress() as bar, center.intakes.open(actor, "import") as intake:
            task = bar.add_task("importing", total=None)
            found = (source for path in paths for source in sources(path, center.settings.largest_instance))
            done = run_import(intake, found, journal, lambda source: bar.update(task, advance=1))
    if report is not None:
        report.write_text(done.to_json(), "utf-8")
    for name, reason in done.refused[:200]:
        err.print(f"refused {name}: {reason}", markup=False)
    if len(done.refused) > 200:
        err.print(f"and {len(done.refused) - 200} more; --report FILE lists all", markup=False)
    fates = ", ".join(f"{count} {fate}" for fate, count in sorted(done.fates.items())) or "nothing found"
    out.print(f"{fates}; {done.bytes / 1e6:.1f} MB read", markup=False)
    if done.fates.total() == done.fates["refused"]:
        raise typer.Exit(1)


def export(
    destination: Annotated[Path, typer.Argument(help="Folder to write to, or a file ending in .zip.")],
    study: Annotated[list[str] | None, typer.Option(help="Study Instance UID; may be repeated. Default: every study.")] = None,
    all_copies: Annotated[
        bool,
        typer.Option(
            "--all-copies",
            help="Every content that is kept under the same UIDs and every institution's copy, as "
            "INSTITUTION/STUDY/SERIES/SOP-VARIANT-DIGEST.dcm. Reads the whole index.",
        ),
    ] = False,
    home: Home = None,
) -> None:
    """Export studies as Part 10 files, STUDY/SERIES/SOP.dcm, exactly as they are stored: of each instance the copy that queries give."""
    counts: Counter[str] = Counter()
    with center_of(home) as center, ExitStack() as stack:
        held = _studies(center, study)
        for uid in study or ():
            if uid not in held:
                err.print(f"no study {uid}", markup=False)
        packed = destination.suffix.lower() == ".zip"
        archive = stack.enter_context(zipfile.ZipFile(destination, "w", zipfile.ZIP_STORED, allowZip64=True)) if packed else None
        bar = stack.enter_context(progress())
        task = bar.add_task("exporting", total=None)
        for name, one in _every_copy(center, held, destination.name) if all_copies else _given_copies(center, held, destination.name):
            with center.blobs.view(one.place) as part10:
                _write(archive, destination, name, part10)
            counts[one.header.study_uid] += 1
            bar.update(task, advance=1)
        further = 0 if all_copies else (held + _variants(center, held) - counts).total()
    out.print(f"{counts.total()} instances of {len(counts)} studies exported to {destination}", markup=False)
    if further:
        out.print(f"not exported: {further} further copies (other contents of the same UIDs, or of other institutions); see --all-copies")
    if not counts:
        raise typer.Exit(1)


def _studies(center: Center, wanted: list[str] | None) -> Counter[str]:
    """The studies to export and how many instances the institutions hold of each, first contents only."""
    held: Counter[str] = Counter()
    matches = (Match(("0020000D",), tuple(wanted)),) if wanted else ()
    offset = 0
    with center.begin(SYSTEM) as tx:
        while page := center.archive.find(tx, Query(Level.STUDY, matches, limit=1000, offset=offset)).rows:
            for row in page:
                held[row["0020000D"]["Value"][0]] += row["00201208"]["Value"][0]
            offset += len(page)
    return held


def _variants(center: Center, studies: Container[str]) -> Counter[str]:
    """How many further contents are kept under UIDs of these studies: each is told by a conflict."""
    found: Counter[str] = Counter()
    offset = 0
    with center.begin(SYSTEM) as tx:
        while page := center.lists.conflicts(tx, 1000, offset)[0]:
            found.update(one.study_uid for one in page if one.study_uid in studies and one.kept_as.startswith("version"))
            offset += len(page)
    return found


def _given_copies(center: Center, studies: Iterable[str], to: str) -> Iterator[tuple[str, Stored]]:
    """The file name and the place of each instance, in the copy that queries give."""
    for uid in studies:
        with center.begin(SYSTEM) as tx:
            found = center.archive.stored(tx, uid)
            tx.emit(Event("instances.exported", {"study": uid}, {"instances": len(found), "to": to}))
        for one in found:
            yield f"{uid}/{one.header.series_uid}/{one.header.sop_uid}.dcm", one


def _every_copy(center: Center, studies: Container[str], to: str) -> Iterator[tuple[str, Stored]]:
    """The file name and the place of all that is kept. The digest tells contents apart that the variant does not: of two patients, say."""
    from panorad.access import gate
    from panorad.data.imaging import recovery

    with center.begin(SYSTEM) as tx:
        codes = {one.id: one.code for one in gate.institutions(tx)}
    for chunk in recovery.walk(center.begin):
        found = [one for one in chunk if one.header.study_uid in studies]
        with center.begin(SYSTEM) as tx:
            for uid, count in Counter(one.header.study_uid for one in found).items():
                tx.emit(Event("instances.exported", {"study": uid}, {"instances": count, "to": to}))
        for one in found:
            header, code = one.header, codes[one.institution]
            yield f"{code}/{header.study_uid}/{header.series_uid}/{header.sop_uid}-{one.variant}-{one.digest.hex()[:8]}.dcm", one


def _write(archive: zipfile.ZipFile | None, folder: Path, name: str, part10: memoryview) -> None:
    if archive is not None:
        archive.writestr(name, bytes(part10))
        return
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(part10)


def verify(home: Home = None) -> None:
    """Read every stored byte back against its digest."""
    from panorad.data.imaging import recovery

    with center_of(home) as center, progress() as bar:
        task = bar.add_task("verifying", total=None)
        count, damaged = recovery.verify(center.begin, center.blobs, lambda done, total: bar.update(task, completed=done, total=total))
    for damage in damaged:
        err.print(f"damaged: SOP Instance {damage.stored.header.sop_uid} in {damage.stored.place.key}: {damage.reason}", markup=False)
    out.print(f"{count} instances read, {len(damaged)} damaged", markup=False)
    if damaged:
        raise typer.Exit(2)


def reindex(home: Home = None) -> None:
    """Rebuild the index from the stored objects alone. The center must not be running."""
    from panorad.data.imaging import recovery

    with center_of(home, alone=True) as center, progress() as bar:
        task = bar.add_task("reading objects", total=None)
        recovery.forget_derived(center.settings.cache)
        with center.owner() as owner:
            count = recovery.reindex(
                owner, center.begin, center.indexer, center.blobs, center.settings.quarantine, center.actor_of,
                lambda done, total: bar.update(task, completed=done, total=total),
            )  # fmt: skip
    out.print(f"{count} instances indexed", markup=False)
