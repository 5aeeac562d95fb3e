"""What a person does on the page, as a test does it."""

import time

LONGEST_WAIT = 60  # seconds; this machine may be busy


def open_picture(page, path):
    """Choose a file and wait until its faces are read."""
    page.set_input_files("#file", str(path))
    page.wait_for_selector("#cards > *")


def ask(page, question):
    """Ask, wait for the whole answer, give it back."""
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.wait_for_selector("#ask:visible")
    return page.locator(".answer").last.inner_text()


def until(page, expression):
    """Wait until an expression holds; the driver's own way to wait breaks the page's policy."""
    end = time.monotonic() + LONGEST_WAIT
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never came true: {expression}"
        page.wait_for_timeout(30)


def lit(page):
    """Regions that are strongly drawn over the picture, and whose face it is."""
    groups = page.locator("#drawing .regions.seen")
    assert groups.count() <= 1
    names = "nodes => nodes.map(node => node.dataset.region)"
    return set(page.locator("#drawing .seen.pointing .strong").evaluate_all(names))


def answer_with(page, address, status, headers=None, **error):
    """From now on let the server answer an address with an error; OpenAI's body around it."""
    body = {"error": {"message": "", "type": "", "param": None, "code": None, **error}}
    page.route(
        f"**/{address}",
        lambda route: route.fulfill(status=status, json=body, headers=headers or {}),
    )
