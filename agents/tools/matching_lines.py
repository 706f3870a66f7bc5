"""The process that searches lines: standard library only, started by `grep` and killed when it takes too long.

Python's `re` cannot be interrupted, and the pattern comes from a model.

In: one JSON document a line, first `{pattern, ignore_case, most, most_bytes}`, then one `{path, text}` a file.
Out: one JSON document a line, `{path, line, text}` for each match or one `{error}`.
"""

import json
import re
import resource
import sys
from contextlib import suppress

MAX_LINE = 2000
MAX_SHOWN = 500


def main() -> None:
    """Search what comes until enough was found or nothing more comes."""
    asked = json.loads(sys.stdin.readline())
    # Not every system bounds memory so.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (asked["most_bytes"], asked["most_bytes"]))
    try:
        pattern = re.compile(asked["pattern"], re.IGNORECASE if asked["ignore_case"] else 0)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        _say({"error": f"not a regular expression: {error}"})
        return
    left = asked["most"]
    for document in sys.stdin:
        file = json.loads(document)
        for number, line in enumerate(file["text"].splitlines(), start=1):
            if pattern.search(line[:MAX_LINE]):
                _say({"path": file["path"], "line": number, "text": line[:MAX_SHOWN]})
                left -= 1
                if left == 0:
                    return


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
