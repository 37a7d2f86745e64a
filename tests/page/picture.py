"""Takes a picture of a page: picture.py URL FILE"""
import sys
import tempfile

from selenium import webdriver

with tempfile.TemporaryDirectory() as profile:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-extensions",
                 "disable-background-networking", "disable-component-update", "disable-sync", "hide-scrollbars",
                 "window-size=1120,900", f"user-data-dir={profile}", "proxy-server=direct://"):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": 1120, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    driver.get(sys.argv[1])
    driver.save_screenshot(sys.argv[2])
    driver.quit()
