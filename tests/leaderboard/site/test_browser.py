"""The pages in a real browser without network: Chromium and its driver from the distribution's packages."""

import base64
import io
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from alphabench.leaderboard.gate import shipped_gate
from alphabench.leaderboard.report import report_bytes
from alphabench.leaderboard.site import build_site
from alphabench.results.compare import compare

pytestmark = pytest.mark.browser
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
PATIENCE = 60.0


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no Chromium with chromedriver: install the packages chromium and chromium-driver")
    selenium = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(flag)
    options.add_argument("--force-color-profile=srgb")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(DRIVER))
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield driver
    driver.quit()


class Pages:
    """Opens pages and looks at them."""

    def __init__(self, driver, site):
        self.driver, self.site = driver, site

    def open(self, name, width=1280, height=1000):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(f"file://{self.site / name}")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, script, *arguments):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := self.run(f"return {script}", *arguments):
                return found
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}")

    def press(self, element, key):
        self.run("arguments[0].focus()", element)
        element.send_keys(key)

    def pixels(self, selector):
        """Return the pixels of an element as it is drawn."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        self.run("document.activeElement.blur()")
        time.sleep(0.2)
        script = "const r = document.querySelector(arguments[0]).getBoundingClientRect(); "
        x, y, width, height = self.run(f"{script}return [r.x, r.y, r.width, r.height]", selector)
        picture = pytest.importorskip("PIL.Image").open(
            io.BytesIO(base64.b64decode(self.driver.get_screenshot_as_base64()))
        )
        box = round(x), round(y), round(x + width), round(y + height)
        return np.asarray(picture.convert("RGB").crop(box)).astype(int)

    def table(self):
        return self.until("document.querySelector('[data-ready=yes]')")

    def models(self):
        return self.run(
            "return [...document.querySelectorAll('.tabulator-row .tabulator-frozen')].map(e => e.innerText)"
        )

    def requests(self):
        import json

        logs = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [entry["params"]["request"]["url"] for entry in logs if entry["method"] == "Network.requestWillBeSent"]
        return [address for address in sent if not address.startswith(("file:", "data:", "blob:"))]


@pytest.fixture
def browser(chromium, site):
    pages = Pages(chromium, site)
    pages.requests()
    chromium.get_log("browser")
    yield pages
    assert pages.requests() == []
    assert [entry for entry in chromium.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}] == []


def look(browser, store, choice):
    browser.run("document.querySelector(`input[value='${arguments[0]}']`).click()", choice)


def show(browser, index):
    browser.run(
        "[...document.querySelectorAll('[data-sample]')].find(b => b.textContent.includes(arguments[0])).click()",
        f"img/{index:04d}",
    )


def test_the_table_sorts_filters_and_hides_by_keyboard(browser):
    from selenium.webdriver.common.keys import Keys

    browser.open("index.html")
    browser.table()
    assert browser.models() == ["tests/first", "tests/second"]
    head = browser.until("[...document.querySelectorAll('.tabulator-col')].find(e => e.ariaLabel === 'psnr')")
    browser.press(head, Keys.ENTER)
    browser.until("document.querySelector('.tabulator-col[aria-label=psnr]').ariaSort === 'descending'")
    browser.press(head, Keys.SPACE)
    browser.until("document.querySelector('.tabulator-col[aria-label=psnr]').ariaSort === 'ascending'")
    assert browser.models() == ["tests/second", "tests/first"]
    assert "ascending" in browser.run("return document.querySelector('[role=status]').textContent")
    field = browser.until("document.querySelector('[data-find]')")
    browser.press(field, "second")
    browser.until("document.querySelectorAll('.tabulator-row').length === 1")
    assert browser.models() == ["tests/second"]


def test_a_category_shows_its_own_means(browser, store):
    browser.open("index.html")
    browser.table()
    browser.run(
        "const s = document.querySelector('[data-category]'); s.value = 'hair'; s.dispatchEvent(new Event('change'))"
    )
    stated = next(
        entry["value"]
        for entry in next(m for m in store.first.document["metrics"] if m["name"] == "psnr")["aggregates"]
        if entry.get("category") == "hair" and entry["view"] == "composite/mean9"
    )
    browser.until("document.querySelector('.tabulator-row').innerText.includes(arguments[0])", f"{stated:.3f}")


def test_the_slider_moves_by_arrow_keys_and_hides_the_other_side(browser, store):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.open(f"r/{store.first.id}.html")
    slider = browser.until("document.querySelector('img-comparison-slider.rendered')")
    show(browser, 0)  # a transparent reference, an opaque red prediction
    slider = browser.until("document.querySelector('img-comparison-slider.rendered')")
    browser.run("document.querySelector('[data-background=\"rgb(255,255,255)\"]').click()")
    drawn = browser.pixels(".stage")
    middle = drawn.shape[1] // 2
    assert (drawn[10:-60, 10 : middle - 40] == 255).all()  # white paper, no red behind the divider
    assert (drawn[10:-60, middle + 40 : -10] == [255, 0, 0]).all()
    before = float(slider.get_attribute("aria-valuenow"))
    browser.press(slider, Keys.ARROW_RIGHT)
    keys = ActionChains(browser.driver).key_down(Keys.ARROW_RIGHT).pause(0.5).key_up(Keys.ARROW_RIGHT)
    keys.perform()
    browser.until("Number(document.querySelector('img-comparison-slider').ariaValueNow) > arguments[0]", before)


def test_alpha_alone_is_grey_and_differences_are_theirs(browser, store):
    browser.open(f"r/{store.first.id}.html")
    browser.until("document.querySelector('img-comparison-slider.rendered')")
    show(browser, 1)  # alpha 128 everywhere
    look(browser, store, "alpha")
    browser.until("document.querySelector('img-comparison-slider.rendered')")
    drawn = browser.pixels(".stage")
    assert np.abs(drawn[10:40, 10:100] - 128).max() <= 1
    show(browser, 2)  # colours differ by 2 under alpha 40 and 128
    look(browser, store, "difference")
    browser.run(
        "const s = document.querySelector('[data-gain-choice]'); s.value = '16'; s.dispatchEvent(new Event('change'))"
    )
    drawn = browser.pixels(".stage")
    assert np.abs(drawn[10:-10, -100:-10] - 16 * 2 * 128 / 255).max() <= 16
    look(browser, store, "alpha-difference")
    assert browser.pixels(".stage")[10:-10, 10:-10].max() == 0


def test_a_photo_and_a_colour_lie_under_both_sides(browser, store):
    browser.open(f"r/{store.first.id}.html")
    browser.until("document.querySelector('img-comparison-slider.rendered')")
    show(browser, 1)
    browser.run(
        "const c = document.querySelector('[data-colour]'); c.value = '#ff0000'; c.dispatchEvent(new Event('input'))"
    )
    drawn = browser.pixels(".stage")
    for column in (drawn[5, 5], drawn[5, -5]):  # the colour at the edge over red, alpha 128: 0 or 235 of each channel
        assert column[0] >= 126
        assert abs(column[1] - column[2]) <= 1
    browser.run("document.querySelector('[data-background=photo]').click()")
    assert browser.pixels(".stage").std() > 5


def test_two_models_are_compared_as_by_the_command(browser, store):
    browser.open(f"compare.html#a={store.first.id}&b={store.second.id}")
    browser.until("document.querySelector('#results:not([hidden]) #compare-rows tr')")
    plot = browser.until("document.querySelector('#forest-plot svg')")
    assert browser.run("return arguments[0].getBoundingClientRect().width", plot) > 400
    script = "return [...document.querySelectorAll('#compare-rows tr')].map(r => [...r.cells].map(c => c.textContent))"
    rows = {row[0].split()[0]: row for row in browser.run(script)}
    rules = shipped_gate().rules()
    for item in compare(store.first, store.second, rules).metrics:
        if item.metric != "psnr":
            continue
        shown = [float(cell.replace("−", "-")) for cell in [rows["psnr"][4], *rows["psnr"][5].split(" to ")]]
        assert shown[0] == pytest.approx(item.difference, abs=6e-4)
        assert shown[1:] == pytest.approx([item.low, item.high], abs=0.15 * item.standard_error + 1e-3)
        assert rows["psnr"][8] == item.verdict
    browser.run("document.getElementById('swap').click()")
    browser.until("document.querySelector('#compare-rows tr td.gain')")
    browser.until("document.querySelector('#forest-plot svg')")


@pytest.mark.parametrize("page", ["index.html", "compare.html", "published.html", "record"])
def test_no_page_scrolls_sideways_on_a_phone(browser, store, page):
    browser.open(f"r/{store.first.id}.html" if page == "record" else page, width=320, height=800)
    time.sleep(1)
    assert browser.run("return document.documentElement.scrollWidth") <= 320


def test_charts_are_drawn_with_words_beside_them(browser, store):
    browser.open(f"r/{store.first.id}.html", height=6000)
    browser.until("document.querySelectorAll('[data-chart] svg').length === 5")
    assert browser.run("return [...document.querySelectorAll('[data-chart]')].every(e => e.ariaLabel.length > 40)")


def test_hostile_words_make_no_element(browser, store):
    browser.open(f"r/{store.first.id}.html")
    assert browser.run("return document.querySelectorAll('img[src=x], [onerror]').length") == 0
    assert "onerror=alert(1)" in browser.run("return document.querySelector('main').innerText")


def test_a_report_works_alone(chromium, store, tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(report_bytes(store.first, roots=(store.root,), data=(str(store.references),)))
    pages = Pages(chromium, tmp_path)
    chromium.get_log("browser")
    pages.requests()
    pages.open("report.html")
    pages.until("document.querySelector('img-comparison-slider.rendered')")
    pages.until("document.querySelector('[data-chart] svg')")
    assert pages.requests() == []
    assert [entry for entry in chromium.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}] == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", ["index.html", "compare.html", "published.html", "record"])
def test_axe_finds_nothing_serious(browser, store, page, dark):
    source = os.environ.get("ALPHABENCH_AXE")
    if not source:
        pytest.skip("ALPHABENCH_AXE does not name an axe.min.js")
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.open(f"r/{store.first.id}.html" if page == "record" else page)
    time.sleep(2)
    browser.run(Path(source).read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    script = "const done = arguments[1]; axe.run({runOnly: arguments[0]}).then(r => done(r.violations))"
    violations = browser.driver.execute_async_script(script, tags)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.driver.get_log("browser")  # of axe, not of the page
    browser.requests()
    assert [(item["id"], item["impact"], item["nodes"][0]["html"]) for item in violations] == []


def test_the_table_of_a_thousand_records_does_not_hold_up_the_page(chromium, store, tmp_path):
    site = tmp_path / "pages"
    build_site(store.settings(images=0), site)
    page = (site / "index.html").read_text(encoding="utf-8")
    start, end = page.index("<tr data-key"), page.index("</tbody>")
    row = page[start : page.index("</tr>", start) + 5]
    key = store.first.id
    rows = "\n".join(row.replace(key, f"{number:032x}") for number in range(1000))
    (site / "index.html").write_text(page[:start] + rows + page[end:], encoding="utf-8")
    pages = Pages(chromium, site)
    pages.open("index.html")
    pages.table()
    assert pages.run("return document.querySelectorAll('.tabulator-row').length") == 1000
    paint = pages.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    upgraded = pages.run("return performance.getEntriesByName('table-upgrade')[0].startTime")
    assert paint < upgraded
