"""Measure every claim about what strangers hand in, what commands write, and what killed ones leave."""

import os

from training.evidence import safety_files, safety_outputs, safety_page, safety_words
from training.evidence.claims import run_parts

PARTS = {**safety_files.PARTS, **safety_words.PARTS, **safety_page.PARTS, **safety_outputs.PARTS}

if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    run_parts("safety", PARTS)
