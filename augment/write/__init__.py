"""Kept: marks, shards, the work protocol, the Delta commit, claims, leases, the card.

Every file here takes a `Folder`; none knows of jobs' rules, generators or Ray.
"""

from augment.write.card import card_is_current, write_card
from augment.write.claims import Claim, Claims, claims_again
from augment.write.creation import ensure_table
from augment.write.folds import Fold, Folds
from augment.write.journal import Journal, read_journals
from augment.write.lease import Holder, Lease, Seen, alive, holders, look, runs
from augment.write.marks import XmpMark, add_xmp, has_marks, read_xmp, verify_mark
from augment.write.provenance import (
    count_cells,
    counts_table,
    read_counts,
    read_gate,
    read_job,
    read_verdict,
    write_counts,
    write_gate,
    write_job,
    write_quarantine,
    write_verdict,
)
from augment.write.reading import touched_each
from augment.write.shards import ShardEntry, cut_by_bytes, image_sizes, write_shard
from augment.write.table import (
    Commit,
    CommitResult,
    LiveFile,
    commit_once,
    generation_of,
    live_files,
    named_files,
    newest_version,
    open_table,
    refuse_foreign_rows,
    withdraw,
)
from augment.write.work import Attempt, Record, Work

__all__ = [
    "Attempt",
    "Claim",
    "Claims",
    "Commit",
    "CommitResult",
    "Fold",
    "Folds",
    "Holder",
    "Journal",
    "Lease",
    "LiveFile",
    "Record",
    "Seen",
    "ShardEntry",
    "Work",
    "XmpMark",
    "add_xmp",
    "alive",
    "card_is_current",
    "claims_again",
    "commit_once",
    "count_cells",
    "counts_table",
    "cut_by_bytes",
    "ensure_table",
    "generation_of",
    "has_marks",
    "holders",
    "image_sizes",
    "live_files",
    "look",
    "named_files",
    "newest_version",
    "open_table",
    "read_counts",
    "read_gate",
    "read_job",
    "read_journals",
    "read_verdict",
    "read_xmp",
    "refuse_foreign_rows",
    "runs",
    "touched_each",
    "verify_mark",
    "withdraw",
    "write_card",
    "write_counts",
    "write_gate",
    "write_job",
    "write_quarantine",
    "write_shard",
    "write_verdict",
]
