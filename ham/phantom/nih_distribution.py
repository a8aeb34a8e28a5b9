"""A small invented data set in the form of the NIH distribution: drawn radiographs, tables, boxes, official split,
folds.

Everything is a function of the settings. Pixels, tables and lists are the same on every machine; the archives' bytes
also depend on the zlib that packs them, and SHA256SUMS with them.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from ham.datasets.settings import PhantomSettings
from ham.phantom.drawing import SIDE, NamedRandom
from ham.phantom.radiograph import FINDINGS, radiograph
from ham.runtime.files import sha256, write_text, written
from ham.runtime.process_pool import in_parallel
from ham.runtime.progress import track

FOLDS = 5
ARCHIVES = ("images_001.tar.gz", "images_002.tar.gz")
TABLE_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
SPACING = "1.4"  # mm: the detector of about 36 cm on 256 pixels
Drawing = tuple[str, bytes, dict[str, list[float]]]  # image, its PNG, a box x, y, w, h of each finding
IN_BOX_LIST = {"Infiltration": "Infiltrate"}


@dataclass
class Entry:
    """An image of the table: what it shows, of whom, and whether its findings have boxes."""

    image: str
    patient: int
    visit: int
    row: str = ""
    findings: list[str] = field(default_factory=list)
    test: bool = False
    boxed: bool = False


def write_distribution(folder: Path, settings: PhantomSettings, workers: int = 1) -> None:
    """Draw the data set of ``settings`` and write it to ``folder`` in the form of an NIH mirror, with ``workers``
    processes.

    Archives with members images/NAME.png (8 bit grey, 256 x 256), Data_Entry_2017_v2020.csv, BBox_List_2017.csv, the
    official lists, published/ with the folds' lists and BBoxes.json (x, y, w, h in pixels), and SHA256SUMS, which is
    written last.
    """
    entries = plan_images(settings)
    boxes = _write_archives(folder, entries, settings.seed, workers)
    texts = compose_tables(entries, boxes) | compose_lists(entries, settings.seed)
    for name, text in texts.items():
        write_text(folder / name, text)
    sums = (f"{sha256(folder / name)}  {name}\n" for name in sorted([*ARCHIVES, *texts]))
    write_text(folder / "SHA256SUMS", "".join(sums))


def plan_images(settings: PhantomSettings) -> list[Entry]:
    """Every image in the table's order, with its findings, side of the official split, and whether it is boxed.

    The official split goes by patient. All boxed images are in its test side, which holds about a sixth more images
    with a finding than those; when the wanted boxes would leave less than a tenth of the images to train on, fewer
    are boxed.
    """
    draw = NamedRandom(f"phantom-{settings.seed}-table")
    entries = _plan_visits(draw, settings)
    wanted = max(round(settings.images * (1 - settings.normal) * settings.boxed), FOLDS)  # no fold without a test
    test_size = min(round(wanted * 1.17 / max(1 - settings.normal, 0.01)), settings.images * 9 // 10)
    _mark_test(draw, entries, test_size)
    counts = draw_finding_counts(draw, settings)
    for entry, count in zip(entries, counts, strict=True):
        entry.findings = [""] * count
    candidates = [entry for entry in entries if entry.test and entry.findings]
    for index in draw.order(len(candidates))[:wanted]:
        candidates[index].boxed = True
    give_findings(draw, [entry.findings for entry in entries if entry.boxed])
    give_findings(draw, [entry.findings for entry in entries if not entry.boxed])
    return entries


def _plan_visits(draw: NamedRandom, settings: PhantomSettings) -> list[Entry]:
    images = [1] * settings.patients
    for _ in range(settings.images - settings.patients):
        images[draw.between(0, settings.patients - 1)] += 1
    entries = []
    for patient, count in enumerate(images, 1):
        age, gender = draw.between(19, 84), "MF"[draw.between(0, 1)]
        for visit in range(count):
            view = "PA" if draw.chance(60) else "AP"
            row = f"{visit},{patient},{age + visit // 2},{gender},{view},{SIDE},{SIDE},{SPACING},{SPACING}"
            entries.append(Entry(f"{patient:08d}_{visit:03d}.png", patient, visit, row))
    return entries


def _mark_test(draw: NamedRandom, entries: Sequence[Entry], size: int) -> None:
    """Mark the images of random patients as test, until there are ``size``."""
    by_patient: dict[int, list[Entry]] = {}
    for entry in entries:
        by_patient.setdefault(entry.patient, []).append(entry)
    patients, taken = list(by_patient), 0
    for index in draw.order(len(patients)):
        group = by_patient[patients[index]]
        if taken + len(group) <= size:
            taken += len(group)
            for entry in group:
                entry.test = True


def draw_finding_counts(draw: NamedRandom, settings: PhantomSettings) -> list[int]:
    """How many findings each image has: the shares of the settings, shuffled."""
    none, two = round(settings.images * settings.normal), round(settings.images * settings.double)
    two = min(two, settings.images - none)
    counts = [0] * none + [2] * two + [1] * (settings.images - none - two)
    return [counts[index] for index in draw.order(len(counts))]


def give_findings(draw: NamedRandom, images: Iterable[list[str]]) -> None:
    """Fill the places of each image's list of findings so that all findings become about equally frequent."""
    used = dict.fromkeys(FINDINGS, 0)
    for findings in images:
        chosen: list[str] = []
        for _ in findings:
            order = [FINDINGS[index] for index in draw.order(len(FINDINGS))]
            chosen.append(
                min((finding for finding in order if finding not in chosen), key=lambda finding: used[finding])
            )
            used[chosen[-1]] += 1
        findings[:] = sorted(chosen)


