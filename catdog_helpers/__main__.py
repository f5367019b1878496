"""The command line: check images and machines, draw data sets, classify photos, export a model."""

import argparse
import contextlib
import importlib.util
import json
import os
import sys
import threading
from pathlib import Path

from catdog_helpers import CatdogError, __version__
from catdog_helpers.files.paths import escape_what_streams_cannot_show


def main(arguments=None):
    """Run one command and return its exit code.

    0 means all well, 1 that a check failed or a file is bad, 2 wrong usage.
    """
    options = _parser().parse_args(arguments)
    escape_what_streams_cannot_show()
    try:
        return options.command(options)
    except (CatdogError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="python -m catdog_helpers", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("check", help="check the images of a folder or archive")
    command.add_argument("path", metavar="PATH")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.set_defaults(command=_check)

    command = commands.add_parser("sample", help="draw the sample into a folder, or onto a sheet")
    command.add_argument("folder", metavar="FOLDER", nargs="?")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--sheet", metavar="FILE.png", help="draw a contact sheet instead")
    command.add_argument(
        "--kinds", metavar="KIND,KIND", help="draw other animals, a folder for each: rabbit,owl,fox"
    )
    command.add_argument(
        "--count", type=int, metavar="N", help="images of each of the kinds (default 100)"
    )
    command.set_defaults(command=_sample)

    command = commands.add_parser(
        "predict",
        help="classify photos of your own",
        description="Classify photos. The model knows its own classes and nothing else: shown a "
        "toaster, one of cats and dogs still has to share 100 % between cat and dog, and may be "
        "sure of its choice.",
    )
    command.add_argument(
        "photos", metavar="PHOTO", nargs="+", help="a file, a folder, or a pattern such as '*.jpg'"
    )
    command.add_argument("--model", metavar="MODEL.keras", required=True)
    command.add_argument(
        "--json",
        action="store_true",
        help='print a list as JSON, of {"photo", "probabilities"} or {"photo", "error"} for each '
        "photo; without a usable model each PHOTO has the error",
    )
    command.set_defaults(command=_predict)

    command = commands.add_parser("demo", help="serve a page to drop photos on")
    command.add_argument("--model", metavar="MODEL.keras", required=True)
    command.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="0.0.0.0 lets everybody in the network in (default: this machine only)",
    )
    command.add_argument("--port", type=int, metavar="N", help="default: a free one from 7860 on")
    command.add_argument(
        "--max-megabytes",
        type=int,
        default=10,
        metavar="N",
        help="limit for the file of a photo (default 10)",
    )
    command.set_defaults(command=_demo)

    command = commands.add_parser("export", help="write a model for LiteRT, for phones")
    command.add_argument("--model", metavar="MODEL.keras", required=True)
    command.add_argument("file", metavar="FILE.tflite")
    command.set_defaults(command=_export)

    command = commands.add_parser(
        "workbook",
        help="write a student's folder: chapters to work in, pages, the package",
        description="Write a folder with all that a student needs: the chapters without their "
        "solutions, as notebooks and as pages, and the package to install where it is missing.",
    )
    command.add_argument("folder", metavar="FOLDER")
    command.add_argument(
        "--data", metavar="sample|photos|PATH", help="source of the images, set in chapter 1"
    )
    command.add_argument(
        "--weights", metavar="imagenet|drawn|PATH", help="weights of the backbone, for chapter 5"
    )
    command.set_defaults(command=_workbook)

    command = commands.add_parser("doctor", help="say whether this machine is ready for a class")
    command.set_defaults(command=_doctor)

    command = commands.add_parser("pretrain", help="train the drawn backbone anew")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--to", metavar="FILE.weights.h5", help="where to write the weights")
    command.add_argument(
        "--no-relatives",
        action="store_true",
        help="without wild relatives of cats and dogs, for comparison (name a file with --to)",
    )
    command.set_defaults(command=_pretrain)
    return parser


def _check(options):
    from catdog_helpers.files.checks import Report, check, report_lines
    from catdog_helpers.files.layouts import Problem

    try:
        report = check(options.path)
    except CatdogError as error:
        if not options.json:
            raise
        report = Report(Path(options.path), None, (), (Problem("error", ".", str(error)),))
    print(report.to_json() if options.json else "\n".join(report_lines(report)))
    return 1 if report.errors else 0


def _sample(options):
    from catdog_helpers.drawing import draw, sample

    if (options.folder is None) == (options.sheet is None):
        print("give a FOLDER for the data set, or --sheet FILE.png", file=sys.stderr)
        return 2
    if options.kinds is not None or options.count is not None:
        return _sample_kinds(options)
    try:
        sample.check_seed(options.seed)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.sheet is None:
        print(f"the sample lies in {sample.make_sample(options.folder, options.seed)}")
        return 0
    if Path(options.sheet).exists():
        raise CatdogError(f"{options.sheet} exists already; give another name")
    try:
        draw.contact_sheet(seed=options.seed).save(options.sheet)
    except OSError as error:
        raise CatdogError(f"{options.sheet} cannot be written: {error}") from error
    return 0


def _sample_kinds(options):
    from catdog_helpers.drawing.sample import make_kinds

    if options.folder is None or options.kinds is None:
        print("--kinds goes with a FOLDER, and --count with --kinds", file=sys.stderr)
        return 2
    kinds = [kind.strip() for kind in options.kinds.split(",")]
    count = 100 if options.count is None else options.count
    try:
        folder = make_kinds(options.folder, kinds, count, options.seed)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(kinds) * count:,} drawings lie in {folder}")
    return 0


def _predict(options):
    try:
        return _predict_with(options)
    except (CatdogError, ValueError) as error:  # the model is at fault
        if options.json:
            answers = [{"photo": name, "error": str(error)} for name in options.photos]
            print(json.dumps(answers, indent=2))
        raise


