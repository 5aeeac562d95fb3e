"""Ways in and around: keyboard, phone, camera, paste, drop, keys, colours, strangers' names."""

import base64
import re

from page_steps import ask, open_picture, until
from PIL import Image

from facellm.serve.doorkeepers import new_policy
from facellm.serve.gateway.keys import Keys

TRANSFER = """([kind, data, name]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, {type: 'image/jpeg'}));
  const event = kind === 'paste'
    ? new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true})
    : new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event);
  return event.defaultPrevented;
}"""


def hand_over(page, kind, path):
    data = base64.b64encode(path.read_bytes()).decode()
    return page.evaluate(TRANSFER, [kind, data, path.name])


def focused(page):
    """What has the focus: its id, else its words."""
    return page.evaluate("document.activeElement.id || document.activeElement.textContent")


def tab_to(page, wanted, most=30):
    """Press Tab until something has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted in focused(page):
            return
    raise AssertionError(f"{most} times Tab, never at {wanted!r}")


def test_everything_can_be_done_with_the_keyboard(visit, two_faces):
    choosers = []
    # Listening from the start: a chooser that opens at once would be missed.
    page = visit(before=lambda page: page.on("filechooser", lambda one: choosers.append(one)))
    until(page, "document.querySelector('#model').textContent")
    tab_to(page, "choose")
    page.keyboard.press("Enter")
    for _ in range(100):
        page.wait_for_timeout(100)
        if choosers:
            break
    choosers[0].set_files(str(two_faces))
    page.wait_for_selector("#cards article")
    assert focused(page) == "question"
    page.keyboard.type("How old does this face look?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".mention")
    page.evaluate("document.querySelector('#theme').focus()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.face") == "1"
    assert page.locator("#drawing .seen").count() == 1  # the focus shows the regions
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.inner_text("h3") == "Face 2 shows happiness"
    tab_to(page, "All faces")
    page.keyboard.press("Enter")
    assert focused(page) == "All faces"
    assert page.locator("h3").count() == 2


def test_what_is_written_is_told_to_those_who_listen(visit, photo):
    page = visit()
    open_picture(page, photo)
    assert page.inner_text("#status") == "1 face was found. Face 1 shows happiness."
    log = page.locator("#log")
    assert log.get_attribute("aria-live") == "polite"
    ask(page, "Why?")
    assert log.get_attribute("aria-busy") == "false"
    unnamed = """[...document.querySelectorAll('button, input, textarea, img')].filter(node =>
      !(node.textContent.trim() || node.ariaLabel || node.alt || node.labels?.length))
      .map(node => node.id)"""
    assert page.evaluate(unnamed) == []


def test_a_phone_has_nothing_to_scroll_sideways(visit, two_faces):
    page = visit(width=360, height=740, has_touch=True, is_mobile=True)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 360
    open_picture(page, two_faces)
    ask(page, "Why?")
    assert page.evaluate(wide) == 360
    page.tap(".face-box[data-face='1']")
    assert page.locator("#drawing .seen").count() == 1
    page.tap("summary")
    assert page.evaluate(wide) == 360


def test_question_and_picture_are_in_view_together(visit, photo):
    page = visit()
    open_picture(page, photo)
    for question in ("Why?", "Describe the face.", "Which action units are active?"):
        ask(page, question)
    for name in ("#photo", "#question", "#ask"):
        box = page.locator(name).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 860


def test_a_picture_can_be_pasted_or_dropped(visit, photo):
    for kind in ("paste", "drop"):
        page = visit()
        assert hand_over(page, kind, photo)
        page.wait_for_selector("#cards article")


def test_the_camera_takes_one_picture_and_is_switched_off(visit):
    page = visit()
    page.click("#camera-open")
    until(page, "document.querySelector('#camera-view').videoWidth > 0")
    assert "stays in this browser" in page.inner_text("#camera")
    page.evaluate("window.track = document.querySelector('#camera-view').srcObject.getTracks()[0]")
    assert page.seen.bodies == []
    page.click("#camera-take")
    page.wait_for_selector("#cards > *")
    assert len(page.seen.bodies) == 1
    assert page.evaluate("track.readyState") == "ended"
    page.click("#new-picture")
    page.click("#camera-open")
    until(page, "document.querySelector('#camera-view').srcObject !== null")
    page.evaluate("window.track = document.querySelector('#camera-view').srcObject.getTracks()[0]")
    page.keyboard.press("Escape")
    until(page, "track.readyState === 'ended'")


def test_a_picture_over_the_bound_is_made_smaller_and_says_so(visit, photo):
    def bounded(page):
        def route(route):
            response = route.fetch()
            models = response.json()
            models["data"][0]["limits"]["image_bytes"] = 20_000
            route.fulfill(response=response, json=models)

        page.route("**/v1/models", route)

    page = visit(before=bounded)
    until(page, "document.querySelector('#model').textContent")
    open_picture(page, photo)
    note = page.inner_text("#picture-note")
    assert re.match(r"Made smaller in your browser, from 512 \S 512 to \d+ ", note)
    (sent,) = page.seen.bodies[-1]["images"]
    assert len(base64.b64decode(sent.partition(",")[2])) <= 20_000


def test_another_kind_of_picture_is_converted_and_says_so(visit, photo, tmp_path):
    path = tmp_path / "picture.gif"
    with Image.open(photo) as picture:
        picture.save(path)
    page = visit()
    open_picture(page, path)
    assert page.inner_text("#picture-note").startswith("Converted to JPEG")
    assert page.seen.bodies[-1]["images"][0].startswith("data:image/jpeg")


def test_a_key_is_asked_for_and_kept_in_memory_only(visit, gateway, photo):
    usual, gateway.house.keys = gateway.house.keys, Keys(("open-sesame",))
    try:
        page = visit()
        page.wait_for_selector("#key-dialog[open]")
        page.fill("#key", "wrong-key")
        page.keyboard.press("Enter")
        page.wait_for_selector("#key-words:has-text('does not take that key')")
        page.fill("#key", "open-sesame")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#model').textContent")
        open_picture(page, photo)
        assert "Happiness" in ask(page, "Why?")
        stored = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        assert page.evaluate(stored) == '[{},{},""]'
        assert page.input_value("#key") == ""
        page.seen.faults.clear()  # 401, twice
    finally:
        gateway.house.keys = usual


def test_expressions_that_may_not_be_told_are_left_out(visit, gateway, photo):
    usual, gateway.house.policy = gateway.house.policy, new_policy("workplace")
    try:
        page = visit()
        open_picture(page, photo)
        assert page.inner_text("h3") == "Face 1"
        assert "not told" in page.inner_text(".sure")
        assert page.locator("h4").all_inner_texts()[0].startswith("Looks")
        assert "years old" in ask(page, "How old does she look?")
        assert "The server declined this" in ask(page, "What expression is shown?")
        page.click("#copy-csv")
        page.wait_for_selector("#copy-csv:has-text('Copied')")
        page.seen.faults.clear()  # 403
    finally:
        gateway.house.policy = usual


def test_colours_follow_the_system_or_a_choice_that_is_remembered(visit):
    page = visit(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("#theme")
    assert page.evaluate(ground) == dark  # dark by choice
    page.click("#theme")
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == light
    assert page.evaluate("JSON.stringify(localStorage)") == '{"facellm-theme":"light"}'


def test_nothing_moves_for_those_who_asked_for_calm(visit):
    page = visit(reduced_motion="reduce")
    moving = "getComputedStyle(document.querySelector('#busy')).animationName"
    assert page.evaluate(moving) == "none"


def test_markup_of_strangers_is_shown_as_text(visit, photo, tmp_path):
    name = "<img src=x onerror=alert(1)>.jpg"
    path = tmp_path / name
    path.write_bytes(photo.read_bytes())
    page = visit()
    open_picture(page, path)
    assert name in page.get_attribute("#photo", "alt")
    event = '{"choices": [{"delta": {"content": "<b>AU12</b> <script>"}, "finish_reason": "stop"}]}'
    page.route(
        "**/v1/chat/completions",
        lambda route: route.fulfill(body=f"data: {event}\n\ndata: [DONE]\n\n"),
    )
    question = "<svg onload=alert(2)>"
    assert ask(page, question) == "<b>AU12</b> <script>"
    assert page.inner_text(".question") == question
    assert page.locator("#log b, #log svg, #log script, img[src=x]").count() == 0
