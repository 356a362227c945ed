"""``python -m estkit`` and ``estkit``: run the command line, and end errors in one clear line."""

from __future__ import annotations

import sys

from estkit.errors import EstkitError

_WRONG_USE = 2


def main() -> None:
    """Run the command line; an error that estkit raises ends with exit status 2, no traceback."""
    try:
        from estkit.cli import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(f"estkit: the command line needs {error.name}; install estkit[cli].", file=sys.stderr)
        sys.exit(_WRONG_USE)
    try:
        app()
    except KeyboardInterrupt:
        print("estkit: stopped.", file=sys.stderr)
        sys.exit(130)
    except EstkitError as error:
        print(f"estkit: {error}", file=sys.stderr)
        sys.exit(_WRONG_USE)


if __name__ == "__main__":
    main()
