"""Every flag that ``docs/deploy.md`` names exists: ours in the parser, vLLM's in its sources."""

import re
from pathlib import Path

import pytest
from vllm_jobs import serve_python

from facellm.serve.gateway.settings import Settings
from facellm.serve.serve_command import new_serve_parser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def served_lines():
    """Lines that run the server, continued ones joined, remarks away."""
    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition("#")[0] for line in text.splitlines()]
    return [line.partition("facellm serve")[2] for line in lines if "facellm serve" in line]


def flags(side):
    """Of the gateway (0) or of what comes after the two dashes (1)."""
    sides = [re.split(r" -- ", line) for line in served_lines() if "`" not in line]
    return {flag for parts in sides if len(parts) > side for flag in _FLAG.findall(parts[side])}


def test_our_flags_exist():
    known = {flag for action in new_serve_parser()._actions for flag in action.option_strings}
    assert len(flags(0)) >= 8
    assert flags(0) <= known


def test_flags_of_vllm_exist():
    place = serve_python().parents[1].glob("lib/python3.*/site-packages/vllm/engine/arg_utils.py")
    known = set(_FLAG.findall(next(place).read_text(encoding="utf-8")))
    known |= {flag.replace("--", "--no-", 1) for flag in known}  # switches have both forms
    assert len(flags(1)) >= 8
    assert flags(1) <= known


def test_the_body_of_nginx_is_the_gateways():
    found = re.search(r"client_max_body_size (\d+)m;", PAGE.read_text(encoding="utf-8"))
    assert int(found[1]) * 1_000_000 == Settings().body


def test_the_compose_file_is_yaml_with_one_published_port_on_this_machine():
    yaml = pytest.importorskip("yaml")
    block = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (service,) = yaml.safe_load(block[1])["services"].values()
    assert service["ports"] == ["127.0.0.1:8000:8000"]
