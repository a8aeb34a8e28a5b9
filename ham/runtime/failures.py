"""What a failed workflow says last: each failed job's own sentence.

Snakemake tells a failure by the names of the job's files, dozens of them, the command line of its script and the whole
log. The sentence that helps stands above all that. Here the files are cut short, what the job has said itself is left
out, and :meth:`FailedJobs.tell` is for the end.
"""

from __future__ import annotations

import atexit
import logging
import re
import sys
from pathlib import Path
from types import TracebackType

from ham.errors import list_some

MOST_FILES = 2  # of a failed job's inputs and outputs
ERROR = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ERROR (.*)", re.DOTALL)
NEXT = re.compile(r"\n(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+ )")  # a log's lines, each with those that belong to it
OWN_STATUS = re.compile(r"CalledProcessError in file .*returned non-zero exit status (1|130|143)\.", re.DOTALL)
INTERRUPTED = "interrupted"
UNEXPECTED = "an unexpected error"


def tell_last(logger: logging.Logger) -> None:
    """Have failed jobs' sentences, and an interruption, told last and without Snakemake's traceback."""
    failed = FailedJobs()
    logger.addFilter(failed)
    atexit.register(failed.tell)
    sys.excepthook = _explain_interruption


def _explain_interruption(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("\nInterrupted: the same command goes on.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


class FailedJobs(logging.Filter):
    """A filter of Snakemake's logger: shortens the report of a failed job, and remembers what the job said."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences: dict[str, str] = {}  # by a job's first log file
        self.rules: dict[str, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show ``record``, which may be shortened."""
        if getattr(record, "rule_name", None) is None or not hasattr(record, "jobid"):
            return OWN_STATUS.search(record.getMessage()) is None
        logs = [str(path) for path in getattr(record, "log", None) or []]
        job = logs[0] if logs else str(record.__dict__["jobid"])
        if record.levelno < logging.ERROR:  # it begins: what an earlier attempt said is no more the last word
            self.sentences.pop(job, None)
            return True
        sentence = last_error(Path(logs[0])) if logs else None
        if sentence is None:  # ended from outside, or before it could say anything
            rule = record.__dict__["rule_name"]
            sentence = f"{rule}: ended without a word: most likely killed, for want of memory or by the cluster"
        self.sentences[job], self.rules[job] = sentence, record.__dict__["rule_name"]
        if sentence == INTERRUPTED:
            return False
        for kind in ("input", "output"):
            files = getattr(record, kind, None)
            if files:
                setattr(record, kind, [list_some([str(file) for file in files], MOST_FILES)])
        if not sentence.startswith(UNEXPECTED):
            record.log = []  # its sentence comes at the end; a log with a traceback is shown
        return True

    def told(self) -> str:
        """A line a failed job, its log file below it; empty where none failed."""
        stopped = [self.rules[log] for log, sentence in self.sentences.items() if sentence == INTERRUPTED]
        failed = [f"{sentence}\n  ({log})" for log, sentence in self.sentences.items() if sentence != INTERRUPTED]
        if stopped:
            failed.append(f"Interrupted, with {list_some(stopped, 3)} running: the same command goes on.")
        return "\n".join(failed)

    def tell(self) -> None:
        """Print what there is to say to standard error."""
        if told := self.told():
            print(f"\n{told}", file=sys.stderr)


def last_error(log: Path) -> str | None:
    """The last error of a job's log file, without its time; None where there is none.

    Of a traceback only the sentence above it is taken.
    """
    try:
        entries = NEXT.split(log.read_text(encoding="utf-8", errors="replace").rstrip("\n"))
    except OSError:
        return None
    found = [match[1] for entry in entries if (match := ERROR.match(entry))]
    return found[-1].split("\nTraceback (most recent call last)")[0] if found else None
