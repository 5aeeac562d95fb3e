"""The page in a headless browser, on the real server, with a real photograph.

Every page must end without an error on its console and without a violation of its policy
(``conftest.visit``).
"""

import asyncio
from contextlib import contextmanager

import pytest
from page_steps import answer_with, ask, lit, open_picture, until

GROWTH = """
window.lengths = [];
new MutationObserver(() => {
  const answers = document.querySelectorAll('.answer');
  if (answers.length) lengths.push(answers[answers.length - 1].textContent.length);
}).observe(document.querySelector('#log'), {childList: true, subtree: true, characterData: true});
"""


@contextmanager
def slow_words(gateway):
    """Answers come a piece in 150 ms."""
    engine = gateway.house.engine
    usual = engine.reply

    async def slow(turns, bounds):
        async for piece in usual(turns, bounds):
            await asyncio.sleep(0.15)
            yield piece

    engine.reply = slow
    try:
        yield
    finally:
        del engine.reply


def test_a_picture_is_read_and_questions_are_answered_as_they_are_written(visit, photo):
    page = visit()
    open_picture(page, photo)
    assert page.locator("h3").inner_text() == "Face 1 shows happiness"
    page.evaluate(GROWTH)
    first = ask(page, "Why?")
    assert "lip corners" in first
    assert len(set(page.evaluate("lengths"))) > 5  # it grew piece by piece
    second = ask(page, "How old does she look?")
    assert "years old" in second
    messages = page.seen.bodies[-1]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"][0]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert messages[1]["content"] == first
    assert page.locator(".question").all_inner_texts() == ["Why?", "How old does she look?"]


def test_boxes_lie_on_the_faces_at_every_width(visit, photo, gateway):
    page = visit()
    with page.expect_response("**/v1/readings") as response:
        open_picture(page, photo)
    left, top, right, bottom = response.value.json()["data"][0]["faces"][0]["box_xyxy"]
    for width in (1280, 700):
        page.set_viewport_size({"width": width, "height": 860})
        picture, box = (
            page.locator("#photo").bounding_box(),
            page.locator(".face-box").bounding_box(),
        )
        scale = picture["width"] / 512
        assert box["x"] - picture["x"] == pytest.approx(left * scale, abs=1)
        assert box["y"] - picture["y"] == pytest.approx(top * scale, abs=1)
        assert box["width"] == pytest.approx((right - left) * scale, abs=1)
        assert box["height"] == pytest.approx((bottom - top) * scale, abs=1)


def test_regions_are_shown_where_something_points_at_them(visit, photo):
    page = visit()
    open_picture(page, photo)
    assert page.locator("#drawing .seen").count() == 0
    page.hover(".face-box")
    assert page.locator("#drawing .seen .region:not(.extra)").count() == 9
    assert lit(page) == set()
    page.hover(".fact:has-text('lip corners')")
    assert lit(page) == {"lips"}
    page.hover(".unit:has-text('AU6')")
    assert lit(page) == {"cheek_left", "cheek_right"}
    ask(page, "Why?")
    page.focus(".mention:has-text('AU12')")
    assert lit(page) == {"lips", "inner_mouth"}
    page.keyboard.press("Escape")
    assert page.locator("#drawing .seen").count() == 0


def test_two_faces_are_asked_about_together_or_one_alone(visit, two_faces):
    page = visit()
    open_picture(page, two_faces)
    assert page.locator("#cards article").count() == page.locator(".face-box").count() == 2
    both = ask(page, "How old does this face look?")
    assert "Face 1" in both
    assert "face" not in page.seen.bodies[-1]
    page.click(".face-box[data-face='2']")
    assert page.locator(".question").count() == 0  # a conversation of its own
    assert page.locator("h3").all_inner_texts() == ["Face 2 shows happiness"]
    assert "Face 1" not in ask(page, "How old does this face look?")
    assert page.seen.bodies[-1]["face"] == 2
    page.click("#scope button:has-text('All faces')")
    assert page.locator(".answer").all_inner_texts() == [both]


