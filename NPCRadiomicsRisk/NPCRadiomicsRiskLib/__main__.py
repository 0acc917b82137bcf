"""``python -m NPCRadiomicsRiskLib`` and the command ``npc-radiomics``."""

import signal
import sys


def main() -> None:
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command looks after it: no traceback while loading
    from .commands import run  # inside, so that nothing is loaded when only the entry point is looked up

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
