"""How long a browser takes from asking for a page until all of it is drawn: median of several runs.

    speed.py URL PATH…
"""
import statistics
import sys
import tempfile

from selenium import webdriver

base, paths = sys.argv[1], sys.argv[2:]
with tempfile.TemporaryDirectory() as profile:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-extensions",
                 "disable-background-networking", "disable-component-update", "disable-sync", "window-size=1200,900",
                 f"user-data-dir={profile}", "proxy-server=direct://"):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    for path in paths:
        drawn, painted = [], []
        for _ in range(7):
            driver.get(base + path)
            # Two frames after loading, what was loaded has been laid out and painted.
            drawn.append(driver.execute_async_script("""
                const done = arguments[0];
                requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
            """))
            painted.append(driver.execute_script(
                "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"))
        print(f"browser {path:45} median {statistics.median(drawn):6.1f} ms, most {max(drawn):6.1f} "
              f"(first paint {statistics.median(painted):.1f})", flush=True)
    driver.quit()
