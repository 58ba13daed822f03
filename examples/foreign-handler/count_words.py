"""Counts the words of a text: a handler of Drover, with JSON on standard input and output."""

import json
import os
import sys

PERMANENT = 65  # exit code that fails the job whatever attempts are left

text = json.load(sys.stdin)["text"]
if "\0" in text:
    print("this is no text", file=sys.stderr)
    sys.exit(PERMANENT)

words = text.split()
print(f"job {os.environ['DROVER_JOB_ID']}: {len(words)} words", file=sys.stderr)
result = {"words": len(words), "longest": max(words, key=len, default=None)}
json.dump({"result": result, "counters": {"words": len(words)}}, sys.stdout)
