"""What people see of a training while it runs: curves and attention maps for TensorBoard, how far it is, the time left.

Nothing here decides a weight, and nothing here ends a training: what cannot be written is given up with one warning.
"""

from __future__ import annotations

import io
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from ham.model.forward import outputs
from ham.model.network import HierarchicalAttentionNetwork, Output
from ham.model.overlays import BOX_COLOUR, draw_map, font, rgb, with_boxes, with_map
from ham.runtime.progress import LOG_EVERY, duration, track
from ham.samples import Batch, Samples, collate
from ham.training.ingredients import Ingredients
from ham.training.overview import Progress, describe_whole, read_trainings, write_progress
from ham.training.settings import TrainingSettings

WATCHED = 4  # images whose attention is drawn
SIDE, CAPTION, GAP, ACROSS = 160, 18, 4, 4  # pixels of a drawn map, of what stands below it, between; maps in a row
DOWN = SIDE + CAPTION + GAP
log = logging.getLogger("ham")


class Watcher:
    """Watches one training for people: ``folder`` is its resume folder."""

    def __init__(
        self, folder: Path, wanted: Ingredients, settings: TrainingSettings, validated: Samples, device: torch.device
    ) -> None:
        self.folder = folder
        self.events = folder / "tensorboard" / wanted.identity[:12]
        self.settings = settings
        self.validated = validated
        self.device = device
        self.history: list[dict[str, float]] = []
        self.file: EventFile | None = None
        self.given_up: set[str] = set()
        self.spoken = -math.inf
        self.whole = ""  # on all trainings, as known when this one last spoke

    def begin(self, history: Sequence[dict[str, float]]) -> None:
        """Before the first epoch of this process; ``history``: the epochs that are there."""
        self.history = list(history)
        self._speak(len(history) + 1, 0.0, None)

    def training(self, batches: Iterable[Batch], epoch: int, total: int) -> Iterator[Batch]:
        """Yield the ``total`` batches of an epoch (from 1), saying how far it is."""
        return self._followed(batches, f"epoch {epoch} of {self.settings.epochs}", epoch, total)

    def validation(self, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
        """Yield the batches that are looked at after an epoch, saying how far it is."""
        return self._followed(batches, f"validation after epoch {epoch} of {self.settings.epochs}", epoch, None)

    def epoch(self, network: HierarchicalAttentionNetwork, row: Mapping[str, float]) -> None:
        """Write the events of an epoch, of which ``row`` is that of history.csv. Leaves the network in evaluation mode,
        as validation does."""
        self._try("events for TensorBoard", self.events, lambda: self._write_events(network, row))
        self.history.append(dict(row))
        self._speak(int(row["epoch"]) + 1, 0.0, None)

    def left(self) -> str:
        """``3.4 h left; 12 trainings: 2 running, 7 waiting, 3 done; about 14 h left``."""
        pace = self._pace(0.0, None)
        own = f"{duration((self.settings.epochs - len(self.history)) * pace)} left" if pace else ""
        return "; ".join(filter(None, [own, self.whole]))

    def _followed(self, batches: Iterable[Batch], what: str, epoch: int, total: int | None) -> Iterator[Batch]:
        start = time.monotonic()
        for step, batch in enumerate(track(batches, what, total, lambda: self.whole), 1):
            yield batch
            if time.monotonic() - self.spoken >= LOG_EVERY:
                part = step / total if total else 1.0  # of validation it is not said how long it takes
                self._speak(epoch, part, time.monotonic() - start if total else None)

    def _pace(self, part: float, seconds: float | None) -> float | None:
        """Seconds of an epoch: as those that are known, or as far as the first one is after ``seconds``."""
        if self.history:
            return sum(row["seconds"] for row in self.history) / len(self.history)
        return seconds / part if seconds and part else None

    def _speak(self, epoch: int, part: float, seconds: float | None) -> None:
        self.spoken = time.monotonic()
        pace, epochs = self._pace(part, seconds), self.settings.epochs
        left = None if pace is None else (epochs - epoch + 1 - part) * pace
        said = Progress(epoch, part, epochs, pace, left, time.time(), socket.gethostname())
        self._try("how far the training is", self.folder, lambda: self._write_progress(said))

    def _write_progress(self, said: Progress) -> None:
        write_progress(self.folder, said)
        trainings = read_trainings(self.folder.parents[3])
        self.whole = describe_whole(trainings) if len(trainings) > 1 else ""

    def _write_events(self, network: HierarchicalAttentionNetwork, row: Mapping[str, float]) -> None:
        epoch = int(row["epoch"])
        if self.file is None:
            former = [] if self.events.is_dir() else self.history  # epochs of which there are no events
            self.file = EventFile(self.events, (len(former) and 1) or epoch)
            for known in former:
                self.file.write(int(known["epoch"]), scalars(known), {})
        self.file.write(epoch, scalars(row), self._pictures(network))

    def _pictures(self, network: HierarchicalAttentionNetwork) -> dict[str, Image.Image]:
        places = watched_places(self.validated)
        batch = collate([self.validated[place] for place in places])
        ((_, output),) = outputs(network, [batch], self.settings, self.device)
        names = [self.validated.images[place].decode() for place in places]
        return {
            f"attention/{name}": draw_attention(self.validated, name, batch.image[row].numpy(), at(output, row))
            for row, name in enumerate(names)
        }

    def _try(self, what: str, where: Path, write: Callable[[], None]) -> None:
        if what in self.given_up:
            return
        try:
            write()
        except Exception as error:  # a full disk, a file system that may not be written to, no tensorboard, no memory
            self.given_up.add(what)
            reason = f"{type(error).__name__}: {error}"
            log.warning("%s cannot be written to %s (%s): the training goes on without", what, where, reason)


class EventFile:
    """A file of events that TensorBoard reads, and drops what it knew of epochs from ``first`` on.

    Written and flushed an epoch at a time by the training itself: TensorBoard's own writer keeps a thread, which on a
    full disk ends in a traceback. A file that ends in the middle of an event is read up to there.
    """

    def __init__(self, folder: Path, first: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads files in the order of their names
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self.path = folder / name
        start = SessionLog(status=SessionLog.START)
        self._append([Event(file_version="brain.Event:2"), Event(step=first, session_log=start)])

    def write(self, epoch: int, values: Mapping[str, float], pictures: Mapping[str, Image.Image]) -> None:
        """Append values and pictures of an epoch, each under its tag."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        entries = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        for tag, picture in pictures.items():
            encoded = io.BytesIO()
            picture.save(encoded, format="PNG")
            image = Summary.Image(
                height=picture.height, width=picture.width, colorspace=3, encoded_image_string=encoded.getvalue()
            )
            entries.append(Summary.Value(tag=tag, image=image))
        self._append([Event(step=epoch, summary=Summary(value=[entry])) for entry in entries])

    def _append(self, events: Sequence[Any]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        with open(self.path, "ab") as file:
            writer = RecordWriter(file)
            for event in events:
                event.wall_time = time.time()
                writer.write(event.SerializeToString())


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """What a row of history.csv says, under TensorBoard's tags: ``loss/box``, ``validation/auc``,
    ``training/learning_rate``. What is undefined is left out."""
    out = {}
    for name, value in row.items():
        group, _, rest = name.partition("_")
        if group not in ("loss", "validation"):
            group, rest = "training", name
        if name not in ("epoch", "steps") and value is not None and math.isfinite(value):
            out[f"{group}/{rest or 'total'}"] = float(value)
    return out


def watched_places(samples: Samples, count: int = WATCHED) -> list[int]:
    """At most ``count`` places in the list, always the same: the first boxed image of a finding not yet chosen, and so
    on; without boxes the first image that has a finding not yet chosen; without findings the first ones."""
    places: list[int] = []
    shown: set[int] = set()
    for place in np.flatnonzero(samples.supervised).tolist():
        new = {column for column, _ in samples.masks.findings(samples.images[place].decode())} - shown
        if new and len(places) < count:
            places.append(place)
            shown |= new
    if not places:
        present = [np.flatnonzero(labels == 1) for labels in samples.labels.T]
        places = list(dict.fromkeys(int(found[0]) for found in present if len(found)))[:count]
    return places or list(range(min(count, len(samples))))


def at(output: Output, row: int) -> Output:
    """What the network says of one image of a batch, on the CPU: a batch of one."""
    return Output(*(part[row : row + 1].float().cpu() for part in output))


def draw_attention(samples: Samples, image: str, pixels: np.ndarray, output: Output) -> Image.Image:
    """The network's input [S, S] uint8 with its boxes, then over it the map of abnormality and of each finding; below
    each its probability, on blue where the finding is there."""
    base = np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float64)
    base = np.repeat(base[:, :, None], 3, axis=2)
    width, height = samples.dataset.size(image)
    boxes = [box for of_finding in samples.dataset.boxes.get(image, {}).values() for box in of_finding]
    labels = samples.dataset.labels([image])[0]
    maps = torch.cat([output.cam_abnormality[0], output.cam_class[0]]).numpy()
    probabilities = torch.sigmoid(torch.cat([output.logit_abnormality[0], output.logit_class[0]])).tolist()
    there = [False, bool((labels == 1).any()), *(labels == 1)]
    tiles = [with_boxes(base, boxes, (SIDE / width, SIDE / height))]
    tiles += [rgb(with_map(base, draw_map(raw, len(pixels), (SIDE, SIDE)))) for raw in maps]
    names = ["abnormality", *samples.dataset.findings]
    captions = ["image, boxes", *(f"{name[:18]} {known:.2f}" for name, known in zip(names, probabilities, strict=True))]
    empty = [False, *(not raw.any() for raw in maps)]
    sheet = Image.new("RGB", (ACROSS * (SIDE + GAP) - GAP, -(-len(tiles) // ACROSS) * DOWN - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, tile in enumerate(tiles):
        x, y = index % ACROSS * (SIDE + GAP), index // ACROSS * DOWN
        sheet.paste(tile, (x, y))
        if there[index]:
            draw.rectangle((x, y + SIDE, x + SIDE - 1, y + SIDE + CAPTION - 1), fill=BOX_COLOUR)
        draw.text((x + 2, y + SIDE + 2), captions[index], fill="#222222", font=font(12))
        if empty[index]:
            draw.text((x + 4, y + 2), "empty map", fill="white", font=font(12))
    return sheet
