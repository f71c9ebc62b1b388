"""The composite action and the workflows: well formed, and the step that gates does what its inputs say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from inboxbench.project import find_project

ROOT = find_project().root
ACTION = ROOT / ".github" / "actions" / "gate" / "action.yml"
BASELINE = ROOT / "bench" / "baselines" / "tiny.json"

# What GitHub's documentation asks of a composite action and of a workflow, as far as ours use it.
_TEXT = {"type": "string", "minLength": 1}
_STEP = {
    "type": "object",
    "properties": {
        name: {} for name in ("id", "name", "if", "uses", "with", "run", "shell", "env", "continue-on-error")
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["uses"]}, {"required": ["run"]}],
}
_COMPOSITE = {
    "type": "object",
    "required": ["name", "description", "runs"],
    "properties": {
        "name": _TEXT,
        "description": _TEXT,
        "inputs": {
            "additionalProperties": {
                "type": "object",
                "required": ["description"],
                "properties": {"description": _TEXT, "default": {"type": "string"}, "required": {"type": "boolean"}},
                "additionalProperties": False,
            }
        },
        "outputs": {"additionalProperties": {"type": "object", "required": ["description", "value"]}},
        "runs": {
            "type": "object",
            "required": ["using", "steps"],
            "properties": {
                "using": {"const": "composite"},
                "steps": {
                    "type": "array",
                    "items": {
                        **_STEP,
                        "if": {"required": ["run"]},
                        "then": {"required": ["shell"]},  # a composite action has no default shell
                    },
                },
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}
_WORKFLOW = {
    "type": "object",
    "required": ["on", "jobs"],
    "properties": {
        "jobs": {
            "additionalProperties": {
                "type": "object",
                "required": ["runs-on", "steps"],
                "properties": {"steps": {"type": "array", "items": _STEP}},
            }
        }
    },
}


def read(text: str) -> Any:
    """`on` is a word here, not a truth value as in YAML 1.1."""
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - the base loader makes strings, lists, mappings only


def problems(document: Any, schema: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


def test_the_action_is_well_formed() -> None:
    assert problems(read(ACTION.read_text(encoding="utf-8")), _COMPOSITE) == []


def test_the_check_finds_what_is_wrong() -> None:
    document = read(ACTION.read_text(encoding="utf-8"))
    del document["runs"]["steps"][-1]["shell"]
    assert problems(document, _COMPOSITE) == ["'shell' is a required property"]


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_are_well_formed(path: Path) -> None:
    assert problems(read(path.read_text(encoding="utf-8")), _WORKFLOW) == []


def test_the_documented_workflow_names_inputs_that_there_are() -> None:
    """Ten lines that somebody copies: a workflow, and the action with inputs that it has."""
    text = (ROOT / "docs" / "how-to" / "gate.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```yaml\n(.+?)```", text, re.DOTALL) if "actions/gate" in one)
    document = read(block)
    assert problems(document, _WORKFLOW) == []
    (used,) = (step for job in document["jobs"].values() for step in job["steps"] if "actions/gate" in step["uses"])
    assert set(used.get("with", {})) <= set(read(ACTION.read_text(encoding="utf-8"))["inputs"])


# A build backend without requirements, which makes a wheel of one module with an extra called `time`.
_BACKEND = """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "inboxbench-0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("lies_here.py", "")
        wheel.writestr("inboxbench-0.dist-info/METADATA",
            "Metadata-Version: 2.1\\nName: inboxbench\\nVersion: 0\\nProvides-Extra: time\\n")
        wheel.writestr("inboxbench-0.dist-info/WHEEL",
            "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("inboxbench-0.dist-info/RECORD", "")
    return name
"""
_BUILD = '[build-system]\nrequires = []\nbuild-backend = "make"\nbackend-path = ["."]\n'


def test_what_is_installed_by_default_lies_in_the_actions_own_repository(tmp_path: Path) -> None:
    """A name asked for at a registry could be anybody's package. No registry is asked here: pip may use none."""
    (step,) = (
        step for step in read(ACTION.read_text(encoding="utf-8"))["runs"]["steps"] if "INSTALL" in step.get("env", {})
    )
    root = tmp_path / "a checkout"
    folder = root / ACTION.parent.relative_to(ROOT)
    folder.mkdir(parents=True)
    (root / "pyproject.toml").write_text(_BUILD, encoding="utf-8")
    (root / "make.py").write_text(_BACKEND, encoding="utf-8")
    default = read(ACTION.read_text(encoding="utf-8"))["inputs"]["install"]["default"]
    given = {"RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": str(folder), "INSTALL": default, "PIP_NO_INDEX": "1"}
    environment = os.environ | given | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-e", "-c", step["run"]], env=environment, check=True, capture_output=True)
    python = tmp_path / "inboxbench" / "bin" / "python"
    subprocess.run([python, "-c", "import lies_here"], check=True)


def gate(tmp_path: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The last step as a runner executes it, with the inboxbench of this environment."""
    step = read(ACTION.read_text(encoding="utf-8"))["runs"]["steps"][-1]
    programs = tmp_path / "inboxbench" / "bin"
    programs.mkdir(parents=True)
    (programs / "inboxbench").symlink_to(Path(sys.executable).parent / "inboxbench")
    files = {name: str(tmp_path / name.lower()) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    given = dict.fromkeys(step["env"], "") | {"PROJECT": str(ROOT)} | inputs
    environment = os.environ | files | given | {"RUNNER_TEMP": str(tmp_path), "INBOXBENCH_SERVER": "embedded"}
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_step_gates_and_leaves_its_summary(tmp_path: Path) -> None:
    done = gate(tmp_path, ARGUMENTS=f"--run {BASELINE} --baseline {BASELINE}")
    assert done.returncode == 0, done.stderr
    assert "### inboxbench gate: open" in (tmp_path / "github_step_summary").read_text(encoding="utf-8")
    written = (tmp_path / "github_output").read_text(encoding="utf-8").strip().removeprefix("junit=")
    assert "<testsuite" in Path(written).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"BASE": "nowhere"}, "--against origin/nowhere: no such revision"),
        (
            {"BASE": "main", "AGAINST": "none", "ARGUMENTS": "--baseline absent.json"},
            "there is no baseline absent.json",
        ),
    ],
)
def test_a_pull_request_is_held_against_its_base(tmp_path: Path, inputs: dict[str, str], said: str) -> None:
    done = gate(tmp_path, **inputs)
    assert done.returncode == 2
    assert said in done.stderr
