"""``python -m NPCResponseLib`` and the command ``npc-response``."""

import sys


def main() -> None:
    from .commands import run  # inside, so that nothing is loaded when only the entry point is looked up

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