def _write_archives(
    folder: Path, entries: Sequence[Entry], seed: int, workers: int
) -> dict[str, dict[str, list[float]]]:
    """Draw all images into the two archives; boxes x, y, w, h of every finding of every image."""
    boxes: dict[str, dict[str, list[float]]] = {}
    half = (len(entries) + 1) // 2
    images = in_parallel(partial(_draw_image, seed), entries, workers, "drawing radiographs", at_once=4)
    drawings = iter(track(images, "drawing radiographs", len(entries)))
    for name, count in zip(ARCHIVES, (half, len(entries) - half), strict=True):
        with (
            written(folder / name) as temporary,
            open(temporary, "wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for _ in range(count):
                image, png, boxes[image] = next(drawings)
                member = tarfile.TarInfo(f"images/{image}")
                member.size = len(png)
                archive.addfile(member, io.BytesIO(png))
    next(drawings, None)  # lets the progress bar end
    return boxes


def _draw_image(seed: int, entry: Entry) -> Drawing:
    person = f"phantom-{seed}-{entry.patient}"
    pixels, found = radiograph(person, f"{person}-{entry.visit}", entry.findings)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=2)
    return entry.image, data.getvalue(), {finding: [float(number) for number in box] for finding, box in found.items()}


def compose_tables(entries: Sequence[Entry], boxes: dict[str, dict[str, list[float]]]) -> dict[str, str]:
    """Text of the label table, the box list and the authors' BBoxes.json, by path; boxes of boxed images only."""
    labels = [f"{entry.image},{'|'.join(entry.findings) or 'No Finding'},{entry.row}" for entry in entries]
    boxed = {entry.image: boxes[entry.image] for entry in entries if entry.boxed}
    rows = [
        f"{image},{IN_BOX_LIST.get(finding, finding)},{','.join(map(str, box))},,,"
        for image, found in boxed.items()
        for finding, box in found.items()
    ]
    nested = {image: {finding: [box] for finding, box in found.items()} for image, found in boxed.items()}
    return {
        "Data_Entry_2017_v2020.csv": "\n".join([TABLE_HEADER, *labels]) + "\n",
        "BBox_List_2017.csv": "\n".join([BOX_HEADER, *rows]) + "\n",
        "published/Annotations/BBoxes.json": json.dumps(nested),
    }


def compose_lists(entries: Sequence[Entry], seed: int) -> dict[str, str]:
    """Text of every list of the distribution, by path; without a final newline, as the originals.

    The folds split images, not patients, as the published ones do: localization (train_0.5_0.8: half of the images
    without boxes and four fifths of those with; test_0_0.2) and classification (train_0.7_0.7, val_0.1_0.1,
    test_0.2_0.2). The test lists of the five folds partition the boxed images, and all images; the helper lists in
    bbox/ name a list's boxed images.
    """
    everything = [entry.image for entry in entries]
    official = {
        "train_val_list": [entry.image for entry in entries if not entry.test],
        "test_list": [entry.image for entry in entries if entry.test],
    }
    boxed = [entry.image for entry in entries if entry.boxed]
    plain = [entry.image for entry in entries if not entry.boxed]
    names = dict(official)
    main = {**official, "test_bboxs": boxed, "train_wo_bbox": plain}
    names |= {f"published/ImageSets/Main/{name}": images for name, images in main.items()}
    names["published/ImageSets/bbox/empty"] = []
    draw = NamedRandom(f"phantom-{seed}-folds")
    rank = {image: index for index, image in enumerate(everything)}
    boxed_tests = _deal_tests(draw, [entry for entry in entries if entry.boxed])
    plain_tests = _deal_tests(draw, [entry for entry in entries if not entry.boxed])
    for fold in range(FOLDS):
        parts = _make_fold(draw, boxed, boxed_tests[fold], plain, plain_tests[fold])
        for name, images in parts.items():
            group, file = name.split("/")
            names[f"published/ImageSets/{group}/fold{fold + 1}/{file}"] = sorted(images, key=rank.__getitem__)
    return {f"{name}.txt": "\n".join(images) for name, images in names.items()}


def _deal_tests(draw: NamedRandom, entries: Sequence[Entry]) -> list[set[str]]:
    """Five disjoint parts, each with about a fifth of the images of every finding."""
    shuffled = [entries[index] for index in draw.order(len(entries))]
    shuffled.sort(key=lambda entry: entry.findings[draw.between(0, len(entry.findings) - 1)] if entry.findings else "")
    return [{entry.image for entry in shuffled[fold::FOLDS]} for fold in range(FOLDS)]


def _make_fold(
    draw: NamedRandom, boxed: Sequence[str], boxed_test: set[str], plain: Sequence[str], plain_test: set[str]
) -> dict[str, list[str]]:
    boxed_train = [image for image in boxed if image not in boxed_test]
    boxed_validation = _pick(draw, boxed_train, len(boxed) // 10)
    plain_train = [image for image in plain if image not in plain_test]
    plain_validation = _pick(draw, plain_train, len(plain) // 10)
    held_out = boxed_validation | plain_validation
    return {
        "bbox/train_0.8": boxed_train,
        "bbox/test": list(boxed_test),
        "bbox/train_0.7": [image for image in boxed_train if image not in held_out],
        "bbox/val_0.1": list(boxed_validation),
        "Main/train_0.5_0.8": [*_pick(draw, plain, len(plain) // 2), *boxed_train],
        "Main/test_0_0.2": list(boxed_test),
        "Main/train_0.7_0.7": [image for image in [*plain_train, *boxed_train] if image not in held_out],
        "Main/val_0.1_0.1": list(held_out),
        "Main/test_0.2_0.2": [*plain_test, *boxed_test],
    }


def _pick(draw: NamedRandom, images: Sequence[str], count: int) -> set[str]:
    return {images[index] for index in draw.order(len(images))[:count]}