def test_a_question_out_of_bounds_is_declined_and_so_marked(visit, photo):
    page = visit()
    open_picture(page, photo)
    assert "I do not read race" in ask(page, "What is her ethnicity?")
    assert "does not answer this kind of question" in page.inner_text(".end")
    assert page.locator(".failed").count() == 0
    assert "years old" in ask(page, "How old does she look?")


def test_a_refusal_of_the_server_is_told_in_words(visit, photo):
    page = visit()
    open_picture(page, photo)
    message = "not told in this context of use"
    answer_with(page, "v1/chat/completions", 403, code="use_context_prohibited", message=message)
    assert ask(page, "Is she happy?") == f"The server declined this. The server says: {message}"
    assert page.input_value("#question") == ""  # asking again would not help
    page.seen.faults.clear()


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0 no picture", b"#!/bin/sh\n"])
def test_a_broken_picture_is_told_in_words(visit, photo, tmp_path, data):
    page = visit()
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(data)
    page.set_input_files("#file", str(broken))
    page.wait_for_selector("#alert:visible")
    assert "“broken.jpg” cannot be read as a picture" in page.inner_text("#alert")
    assert page.seen.bodies == []  # nothing was sent
    open_picture(page, photo)
    assert page.locator("#alert").is_hidden()


def test_a_picture_without_a_face_says_so(visit, plain_wall):
    page = visit()
    open_picture(page, plain_wall)
    assert page.inner_text("#cards") == "No face was found in this picture."


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (429, {"Retry-After": "7"}, "The server is busy. Try again in 7 seconds."),
        (413, {}, "This is too large for the server."),
        (415, {}, "The server takes JPEG, PNG or WebP pictures only."),
        (503, {"Retry-After": "1"}, "The server is not ready. Try again in 1 second."),
        (504, {}, "The server took too long and gave up. Try again."),
        (500, {}, "The server failed. Try again."),
    ],
)
def test_a_server_that_cannot_is_told_in_words(visit, photo, status, headers, words):
    page = visit(before=lambda page: answer_with(page, "v1/readings", status, headers))
    page.set_input_files("#file", str(photo))
    page.wait_for_selector("#alert:visible")
    assert page.inner_text("#alert") == words
    assert page.locator("#busy").is_hidden()
    page.seen.faults.clear()


def test_a_server_that_is_gone_gives_the_question_back(visit, photo):
    page = visit()
    open_picture(page, photo)
    page.route("**/v1/chat/completions", lambda route: route.abort())
    assert "cannot be reached" in ask(page, "Why?")
    assert page.input_value("#question") == "Why?"
    page.unroute("**/v1/chat/completions")
    assert "Happiness" in ask(page, "Why?")
    assert len(page.seen.bodies[-1]["messages"]) == 1  # what failed is no part of what was said
    page.seen.faults.clear()


def test_an_answer_that_breaks_off_is_no_answer(visit, photo):
    page = visit()
    open_picture(page, photo)
    event = 'data: {"choices": [{"delta": {"content": "Half of"}, "finish_reason": null}]}\n\n'
    page.route("**/v1/chat/completions", lambda route: route.fulfill(body=event))
    assert "connection broke" in ask(page, "Why?")


def test_an_error_inside_a_stream_is_told(visit, photo):
    page = visit()
    open_picture(page, photo)
    event = 'data: {"error": {"message": "the engine is not there", "code": "engine_down"}}\n\n'
    body = f"{event}data: [DONE]\n\n"
    page.route("**/v1/chat/completions", lambda route: route.fulfill(body=body))
    assert "The server is not ready" in ask(page, "Why?")


def test_stop_keeps_what_was_written(visit, photo, gateway):
    page = visit()
    open_picture(page, photo)
    with slow_words(gateway):
        page.fill("#question", "Describe the face.")
        page.press("#question", "Enter")
        until(page, "document.querySelector('.answer')?.textContent.length > 10")
        page.click("#stop")
        page.wait_for_selector(".end")
    assert page.inner_text(".end") == "Stopped."
    assert 10 < len(page.inner_text(".answer")) < 120
    assert "years old" in ask(page, "How old does she look?")
