"""Looks at the pages of a running daemon as a reader does: opens, zooms, switches language, follows a span to its
evidence, with mouse, with keyboard and without scripts. Called by tests/page.rs.

    browser.py URL FOLDER_FOR_PICTURES FOLDER_OF_THE_BROWSER BRIEFING
"""
import base64
import os
import sys
import time
from urllib.parse import parse_qs, urlparse

from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

base, pictures, profile, briefing = sys.argv[1:5]
os.makedirs(pictures, exist_ok=True)


def start(width, height, *, scripts=True, dark=False, language="en"):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-extensions",
                 "disable-background-networking", "disable-component-update", "disable-sync", "hide-scrollbars",
                 f"window-size={width},{height}", f"user-data-dir={profile}-{width}-{scripts}-{dark}-{language}",
                 "proxy-server=direct://", "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"):
        options.add_argument(f"--{flag}")
    options.add_experimental_option("prefs", {
        "intl.accept_languages": language,
        "profile.managed_default_content_settings.javascript": 1 if scripts else 2,
    })
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
    driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Almaty"})
    if dark:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                               {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    return driver


def wait(driver, what, condition):
    # What is looked at may just be replaced.
    WebDriverWait(driver, 20, ignored_exceptions=[StaleElementReferenceException]).until(condition, what)


def picture(driver, name):
    """The whole page, not only what fits the window."""
    height = driver.execute_script("return document.documentElement.scrollHeight")
    width = driver.execute_script("return innerWidth")
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": min(height, 4000), "deviceScaleFactor": 1, "mobile": width < 600})
    driver.save_screenshot(os.path.join(pictures, f"{name}.png"))


def sound(driver, where):
    """No script of others ran, nothing was refused by the policy, nothing is wrong for who cannot see or point."""
    assert driver.title != "broken", where
    complaints = [entry["message"] for entry in driver.get_log("browser") if "favicon" not in entry["message"]]
    assert not complaints, f"{where}: {complaints}"
    wide = driver.execute_script("return document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{where}: {wide} pixels wider than the window"
    found = Axe().run(driver, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    told = [(one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found["violations"]]
    assert not told, f"{where}: {told}"


def window(driver):
    line = driver.find_element(By.CSS_SELECTOR, ".timeline")
    return int(line.get_attribute("data-from")), int(line.get_attribute("data-to"))


def width(driver):
    first, last = window(driver)
    return last - first


def changes(driver, what, act):
    """Does something and waits until the time line shows another stretch."""
    before = window(driver)
    act()
    wait(driver, what, lambda driver: window(driver) != before)


def reader(dark):
    driver = start(1200, 900, dark=dark)
    shade = "dark" if dark else "light"
    driver.get(base + "/")
    sound(driver, f"overview, {shade}")
    picture(driver, f"overview-{shade}")
    assert "News <script>" in driver.find_element(By.CSS_SELECTOR, ".name").text, "hostile titles stay text"

    driver.find_element(By.CSS_SELECTOR, "a.name").click()
    wait(driver, "the site's page", lambda d: d.find_elements(By.CSS_SELECTOR, ".timeline"))
    sound(driver, f"site, {shade}")
    driver.find_element(By.LINK_TEXT, "hour").click()
    wait(driver, "an hour", lambda d: width(d) == 3_600_000)
    sound(driver, f"site, an hour, {shade}")
    picture(driver, f"site-{shade}")

    # From an hour to a decade and back, by links, keys and mouse.
    changes(driver, "a decade", lambda: driver.find_element(By.LINK_TEXT, "decade").click())
    assert width(driver) == 3653 * 86_400_000
    assert driver.find_elements(By.CSS_SELECTOR, "svg.axis text"), "the axis has labels"
    assert "from=" in driver.current_url, "the stretch is in the address"
    line = driver.find_element(By.CSS_SELECTOR, ".timeline")
    wide = width(driver)
    changes(driver, "closer by key", lambda: line.send_keys("+"))
    assert abs(width(driver) - wide / 2) < 5, width(driver)
    first = window(driver)[0]
    changes(driver, "earlier by key",
            lambda: driver.find_element(By.CSS_SELECTOR, ".timeline").send_keys(Keys.ARROW_LEFT))
    assert window(driver)[0] < first
    axis, before = driver.find_element(By.CSS_SELECTOR, "svg.axis"), window(driver)
    half = axis.size["width"] / 2
    changes(driver, "a stretch by mouse",
            lambda: ActionChains(driver).move_to_element_with_offset(axis, 0, 0).click_and_hold()
            .move_by_offset(int(half / 4), 0).move_by_offset(int(half / 4), 0).release().perform())
    first, last = window(driver)
    middle = (before[0] + before[1]) / 2
    assert abs(first - middle) < width(driver) / 10 and last < before[1], (before, first, last)

    # What it says to who points at a span, or comes to it with the keyboard.
    driver.get(f"{base}/sites/news")
    changes(driver, "an hour", lambda: driver.find_element(By.LINK_TEXT, "hour").click())
    span = driver.find_elements(By.CSS_SELECTOR, "a.span.blocked")[-1]
    driver.execute_script("arguments[0].focus()", span)
    tip = driver.find_element(By.ID, "tip")
    wait(driver, "the tip", lambda d: tip.is_displayed())
    for words in ("tls.timeout", "UTC", "local time (Asia/Almaty)", "%"):
        assert words in tip.text, f"{words}: {tip.text}"
    ActionChains(driver).send_keys(Keys.ESCAPE).perform()
    wait(driver, "no tip", lambda d: not tip.is_displayed())

    # To its evidence, and on to one measurement.
    span.send_keys(Keys.ENTER)
    wait(driver, "the span's page", lambda d: "/spans/" in d.current_url)
    text = driver.find_element(By.TAG_NAME, "main").text
    for words in ("Around the beginning", "decided it", "TLS: does the site prove itself?", "What the controls saw",
                  "gets the page: 200", "silence: nothing answers the ClientHello"):
        assert words in text, f"{words}: {text}"
    sound(driver, f"span, {shade}")
    picture(driver, f"span-{shade}")
    good = driver.find_element(By.XPATH, "//summary[contains(., 'accessible')]") if "accessible" in text else None
    if good:
        good.click()
    driver.find_element(By.CSS_SELECTOR, "details[open].measurement a[href^='/measurements/']").click()
    wait(driver, "the measurement's page", lambda d: "/measurements/" in d.current_url)
    sound(driver, f"measurement, {shade}")

    driver.get(base + "/vantages")
    sound(driver, f"vantages, {shade}")
    picture(driver, f"vantages-{shade}")
    driver.quit()


def languages():
    driver = start(1200, 900, language="kk")
    driver.get(base + "/sites/blog")
    assert driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "kk", "what the browser prefers"
    sound(driver, "site in Kazakh")
    picture(driver, "site-kk")
    driver.find_element(By.LINK_TEXT, "Русский").click()
    wait(driver, "Russian", lambda d: d.find_element(By.TAG_NAME, "html").get_attribute("lang") == "ru")
    assert "Шкала времени" in driver.page_source
    driver.find_element(By.LINK_TEXT, "Обзор").click()
    wait(driver, "the overview", lambda d: d.find_elements(By.CSS_SELECTOR, ".matrix"))
    assert parse_qs(urlparse(driver.current_url).query) == {"lang": ["ru"]}, "the choice goes along"
    assert "заблокирован" in driver.page_source
    sound(driver, "overview in Russian")
    picture(driver, "overview-ru")
    driver.quit()


def phone():
    driver = start(390, 800)
    for path, name in (("/", "overview"), ("/sites/news", "site"), ("/vantages", "vantages")):
        driver.get(base + path)
        sound(driver, f"{name} on a phone")
        picture(driver, f"{name}-phone")
    driver.quit()


def without_scripts():
    driver = start(1200, 900, scripts=False)
    driver.get(base + "/sites/news")
    assert not driver.find_elements(By.ID, "tip"), "no script ran"
    driver.find_element(By.LINK_TEXT, "week").click()
    wait(driver, "a week", lambda d: width(d) == 7 * 86_400_000)
    driver.find_element(By.CSS_SELECTOR, "table.spans a").click()
    wait(driver, "the span's page", lambda d: "/spans/" in d.current_url)
    assert "Around the beginning" in driver.page_source or "A document says so" in driver.page_source
    driver.quit()


def shut_in():
    """What an intruder would try once inside: the policy refuses it."""
    driver = start(1000, 700)
    driver.get(base + "/")
    refused = driver.execute_async_script("""
        const done = arguments[0], refused = new Set(), tell = () => done([...refused].sort());
        document.addEventListener("securitypolicyviolation", (event) => {
            refused.add(event.effectiveDirective);
            // One that is not expected would come by then.
            if (refused.size === 5) setTimeout(tell, 500);
        });
        const add = (name, values) => document.body.append(Object.assign(document.createElement(name), values));
        add("script", { textContent: "document.title = 'broken'" });
        add("img", { src: "http://127.0.0.1:1/x.png" });
        add("iframe", { src: "http://127.0.0.1:1/" });
        add("style", { textContent: "body { display: none }" });
        fetch("http://127.0.0.1:1/").catch(() => {});
        setTimeout(tell, 10_000);
    """)
    assert refused == ["connect-src", "frame-src", "img-src", "script-src-elem", "style-src-elem"], refused
    assert driver.title != "broken"
    driver.quit()


def printed():
    """The briefing, on the screen, on a phone and on A4."""
    for width in (900, 390):
        driver = start(width, 900)
        driver.get("file://" + briefing)
        assert "<script>" in driver.find_element(By.TAG_NAME, "main").text, "hostile titles stay text"
        sound(driver, f"briefing, {width} pixels")
        picture(driver, f"briefing-{width}")
        if width == 900:
            # On paper nothing may be cut off at the edge.
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": 672, "height": 1000, "deviceScaleFactor": 1, "mobile": False})
            wide = driver.execute_script("return document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{wide} pixels wider than A4"
            page = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
            with open(os.path.join(pictures, "briefing.pdf"), "wb") as file:
                file.write(base64.b64decode(page["data"]))
        driver.quit()


for part in (lambda: reader(False), lambda: reader(True), languages, phone, without_scripts, shut_in, printed):
    began = time.time()
    part()
    print(f"{time.time() - began:.1f} s", flush=True)
