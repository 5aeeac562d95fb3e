"""What endpoints cost: every answer is counted once, whoever was killed, resumed or helped."""

import json
import os
from dataclasses import replace

import pytest
from corpus_toys import PluginConfig, files_of, toy_config
from json_endpoint import serving

from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.instruct_data.annotate.rating import KEYS
from facellm.instruct_data.corpus.build import build
from facellm.instruct_data.corpus.folder import CorpusFolder
from facellm.instruct_data.corpus.spending import ledger, ledger_of, spent, told

TEXT = "The lip corners point down and the inner brows are drawn up."
REPLY = {"age": TEXT, "expression": TEXT}
GOOD = {key: 8 for key in KEYS} | {"Reason": "It fits."}
ROWS = 10  # of the toys; the seventh cannot be decoded
ASKED = ROWS - 1
ACCOUNT = "openai: m"


def paid(requests, **more):
    """Counts of so many answers at 2 and 10 a million tokens; each is 1000 + 100 of them."""
    tokens = {"prompt_tokens": 1000 * requests, "completion_tokens": 100 * requests}
    cost = round(requests * (1000 * 2 + 100 * 10) / 1e6, 6)
    return {"requests": requests, "retried": 0, **tokens, "cost": cost, **more}


def asking(server, *, prices=True, cache=None, **options):
    """A config of toys whose texts an endpoint writes."""
    if prices:
        options |= {"prompt_price": 2.0, "completion_price": 10.0}
    if cache is not None:
        options["cache"] = str(cache)
    plugin = PluginConfig("openai", {"url": server.url, "model": "m", **options})
    return replace(toy_config(rows=ROWS, shard_rows=4), annotators=(plugin,))


def test_the_counts_say_what_the_answers_cost(tmp_path):
    with serving(REPLY) as server:
        counts = build(asking(server), tmp_path / "out", data=tmp_path)
        assert len(server.requests) == ASKED
    assert counts["endpoints"] == {ACCOUNT: paid(ASKED)}
    assert json.loads((tmp_path / "out/counts.json").read_text()) == counts


def test_without_prices_no_cost_is_made_up(tmp_path):
    with serving(REPLY) as server:
        counts = build(asking(server, prices=False), tmp_path / "out", data=tmp_path)
    assert "cost" not in counts["endpoints"][ACCOUNT]
    assert counts["endpoints"][ACCOUNT]["prompt_tokens"] == 1000 * ASKED


def test_a_corpus_without_an_endpoint_has_no_bill(tmp_path):
    assert "endpoints" not in build(toy_config(), tmp_path / "out", data=tmp_path)
    assert not list(tmp_path.glob("out/counts/spent-*"))


def test_answers_from_the_cache_cost_nothing(tmp_path):
    with serving(REPLY) as server:
        config = asking(server, cache=tmp_path / "c.sqlite")
        build(config, tmp_path / "first", data=tmp_path)
        again = build(config, tmp_path / "second", data=tmp_path)
    assert again["endpoints"] == {ACCOUNT: {"cached": ASKED, "cost": 0.0}}
    (line,) = told(again["endpoints"])
    assert line == (
        f"{ACCOUNT}: 0 requests, {ASKED} answers from the cache, 0 + 0 tokens in and out, "
        "cost 0.0000"
    )


def test_parts_add_up_to_the_whole(tmp_path):
    with serving(REPLY) as server:
        config = asking(server)
        build(config, tmp_path / "whole", data=tmp_path)
        assert build(config, tmp_path / "parts", data=tmp_path, shard=(2, 2)) is None
        build(config, tmp_path / "parts", data=tmp_path, shard=(1, 2))
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")


def test_rater_and_annotator_have_bills_of_their_own(tmp_path):
    def answer(body):
        return GOOD if "You check a training set" in body["messages"][0]["content"] else REPLY

    with serving(answer) as server:
        rating = PluginConfig("rate", {"url": server.url, "model": "judge"})
        config = replace(asking(server), rating=rating)
        counts = build(config, tmp_path / "out", data=tmp_path)
    assert {name: at["requests"] for name, at in counts["endpoints"].items()} == {
        ACCOUNT: ASKED,
        "rate: judge": ASKED,
    }
    assert "cost" not in counts["endpoints"]["rate: judge"]


@pytest.mark.parametrize("cached", [True, False])
def test_what_a_killed_run_has_paid_stays_on_the_bill(tmp_path, cached):
    """The child dies at its sixth answer, inside the second shard; nothing in it can tidy up."""
    with serving(REPLY) as server:
        cache = tmp_path / "c.sqlite" if cached else None
        config, out = asking(server, cache=cache, threads=1), tmp_path / "out"
        child = os.fork()
        if child == 0:
            die_at(config, out, 6)
        os.waitpid(child, 0)
        assert spent(CorpusFolder(out))[ACCOUNT]["requests"] == 6
        counts = build(config, out, data=tmp_path, resume=True)
        asked = len(server.requests)
    bill = counts["endpoints"][ACCOUNT]
    assert bill == paid(asked, **({"cached": bill["cached"]} if cached else {}))
    # Cached: the answer the child died on was noted and not kept, so it is paid for once more.
    assert (asked, bill.get("cached", 0)) == ((ASKED + 1, 1) if cached else (ASKED + 2, 0))
    assert all(len(p.read_text().splitlines()) == 1 for p in out.glob("counts/spent-*"))


def test_a_torn_line_is_left_out_and_a_foreign_file_is_told(tmp_path):
    folder = CorpusFolder(tmp_path)
    folder.rows_file.parent.mkdir()
    whole = json.dumps({ACCOUNT: {"requests": 1}})
    file = ledger_of(folder, 3)
    file.write_text(f"{whole}\n{whole[:9]}")
    with ledger(folder, 3, [Payer()]):
        pass
    assert spent(folder) == {ACCOUNT: {"requests": 1}}
    file.write_text("no ledger\n")
    with pytest.raises(FaceLLMError, match=r"spent-00003.jsonl, line 1: no ledger"):
        spent(folder)


def test_a_run_ends_with_its_bill(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serving(REPLY) as server:
        (tmp_path / "c.yaml").write_text(
            f"sources: [{{reader: 'corpus_toys:read_toys', path: toys, faces: none,"
            f" options: {{rows: {ROWS}}}}}]\n"
            f"annotators: [{{name: openai, options: {{url: '{server.url}', model: m,"
            " prompt_price: 2, completion_price: 10}}]\n"
        )
        assert main(["build", "c.yaml", "-o", "out"]) == 0
    told_lines = capsys.readouterr().err.splitlines()
    assert told_lines[-2] == (
        f"{ACCOUNT}: {ASKED} requests, 0 answers from the cache, "
        f"{1000 * ASKED:,} + {100 * ASKED:,} tokens in and out, cost 0.0270"
    )


class Payer:
    """Somebody who could pay and does not."""

    account = ACCOUNT

    def on_spending(self, note):
        """Nothing is spent."""


def die_at(config, out, number):
    """Build, and be killed when an answer's line is on disk: before the answer is used."""
    from facellm.instruct_data.corpus import spending

    note, seen = spending._note, []

    def note_and_die(*given):
        note(*given)
        seen.append(given)
        if len(seen) == number:
            os._exit(9)

    spending._note = note_and_die
    build(config, out, data=out.parent)
    os._exit(0)
