"""Chat: history is kept, faces chosen, what does not fit forgotten; being stopped is safe."""

import json

import pytest
from cli_runs import start

from facellm import chat as chat_module
from facellm.assistant import FaceAssistant
from facellm.chat import Chat
from facellm.conversation import Conversation
from facellm.errors import FaceLLMError


@pytest.fixture(scope="module")
def assistant(tiny_checkpoint):
    return FaceAssistant.load(tiny_checkpoint)


@pytest.fixture
def chat(assistant, crop_picture):
    chat = Chat(assistant)
    chat.open(crop_picture, crops=True)
    return chat


@pytest.fixture
def crop_picture(make_face):
    return make_face(1).crop


def said(chat, question):
    return "".join(chat.ask(question)).strip()


def prompt_of(chat, question):
    processor = chat.assistant.checkpoint.processor
    return processor.answer_prompt(Conversation(chat._turns(question)))


def test_the_first_answer_is_that_of_ask(assistant, chat, crop_picture):
    question = "How old does she look?"
    assert said(chat, question) == assistant.ask(crop_picture, question, crops=True).text


def test_earlier_exchanges_stand_in_the_prompt(chat):
    tokenizer = chat.assistant.checkpoint.processor.tokenizer
    said(chat, "How old does she look?")
    ids = prompt_of(chat, "And the gender?")["input_ids"][0]
    text = tokenizer.decode(ids)
    assert "How old does she look?" in text
    assert chat.exchanges[0].tokens in text
    assert text.index("How old") < text.index("And the gender?")
    assert text.count("<reading>") == 1  # the face stands in front of the first question only


def test_a_long_conversation_forgets_its_oldest_exchange(chat, monkeypatch):
    limit = prompt_of(chat, "first question")["input_ids"].shape[1] + 30
    whole = chat.assistant.checkpoint.model.config.text_config.max_position_embeddings
    monkeypatch.setattr(chat_module, "LONGEST_ANSWER", whole - limit)
    for number in range(6):
        said(chat, f"question number {number}")
    prompt = prompt_of(chat, "the last question")
    assert prompt["input_ids"].shape[1] <= limit
    assert len(chat.exchanges) < 6
    assert "pixel_values" in prompt  # the face is never forgotten


def test_choosing_a_face_starts_anew_and_is_checked(chat):
    said(chat, "How old?")
    chat.choose(1)
    assert chat.exchanges == []
    with pytest.raises(FaceLLMError, match="faces 1 to 1"):
        chat.choose(2)
    assert chat.chosen == 1


def test_an_answer_stopped_half_way_is_kept_as_such(chat, monkeypatch):
    def reply(prompt, written, intent):
        for index, piece in enumerate(("one ", "two ", "three")):
            written.append(chat.assistant.checkpoint.processor.intent_ids[index].item())
            yield piece

    monkeypatch.setattr(chat.assistant, "reply", reply)
    answer = chat.ask("why?")
    next(answer)
    answer.close()
    assert [exchange.whole for exchange in chat.exchanges] == [False]
    monkeypatch.undo()
    said(chat, "go on")
    assert [exchange.whole for exchange in chat.exchanges] == [False, True]


def test_a_bad_picture_leaves_the_open_one(chat, tmp_path):
    said(chat, "How old?")
    with pytest.raises(FaceLLMError, match="no such file"):
        chat.open(tmp_path / "missing.jpg")
    assert len(chat.exchanges) == 1
    assert len(chat.faces) == 1


# --- the command ----------------------------------------------------------------------------------


def talk(tiny_checkpoint, picture, *typed):
    process = start("chat", picture, "--crops", "--model", tiny_checkpoint, stdin=-1)
    out, err = process.communicate("\n".join(typed).encode(), timeout=180)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def picture(tmp_path, crop_picture):
    from PIL import Image

    Image.fromarray(crop_picture).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def test_a_piped_conversation(tiny_checkpoint, picture, tmp_path):
    saved = tmp_path / "talk.json"
    code, out, err = talk(
        tiny_checkpoint,
        picture,
        "How old?",
        "",
        "/read",
        "/why",
        f"/save {saved}",
        "/quit",
        "never",
    )
    assert code == 0, err
    record = json.loads(saved.read_text())
    assert [e["question"] for e in record["exchanges"]] == ["How old?", "Why do you think so?"]
    for exchange in record["exchanges"]:
        assert exchange["answer"] in out
    assert "apparent age" in out
    assert "never" not in out
    assert "1 face." in err


def test_what_is_wrong_is_told_and_the_rest_goes_on(tiny_checkpoint, picture):
    code, out, err = talk(
        tiny_checkpoint, picture, "/dance", "/face 7", "/face x", "/photo", "/read"
    )
    assert code == 2
    assert "/dance" in err
    assert "faces 1 to 1" in err
    assert "say a number or all" in err
    assert "apparent age" in out
    assert "Traceback" not in err


def test_no_picture_is_no_conversation(tiny_checkpoint, tmp_path):
    code, out, err = talk(tiny_checkpoint, tmp_path / "missing.png", "How old?")
    assert code == 2
    assert err.startswith("facellm: error: ")
    assert out == ""
