"""Names of what is measured at operating points: :mod:`ham.scoring.operating_points` writes, reporting reads."""

from __future__ import annotations

MEASURES = ("sensitivity", "specificity", "ppv", "npv")
YOUDEN, TARGET = "youden", "target"  # where sensitivity + specificity is largest; the least that reaches a sensitivity
POINTS = (YOUDEN, TARGET)
EMPTY = {
    "sensitivity": "no image has it",
    "specificity": "every image has it",
    "ppv": "no image is called positive",
    "npv": "every image is called positive",
}
UNCHOSEN = "no threshold: the validation images do not have both classes"
NO_VALIDATION = "every validation image is a test image: no threshold is chosen on it"
DECIDED = tuple(f"{measure}_at_{point}" for point in POINTS for measure in MEASURES)
BY_GROUP = tuple(name for name in DECIDED if name.startswith(("sensitivity", "specificity")))
