"""``facellm serve``: OpenAI's API over the model, on this machine, in one command.

Example::

    $ facellm serve
    facellm: engine local (torch 2.13.0, readings by openvino ...): vLLM is not installed here
    facellm: http://127.0.0.1:8000 is ready. Ask it, for example:
      facellm ask photo.jpg "What does this face show?" --server http://127.0.0.1:8000
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facellm.adapter_labels import has_labels, load_facts
from facellm.cli import check_model_folder, new_parser
from facellm.errors import FaceLLMError

if TYPE_CHECKING:
    from .gateway.house import House
    from .gateway.settings import Settings
    from .sight import Sight

AUTO, VLLM, LOCAL = "auto", "vllm", "local"
KEYS_VARIABLE = "FACELLM_API_KEYS"  # several are parted by commas
NEEDED = ("fastapi", "uvicorn", "limits", "prometheus_client", "jsonschema")
EXAMPLES = """\
  facellm serve                                a page and an API at http://127.0.0.1:8000
  facellm serve --engine local --port 8001     the model in this process
  facellm serve --model my-weights/            other weights
  facellm serve --api-key-file keys.txt --host 0.0.0.0   for others too, with a key a line
"""


def new_serve_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser("serve", "Serve the model: OpenAI's API, readings, a page.", EXAMPLES)
    parser.add_argument(
        "--engine",
        choices=(AUTO, VLLM, LOCAL),
        default=AUTO,
        help="what runs the model (default: vllm where it is set up, else local)",
    )
    parser.add_argument("--setup", action="store_true", help="set up vLLM in its own environment")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8000, help="(default: 8000; 0 takes any)")
    parser.add_argument("--gpu", action="store_true", help="vLLM on a GPU")
    parser.add_argument(
        "--adapter", type=Path, metavar="FOLDER", help="a LoRA adapter, or one of `facellm adapt`"
    )
    parser.add_argument(
        "--use-context",
        default="personal",
        metavar="NAME",
        help="what answers are used for (default: personal)",
    )
    parser.add_argument(
        "--academic-emotion", action="store_true", help="where the use context allows it"
    )
    add_door_arguments(parser)
    add_bound_arguments(parser)
    return parser


def add_door_arguments(parser: argparse.ArgumentParser) -> None:
    """Who may come in."""
    parser.add_argument(
        "--api-key", action="append", default=[], metavar="KEY", help="opens; may be repeated"
    )
    parser.add_argument(
        "--api-key-file", type=Path, metavar="FILE", help=f"a key a line; also {KEYS_VARIABLE}"
    )
    parser.add_argument(
        "--insecure", action="store_true", help="listen to other machines without any key"
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="names it may be called by (default without keys: this machine's own)",
    )
    parser.add_argument(
        "--trust-proxy",
        metavar="ADDRESS",
        help="a proxy whose word on the client's address is taken",
    )


def add_bound_arguments(parser: argparse.ArgumentParser) -> None:
    """How much it does."""
    parser.add_argument(
        "--rate",
        default="600/minute",
        help="requests of one key or address (default: 600/minute; '' is no bound)",
    )
    parser.add_argument(
        "--running", type=int, default=8, help="requests worked on at once (default: 8)"
    )
    parser.add_argument("--queue", type=int, default=32, help="requests that wait (default: 32)")
    parser.add_argument(
        "--deadline", type=float, default=60.0, help="seconds of a request (default: 60)"
    )
    parser.add_argument(
        "--drain",
        type=float,
        default=30.0,
        help="seconds that running requests may take when it is stopped (default: 30)",
    )


def main(argv: list[str]) -> int:
    """Run the verb; raises ``FaceLLMError`` where it cannot serve."""
    args, passed = split_arguments(argv)
    if args.setup:
        from .setup_environment import main as set_up

        return set_up([*(["--gpu"] if args.gpu else []), *passed])
    check_packages()
    check_model_folder(args.model)
    settings = settings_of(args)
    from transformers.utils import logging

    from .server import serve
    from .sight import load_sight

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    sight = load_sight(args.model)
    engine, why = choose_engine(args, passed, sight)
    return asyncio.run(serve(args, new_house(args, settings, engine, sight), why))


def new_house(args: argparse.Namespace, settings: Settings, engine: Any, sight: Sight) -> House:
    """What is behind the gateway, not started yet."""
    from facellm.detection import CascadeDetector

    from .doorkeepers import new_guard, new_policy
    from .gateway.house import House
    from .gateway.looking import Looker

    looker = Looker(sight, CascadeDetector(sight.landmark_net), engine, new_guard())
    policy = new_policy(args.use_context, academic=args.academic_emotion)
    return House(settings, engine, looker, policy, sys.stderr)


def split_arguments(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Ours, and after ``--`` what vLLM is started with as it is."""
    ours = argv[: argv.index("--")] if "--" in argv else argv
    return new_serve_parser().parse_args(ours), argv[len(ours) + 1 :]


