"""One unit of scoring: a shard of the pool, whose images are decoded once for all scorers that lack
it. What is whole already is left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from augment.codec import decode
from augment.errors import StorageError
from augment.run.scoring.kept import Book
from augment.run.scoring.scorers import Kind, Scorer, Scorers, loaded

_MAX_PIXELS = 1 << 30
_READ = 64  # images that are decoded at once


@dataclass(frozen=True)
class ScoreTask:
    """What a worker is made from."""

    scorers: Scorers

    def worker(self, alone: bool = False) -> ScoreWorker:
        return ScoreWorker(self.scorers)


class ScoreWorker:
    """Scores shards; loads a scorer when it first needs it."""

    def __init__(self, scorers: Scorers) -> None:
        self._scorers = scorers
        self._loaded: dict[str, Scorer] = {}

    def __call__(self, unit: str) -> str:
        """unit: JSON with `path` and `sha256` of the shard. JSON: `rows` that were scored now."""
        todo = json.loads(unit)
        path, sha256 = str(todo["path"]), str(todo["sha256"])
        books = [(kind, Book(self._scorers.pool, digest)) for kind, digest in self._scorers.own]
        lacking = [(kind, book) for kind, book in books if book.get(path, sha256) is None]
        found: list[list[list[float]]] = [[] for _ in lacking]
        for images, labels in self._images(path) if lacking else ():
            for (kind, book), rows in zip(lacking, found, strict=True):
                rows += self._scorer(kind, book)(images, labels)
        for (kind, book), rows in zip(lacking, found, strict=True):
            book.put(path, sha256, self._scorer(kind, book).names, rows)
        return json.dumps({"rows": len(found[0]) if found else 0})

    def _scorer(self, kind: Kind, book: Book) -> Scorer:
        if kind not in self._loaded:
            fitted = book.fitted()
            if fitted is None:
                raise StorageError(
                    f"{book.pool.url('_scores')}: what filter {kind} was fit to is not there any "
                    "more; run the same command again, which fits it again"
                )
            self._loaded[kind] = loaded(kind, fitted)
        return self._loaded[kind]

    def _images(self, path: str) -> Iterator[tuple[list[np.ndarray], list[str]]]:
        pool = self._scorers.pool
        try:
            with pool.open(path) as file:
                parquet = pq.ParquetFile(file)
                for group in range(parquet.num_row_groups):
                    columns = ["image", "label_name"]
                    for batch in parquet.iter_batches(_READ, row_groups=[group], columns=columns):
                        rows = batch.to_pylist()
                        images = [decode(row["image"]["bytes"], _MAX_PIXELS) for row in rows]
                        yield images, [row["label_name"] for row in rows]
        except FileNotFoundError as error:
            raise StorageError(
                f"{pool.url(path)}: this pool shard is gone; run the same command again"
            ) from error
