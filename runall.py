"""Run the six chapters in order; ``python runall.py --help`` lists the options."""

import sys
from pathlib import Path

from catdog_helpers.series.command_line import main

if __name__ == "__main__":
    sys.exit(main(project=Path(__file__).resolve().parent))