def check_packages() -> None:
    """Refuse to start without the packages of the extra ``serve``."""
    from importlib.util import find_spec

    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise FaceLLMError(f"serving needs {', '.join(missing)}: pip install 'facellm[serve]'")


def settings_of(args: argparse.Namespace) -> Settings:
    """Bounds and doors as asked for.

    Raises:
        FaceLLMError: For values that make no sense, or a door that is open to everybody.
    """
    from .gateway.settings import LOOPBACK, Settings

    for name, least in (("running", 1), ("queue", 0), ("deadline", 0.1), ("drain", 0)):
        if getattr(args, name) < least:
            raise FaceLLMError(f"--{name} {getattr(args, name)}: must be at least {least}")
    if not 0 <= args.port <= 65535:
        raise FaceLLMError(f"--port {args.port}: must lie in 0 to 65535")
    keys = keys_of(args)
    if not (keys or args.insecure or is_loopback(args.host)):
        raise FaceLLMError(
            f"--host {args.host} lets other machines in: give --api-key-file, or say --insecure"
        )
    hosts = frozenset(name.lower() for name in args.allowed_host)
    if not (hosts or keys or args.insecure):
        hosts = LOOPBACK
    return Settings(
        keys=keys,
        hosts=hosts or None,
        rate=args.rate,
        running=args.running,
        waiting=args.queue,
        deadline=args.deadline,
        drain=args.drain,
    )


def keys_of(args: argparse.Namespace) -> tuple[str, ...]:
    """Keys of the arguments, of the file and of the environment."""
    keys = [*args.api_key, *os.environ.get(KEYS_VARIABLE, "").split(",")]
    if args.api_key_file is not None:
        try:
            lines = args.api_key_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise FaceLLMError(f"{args.api_key_file}: cannot be read ({error})") from error
        keys += [line for line in lines if not line.startswith("#")]
        if not any(line.strip() for line in lines):
            raise FaceLLMError(f"{args.api_key_file}: holds no key")
    return tuple(key.strip() for key in keys if key.strip())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choose_engine(args: argparse.Namespace, passed: list[str], sight: Sight) -> tuple[Any, str]:
    """The engine, and why it is this one.

    Args:
        args: Of the verb.
        passed: What vLLM is started with besides.
        sight: The checkpoint without its model.

    Raises:
        FaceLLMError: If the one that was asked for by name is not there.
    """
    why = "as asked for"
    if args.engine in (AUTO, VLLM):
        try:
            return vllm_engine(args, passed, sight), "vLLM is set up here"
        except (ImportError, FaceLLMError) as error:
            if args.engine == VLLM:
                raise FaceLLMError(f"--engine vllm: {error}") from error
            why = f"no vLLM: {error}"
    if passed:
        sys.stderr.write(f"facellm: left out, for vLLM only: {' '.join(passed)}\n")
    if args.adapter is not None and has_labels(args.adapter):
        names = ", ".join(label.name for label in load_facts(args.adapter).added)
        if names:
            sys.stderr.write(f"facellm: a server does not tell labels of one's own: {names}\n")
    from .local_engine import LocalEngine

    return LocalEngine(args.model, args.adapter), why


def vllm_engine(args: argparse.Namespace, passed: list[str], sight: Sight) -> Any:
    """VLLM in its own environment; ``ImportError`` or ``FaceLLMError`` where it is not there."""
    from .vllm_command import VllmOptions
    from .vllm_engine import VllmEngine

    if args.adapter is not None and has_labels(args.adapter):
        raise FaceLLMError(
            f"{args.adapter}: of `facellm adapt`, which the local engine alone reads"
        )
    adapters = {} if args.adapter is None else {args.adapter.resolve().name: args.adapter}
    options = VllmOptions(gpu=args.gpu, adapters=adapters, extra=tuple(passed))
    engine = VllmEngine(sight.processor, sight.folder, options)
    return engine.as_model(*adapters) if adapters else engine
