//! The pages of a real daemon in a real browser: Debian's Chromium, driven by Selenium, looked over by axe-core.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::daemon::{Daemon, until};
use support::python::interpreter;
use support::world::World;

/// What a site, a list or a censor might try.
const EVIL: &str =
    "<script>document.title='broken'</script><img src=x onerror=\\\"document.title='broken'\\\">\\u202e&amp;";

#[test]
fn the_pages_hold_in_a_real_browser() {
    let Some(python) = interpreter("the_pages_hold_in_a_real_browser") else { return };
    let browser = |program: &str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !browser("chromium") || !browser("chromedriver") {
        eprintln!("SKIPPED: the_pages_hold_in_a_real_browser needs Debian's chromium and chromium-driver");
        return;
    }
    let world = World::start();
    let place = world.place(&["news", "blog"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    let reported = format!(
        "[[site.reported]]\nstatus = \"blocked\"\nfrom = \"2014-08\"\nas_of = \"2016-04\"\ncitation = \"A paper {EVIL}\"\n"
    );
    let targets =
        world.targets(&["news", "blog"]).replacen("name = \"Site news\"", &format!("name = \"News {EVIL}\""), 1);
    let (news, blog) = targets.split_at(targets.rfind("[[site]]").unwrap());
    place.write("targets.toml", &format!("{news}{reported}{blog}"));
    world.swallow("news", true);
    let daemon = Daemon::start(&place);
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"blocked\""], 1.0);
    world.swallow("news", false);
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"blocked\""], 0.0);
    world.swallow("news", true);
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"blocked\""], 1.0);
    until("both are in the record", || {
        let feed = daemon.get("/feed.atom").body;
        (feed.matches("term=\"opened\"").count() == 2 && feed.contains("term=\"closed\"")).then_some(())
    });

    place.good(&["report", "-o", "briefing.html"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/browser.py");
    // Pictures are kept where someone wants to look at them.
    let pictures = std::env::var_os("BLOCKSPAN_PICTURES").map_or_else(|| place.path("pictures"), Into::into);
    let output = Command::new(&python)
        .arg(script)
        .arg(format!("http://{}", daemon.address))
        .arg(pictures)
        .arg(place.path("browser"))
        .arg(place.path("briefing.html"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// Makes `docs/page.png` anew: `BLOCKSPAN_PYTHON=… cargo test --test page -- --ignored`.
#[test]
#[ignore = "makes the picture of the README"]
fn the_picture_of_the_readme() {
    let python = interpreter("the_picture_of_the_readme").unwrap();
    let world = World::start();
    let place = world.place(&["news", "blog"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    let config = place.read("blockspan.toml");
    let resolvers = config.lines().find(|line| line.starts_with("resolvers = [\"udp://")).unwrap().to_owned();
    let second = format!("[[vantage]]\nid = \"astana-b\"\ncountry = \"KZ\"\n{resolvers}\n[[vantage]]\nid = \"abroad\"");
    let config = config.replace("id = \"here\"", "id = \"almaty-a\"").replace("[[vantage]]\nid = \"abroad\"", &second);
    place.write("blockspan.toml", &config);
    let daemon = Daemon::start(&place);
    let pause = |seconds| std::thread::sleep(std::time::Duration::from_secs(seconds));
    for blocked in [false, true, false, true] {
        world.swallow("news", blocked);
        pause(45);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/picture.py");
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/page.png");
    let status =
        Command::new(python).arg(script).arg(format!("http://{}/sites/news", daemon.address)).arg(picture).status();
    assert!(status.unwrap().success());
}
