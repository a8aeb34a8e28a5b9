"""Hierarchical attention mining: weakly supervised localization and diagnosis of abnormalities in chest radiographs.

``import ham`` is light: torch is imported by the parts that compute, and only when they are asked for.
"""

from __future__ import annotations

__version__ = "0.1.0"
