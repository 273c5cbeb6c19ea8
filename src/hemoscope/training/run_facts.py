"""run.json: what is known of a run, readable without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hemoscope.reasons import UsageError

FACTS = "run.json"


def read_facts(folder: Path) -> dict[str, Any]:
    """What run.json says; raises UsageError where it is damaged."""
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder / FACTS} cannot be read: {error}.") from error
    return facts
