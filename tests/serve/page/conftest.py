"""One gateway with the shipped model and one browser for all tests of the page."""

import shutil
from types import SimpleNamespace

import pytest
from page_steps import LONGEST_WAIT
from PIL import Image

from facellm.checkpoint import SHIPPED

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# A camera that is none, allowed without a question; the box has no sandbox for root.
SWITCHES = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
VIOLATIONS = (
    "window.violations = [];"
    "document.addEventListener('securitypolicyviolation',"
    " event => violations.push(event.violatedDirective));"
)


@pytest.fixture(scope="session")
def gateway():
    """A running server's ``url`` and ``house``."""
    if not (SHIPPED / "config.json").is_file():
        pytest.skip("optional: the default model is not trained yet")
    for name in ("fastapi", "uvicorn", "limits", "prometheus_client"):
        pytest.importorskip(name, reason=f"optional: {name} is not installed")
    from gateways import new_house, serving_house

    from facellm.serve.doorkeepers import new_guard, new_policy
    from facellm.serve.local_engine import LocalEngine

    house = new_house(
        SHIPPED, LocalEngine(None), new_guard(), new_policy("personal"), deadline=60.0
    )
    with serving_house(house) as url:
        yield SimpleNamespace(url=f"{url}/", house=house)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium.

    Ended with its module: while playwright's synchronous interface is open an event loop runs in
    this thread, and no other test here could run one of its own.
    """
    reason = "optional: playwright is not installed"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    if CHROMIUM is None:
        pytest.skip("optional: no Chromium here")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, gateway):
    """``visit(width=1280, height=860, **options)``: the page, opened; it must end without a fault.

    A page's ``seen.faults`` are errors of its console and scripts; a test that wants some empties
    it. Violations of the policy are never wanted.
    """
    contexts, pages = [], []

    def opened(width=1280, height=860, before=None, **options):
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, **options)
        context.grant_permissions(["clipboard-read", "clipboard-write", "camera"])
        context.add_init_script(VIOLATIONS)
        page = context.new_page()
        page.set_default_timeout(1000 * LONGEST_WAIT)
        page.seen = SimpleNamespace(faults=[], bodies=[])
        page.on("console", lambda m: m.type == "error" and page.seen.faults.append(m.text))
        page.on("pageerror", lambda error: page.seen.faults.append(str(error)))
        page.on(
            "request", lambda r: r.method == "POST" and page.seen.bodies.append(r.post_data_json)
        )
        contexts.append(context)
        pages.append(page)
        if before is not None:
            before(page)
        page.goto(gateway.url)
        return page

    yield opened
    try:
        for page in pages:
            assert page.evaluate("violations") == []
            assert page.seen.faults == []
    finally:
        for context in contexts:
            context.close()


@pytest.fixture(scope="session")
def two_faces(tmp_path_factory):
    """A photograph of two people: the astronaut, and herself in a mirror."""
    from skimage.data import astronaut

    one = Image.fromarray(astronaut()).crop((60, 0, 420, 400))
    both = Image.new("RGB", (720, 400))
    both.paste(one, (0, 0))
    both.paste(one.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (360, 0))
    path = tmp_path_factory.mktemp("two") / "two.jpg"
    both.save(path, quality=92)
    return path
