"""The command line: check a folder, draw the sample, pre-train the drawn backbone."""

import argparse
import sys
from pathlib import Path

from catdog_helpers import CatdogError


def main(arguments=None):
    """Run one command.

    Returns
    -------
    int
        Exit code: 0 all well, 1 a check failed or a file is bad, 2 wrong usage.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (CatdogError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="python -m catdog_helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("check", help="look a folder or archive of pictures over")
    command.add_argument("path", metavar="PATH")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.set_defaults(command=_check)

    command = commands.add_parser("sample", help="draw the sample into a folder, or onto a sheet")
    command.add_argument("folder", metavar="FOLDER", nargs="?")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--sheet", metavar="FILE.png", help="draw a contact sheet instead")
    command.set_defaults(command=_sample)

    command = commands.add_parser("predict", help="tell cats from dogs on photos of your own")
    command.add_argument("photos", metavar="PHOTO", nargs="+")
    command.add_argument("--model", metavar="MODEL.keras", required=True)
    command.set_defaults(command=_predict)

    command = commands.add_parser("pretrain", help="train the drawn backbone anew")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--to", metavar="FILE.weights.h5", help="where to write the weights")
    command.set_defaults(command=_pretrain)
    return parser


def _check(options):
    from catdog_helpers.checks import check, report_lines

    report = check(options.path)
    print(report.to_json() if options.json else "\n".join(report_lines(report)))
    return 1 if report.errors else 0


def _sample(options):
    from catdog_helpers import sample

    if (options.folder is None) == (options.sheet is None):
        print("give a FOLDER for the data set, or --sheet FILE.png", file=sys.stderr)
        return 2
    if options.sheet is None:
        print(f"the sample lies in {sample.make_sample(options.folder, options.seed)}")
        return 0
    if Path(options.sheet).exists():
        raise CatdogError(f"{options.sheet} is there already; give another name")
    try:
        sample.contact_sheet(seed=options.seed).save(options.sheet)
    except OSError as error:
        raise CatdogError(f"{options.sheet} can't be written: {error}") from error
    return 0


def _predict(options):
    import numpy as np

    from catdog_helpers.checks import read_picture
    from catdog_helpers.data import CLASS_NAMES
    from catdog_helpers.results import load_model
    from catdog_helpers.scoring import predict_probabilities

    model = load_model(options.model)
    images = np.stack([read_picture(path, model.input_shape[1]) for path in options.photos])
    for path, probabilities in zip(
        options.photos, predict_probabilities(model, images), strict=True
    ):
        label = probabilities.argmax()
        print(f"{path}: {CLASS_NAMES[label][:-1]} ({probabilities[label]:.1%})")
    return 0


def _pretrain(options):
    from catdog_helpers import training
    from catdog_helpers.models import DRAWN_WEIGHTS

    path = Path(options.to or DRAWN_WEIGHTS)
    accuracy, seconds = training.pretrain(path, seed=options.seed)
    print(f"accuracy on held-out drawings of other animals: {accuracy:.1%}")
    print(f"{seconds:.0f} s of training, {path.stat().st_size / 1e6:.2f} MB in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
