"""`python -m saccade.cli`: the same as the `saccade` command."""

import sys

from saccade.cli import main

sys.exit(main())