def _predict_with(options):
    from catdog_helpers.files.paths import printable
    from catdog_helpers.photos import ONLY_DRAWINGS, find_photos, load_classifier, predict_photos
    from catdog_helpers.scoring import describe

    classifier = load_classifier(options.model)
    if classifier.only_drawings:
        print(f"note: {ONLY_DRAWINGS}", file=sys.stderr)
    photos = []  # (name, path), or (name, why there are none)
    for name in options.photos:
        try:
            paths = find_photos(name)
        except CatdogError as error:
            photos.append((name, error))
        else:
            whole = paths == [Path(os.path.expanduser(name))]
            photos += [(name if whole else str(path), path) for path in paths]
    results = predict_photos(classifier, [path for _, path in photos if isinstance(path, Path)])
    predictions, exit_code = [], 0
    for name, path in photos:
        result = next(results) if isinstance(path, Path) else path
        if isinstance(result, CatdogError):
            print(result, file=sys.stderr)
            predictions.append({"photo": name, "error": str(result)})
            exit_code = 1
            continue
        by_class = dict(zip(classifier.class_names, result.tolist(), strict=True))
        predictions.append({"photo": name, "probabilities": by_class})
        if not options.json:
            print(f"{printable(name)}: {describe(result, classifier.class_names)}", flush=True)
    if options.json:
        print(json.dumps(predictions, indent=2))
    return exit_code


def _demo(options):
    if importlib.util.find_spec("gradio") is None:
        print('the page needs Gradio: pip install -e ".[demo]"', file=sys.stderr)
        return 2
    if options.max_megabytes < 1 or options.port not in (None, *range(1, 65536)):
        print("--max-megabytes is 1 or more, and --port 1 to 65535", file=sys.stderr)
        return 2
    from catdog_helpers.demo import serving
    from catdog_helpers.photos import load_classifier

    classifier = load_classifier(options.model)
    settings = {name: getattr(options, name) for name in ("host", "port", "max_megabytes")}
    with contextlib.suppress(KeyboardInterrupt), serving(classifier, **settings) as address:
        print(f"the page is at {address} until you press Ctrl-C", flush=True)
        threading.Event().wait()
    return 0


def _export(options):
    from catdog_helpers.data import load_images, splits_of
    from catdog_helpers.features import export
    from catdog_helpers.photos import load_classifier
    from catdog_helpers.results import open_run

    classifier = load_classifier(options.model)
    images, compared = None, "8 random images"
    with contextlib.suppress(CatdogError):  # a model that lies elsewhere has no test images
        test = splits_of(open_run(Path(options.model).expanduser().resolve().parent.parent))[2]
        images = load_images(test, classifier.image_size)
        compared = f"the {len(images)} test images of its run"
    difference = export(classifier.model, options.file, classifier.class_names, images)
    megabytes = Path(options.file).stat().st_size / 1e6
    print(f"{megabytes:.2f} MB in {options.file}")
    print(f"largest difference of a logit from Keras, on {compared}: {difference:.0e}")
    return 0


def _workbook(options):
    from catdog_helpers.series.chapters import read_chapters, read_notebook
    from catdog_helpers.series.handouts import write_workbook

    folder = Path(options.folder).expanduser().resolve()
    values = {}
    for name, value in (("DATA", options.data), ("WEIGHTS", options.weights)):
        if value is None or value in ("sample", "photos", "imagenet", "drawn"):
            values |= {name: value} if value else {}
            continue
        path = Path(value).expanduser()
        if not path.exists():
            raise CatdogError(f"no file or folder {path} for --{name.lower()}")
        # A folder on a memory stick moves as a whole; an absolute path is meant as it is.
        values[name] = (
            path if path.is_absolute() else Path(os.path.relpath(path, folder))
        ).as_posix()
    project = Path(__file__).parents[1]
    chapters = read_chapters(project / "notebooks")
    notebooks = {each.path.stem: read_notebook(each.path) for each in chapters}
    remark = write_workbook(folder, notebooks, values)
    print(f"the student's folder is {folder}" + (f" ({remark})" if remark else ""))
    return 0


def _doctor(options):
    from catdog_helpers.files.paths import counted
    from catdog_helpers.machine import examine

    conditions = examine()
    for each in conditions:
        print(f"{each.state:5}  {each.name}: {each.text}")
    n_errors = sum(each.state == "error" for each in conditions)
    print(f"not ready: {counted(n_errors, 'error')}" if n_errors else "ready for the class")
    return 1 if n_errors else 0


def _pretrain(options):
    from catdog_helpers.drawing.breeds import OTHER_KINDS, WILD_RELATIVES
    from catdog_helpers.models import DRAWN_WEIGHTS
    from catdog_helpers.pretraining import pretrain

    path = DRAWN_WEIGHTS if options.to is None else Path(options.to)
    if options.to is not None:  # what would fail after the training fails before it
        if not path.name.endswith(".weights.h5"):
            raise CatdogError(f"{path} is not a name for a weights file: end it in .weights.h5")
        if path.exists():
            raise CatdogError(f"{path} exists already; give another name")
        if not path.parent.is_dir():
            raise CatdogError(f"{path} cannot be written: there is no folder {path.parent}")
    elif options.no_relatives:
        raise CatdogError("--no-relatives is for comparison: name a file of your own with --to")
    kinds = OTHER_KINDS if options.no_relatives else OTHER_KINDS + WILD_RELATIVES
    accuracy, seconds = pretrain(path, seed=options.seed, kinds=kinds)
    print(f"accuracy on validation drawings of other animals: {accuracy:.1%}")
    print(f"{seconds:.0f} s of training, {path.stat().st_size / 1e6:.2f} MB in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
