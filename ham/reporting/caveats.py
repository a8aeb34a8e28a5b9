"""What a reader of an experiment's numbers must know of the weights and maps that were tested."""

from __future__ import annotations

from collections.abc import Sequence

from ham.reporting.results import SplitResult, variants_of
from ham.scoring.metric_rows import list_names

CHECKPOINTS = {
    "best-auc": "the epoch with the best validation AUC",
    "best-t-iou": "the epoch with the best validation T(IoU)",
    "best-t-ior": "the epoch with the best validation T(IoR)",
}


def list_caveats(group: Sequence[SplitResult]) -> list[str]:
    """Sentences on each variant of an experiment: how its weights were chosen, and whether training masks or
    its maps are empty."""
    out = []
    for variant, results in variants_of(group).items():
        chosen = [result for result in results if result.undefined_checkpoint is None]
        out += [
            f"{variant}: {sentence}"
            for sentence in (
                *_undefined(results),
                *_choice(chosen),
                *_unrefined(results),
                *_empty(results),
                *_uncovered(results),
            )
        ]
    return out


def _undefined(results: Sequence[SplitResult]) -> list[str]:
    """Splits in which no epoch is the checkpoint that is asked for."""
    splits: dict[tuple[str, str], list[str]] = {}
    for result in results:
        if result.undefined_checkpoint is not None:
            key = str(result.settings["checkpoint"]), result.undefined_checkpoint
            splits.setdefault(key, []).append(result.split)
    return [
        f"in {list_names(names)} {_name(checkpoint)} is undefined ({reason}): the last epoch is tested in its place, "
        "and no image chose it."
        for (checkpoint, reason), names in splits.items()
    ]


def _choice(results: Sequence[SplitResult]) -> list[str]:
    chosen = {str(result.settings.get("checkpoint", "")) for result in results}
    seen = {result.validated_on_test for result in results}
    how = " or ".join(_name(name) for name in sorted(chosen - {""})) or "the best of an epoch"
    if chosen == {"last"}:
        return ["the weights of the last epoch are tested; no image chose them."]
    if True in seen:
        return [
            f"the tested weights ({how}) were chosen on the test images themselves, as the published protocol does. "
            "The numbers are optimistic; checkpoint: last is the choice that does not look."
        ]
    return [f"the tested weights ({how}) were chosen on other images."] if seen == {False} else []


def _unrefined(results: Sequence[SplitResult]) -> list[str]:
    """Splits that were trained on some boxes as they are, because refinement left no pixel of them."""
    found = {result.split: int(result.run.get("unrefined_boxes") or 0) for result in results}
    counted = [f"{number} in {split}" for split, number in found.items() if number]
    if not counted:
        return []
    boxes = f"some training boxes ({list_names(counted)})"
    return [f"refinement left no pixel of {boxes}: the boxes themselves were trained on."]


def _empty(results: Sequence[SplitResult]) -> list[str]:
    """Splits whose predicted regions, or those of a finding, have no pixel."""
    splits: dict[tuple[str, ...], list[str]] = {}
    for result in results:
        if result.empty_maps:
            tested = set(result.localization["finding"])
            names = () if len(result.empty_maps) == len(tested) else tuple(result.empty_maps)
            splits.setdefault(names, []).append(result.split)
    return [
        f"all predicted regions{f' of {list_names(names)}' if names else ''} are empty in {list_names(where)}: "
        "T(IoU) and T(IoR) of 0 say that nothing was predicted, not that it was predicted elsewhere."
        for names, where in splits.items()
    ]


def _uncovered(results: Sequence[SplitResult]) -> list[str]:
    """Pairs whose boxes have no pixel left in the frame that maps are compared in."""
    areas = [result.localization["true_area"] for result in results if "true_area" in result.localization]
    none, pairs = sum(int((area == 0).sum()) for area in areas), sum(map(len, areas))
    if not none:
        return []
    small = f"the boxes of {none} of {pairs} pairs are too small for a pixel of the scored frame"
    return [f"{small}: IoU is 0 there whatever is predicted."]


def _name(checkpoint: str) -> str:
    return CHECKPOINTS.get(checkpoint, f"checkpoint {checkpoint}")
