"""What the workflow asks of a cluster, as far as it can be seen without one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ["--workflow-profile", str(ROOT / "profiles/slurm")]
# Prints every rule of a configuration: its name, whether a cluster runs it, its resources.
RULES = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, ResourceSettings

snakefile, *files = map(Path, sys.argv[1:])
with SnakemakeApi() as api:
    made = api.workflow(ResourceSettings(), ConfigSettings(configfiles=files), snakefile=snakefile)._workflow
    for rule in made.rules:
        print(json.dumps([rule.name, not (rule.norun or rule.name in made._localrules), sorted(rule.resources)]))
"""
# Between them every rule: drawn, stored, CheXpert's form, images of one's own
CONFIGURATIONS = {
    "phantom": "dataset: phantom\ndata: {store: 576}\n",
    "restored": f"dataset: phantom\nrestore: {{source: 'https://example.org/a.zip', sha256: {'ab' * 32}}}\n",
    "chexpert": "dataset: chexpert-phantom\nexperiments: [localization-5fold-by-patient]\n",
}


def rules_of(folder: Path) -> dict[str, tuple[bool, set[str]]]:
    """Every rule by name: whether a cluster runs it, and what resources it names."""
    found: dict[str, tuple[bool, set[str]]] = {}
    for name, text in CONFIGURATIONS.items():
        (folder / f"{name}.yaml").write_text(text)
        command = [sys.executable, "-c", RULES, str(ROOT / "Snakefile"), str(folder / f"{name}.yaml")]
        done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            rule, submitted, resources = json.loads(line)
            found[rule] = submitted, set(resources)
    return found


def test_every_rule_that_a_cluster_runs_says_its_memory_and_time_and_networks_their_gpu(tmp_path: Path) -> None:
    rules = rules_of(tmp_path)
    text = "".join(path.read_text() for path in ROOT.glob("workflow/**/*") if path.is_file())
    assert set(rules) == set(re.findall(r"^ *(?:rule|use rule \w+ as) (\w+)(?: with)?:$", text, re.MULTILINE))
    submitted = {name: resources for name, (submitted, resources) in rules.items() if submitted}
    local = {"fetch_archive", "fetch_package", "fetch_tables", "fetch_weights"}  # nodes may not reach the network
    assert not local & set(submitted)
    assert len(submitted) == 28
    assert [name for name, resources in submitted.items() if not {"mem_mb", "runtime"} <= resources] == []
    assert {name for name, resources in submitted.items() if "gpu" in resources} == {"train", "predict"}


def test_a_plan_by_the_profile_has_every_job(tmp_path: Path) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="needs the extra slurm")
    files = ["--configfile", str(ROOT / "config/demo.yaml")]
    plans = []
    for profile in (PROFILE, ["--workflow-profile", "none"]):
        command = [sys.executable, "-m", "snakemake", "all", "-s", str(ROOT / "Snakefile"), *profile, *files, "-n"]
        done = subprocess.run(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        plans.append(re.findall(r"^\w+ +\d+$", done.stdout, re.MULTILINE))
    assert plans[0] == plans[1] != []
