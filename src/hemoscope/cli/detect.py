"""`hemoscope detect`: find hemorrhage in every scan of the input and write the outputs."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hemoscope.cli.options import Debugging, forbid_output_in_input, read_options, reading_options

if TYPE_CHECKING:
    from hemoscope.ct.inputs import Refusal
    from hemoscope.detector.detection import Detection
    from hemoscope.report.write import ReportWriter


@click.command(short_help="Find hemorrhage and write a report for each scan.")
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the outputs. It is made if needed; one that holds other files is refused, and the outputs of an "
    "earlier run in it are replaced.",
)
@reading_options
@click.option(
    "--bundle",
    metavar="NAME|PATH",
    default="default",
    show_default=True,
    help="The detector: an installed bundle by name (see `hemoscope bundles`), or the folder or zip of one.",
)
@click.option(
    "--threshold",
    metavar="NAME|P",
    help="Decide with one threshold: `sensitive`, `specific`, or a probability such as 0.3. Without it both operating "
    "points are used, and a scan between them is indeterminate.",
)
@click.option(
    "--format",
    "formats",
    metavar="LIST",
    default="csv,json,html,png",
    show_default=True,
    help="What to write, separated by commas: csv (tables), json (everything), html (reports), png (heat maps).",
)
@click.option(
    "--keep-identifiers",
    is_flag=True,
    help="Write names, patient and study numbers, UIDs and file names into the outputs. Without it hashes stand for "
    "them; only NIfTI files and pictures keep their file name.",
)
@click.pass_context
def detect(
    context: click.Context,
    inputs: tuple[Path, ...],
    window: str | None,
    series: str | None,
    independent: bool,
    jobs: int,
    out: Path,
    bundle: str,
    threshold: str | None,
    formats: str,
    keep_identifiers: bool,
) -> None:
    """Find intracranial hemorrhage in the scans of INPUT and write a report for each.

    INPUT is any mix of DICOM folders (nested, several patients), single DICOM files, zip files of these, a DICOMDIR,
    NIfTI (.nii, .nii.gz), and PNG or JPEG slices with --window.

    Research use only. Not a medical device.

    Exit codes: 0 every input was analysed, 1 some were not, 2 the command could not be followed.
    """
    from hemoscope.cli.analyse import analyse, needs_attention
    from hemoscope.cli.progress import Progress
    from hemoscope.cli.screen import print_detections
    from hemoscope.detector.inference import Detector
    from hemoscope.report.names import Names
    from hemoscope.report.results import Run
    from hemoscope.report.write import ReportWriter, parse_formats

    start = time.perf_counter()
    options = read_options(window, series, independent)
    chosen = parse_formats(formats)
    forbid_output_in_input(out, inputs)
    detector = Detector.load(bundle, threshold, jobs)
    names = Names(keep_identifiers)
    settings = {
        "inputs": [str(given) for given in inputs] if keep_identifiers else len(inputs),
        "window": window,
        "series": names.uid(series),
        "threshold": threshold,
        "formats": list(chosen),
        "jobs": jobs,
        "independent": independent,
        "keep_identifiers": keep_identifiers,
    }
    run = Run(f"{detector.bundle.name} {detector.bundle.version}", detector.bundle.sha256, settings)
    writer = ReportWriter(out, chosen, run, names)
    work = Work(seconds={"load detector": time.perf_counter() - start})
    debugging = context.ensure_object(Debugging)
    with Progress(inputs) as progress:
        work.do(analyse(inputs, options, jobs, detector, progress, debugging), writer, debugging)
    work.seconds["total"] = time.perf_counter() - start
    writer.finish(work.refusals, work.seconds, work.complete)
    print_detections(writer.records, work.places, work.refusals, out)
    if not work.complete:
        detector.threads.shutdown(wait=False, cancel_futures=True)
        raise KeyboardInterrupt
    analysed = [record["state"] != "not_analysed" for record in writer.records]
    context.exit(0 if analysed and all(analysed) and not needs_attention(work.refusals) else 1)


@dataclass
class Work:
    """What a run has done so far; seconds by stage. places: the input that each scan came from."""

    seconds: dict[str, float]
    refusals: list[Refusal] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    complete: bool = True

    def do(
        self, results: Generator[Detection | Refusal, None, None], writer: ReportWriter, debugging: Debugging
    ) -> None:
        """Write every result as it comes. Ctrl-C ends it early: what is done then is complete and stays."""
        from hemoscope.cli.analyse import failure, input_of
        from hemoscope.ct.inputs import Refusal
        from hemoscope.report.write import OutputError

        with closing(results):
            try:
                for result in results:
                    if isinstance(result, Refusal):
                        self.refusals.append(result)
                        continue
                    writing = time.perf_counter()
                    try:
                        writer.add(result)
                    except OutputError:
                        raise
                    except Exception as error:  # noqa: BLE001 - the boundary of one scan, as in `analyse`
                        self.refusals.append(failure(result.scan, error, debugging))
                        continue
                    self.places.append(input_of(result.scan))
                    self._spend(write=time.perf_counter() - writing, **result.seconds)
            except KeyboardInterrupt:
                self.complete = False

    def _spend(self, **seconds: float) -> None:
        for stage, spent in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent
