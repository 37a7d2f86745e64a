//! `blockspan report` on the record of a real daemon, as its user calls it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use nix::sys::signal::Signal;
use serde_json::Value;

use support::daemon::{Daemon, until};
use support::world::World;

#[test]
fn a_briefing_tells_what_the_history_tells() {
    let world = World::start();
    let place = world.place(&["news", "blog"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    let reported = "[[site.reported]]\nstatus = \"blocked\"\nfrom = \"2014-08\"\nas_of = \"2016-04\"\ncitation = \"A paper of 2016\"\n";
    let targets = place.read("targets.toml");
    let (news, blog) = targets.split_at(targets.rfind("[[site]]").unwrap());
    place.write("targets.toml", &format!("{news}{reported}{blog}"));
    place.run(&["report"]).refused(1, &["nothing has been measured"]);
    let daemon = Daemon::start(&place);
    for blocked in [true, false] {
        world.swallow("news", blocked);
        let value = if blocked { 1.0 } else { 0.0 };
        daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"blocked\""], value);
    }
    until("the end is in the record", || daemon.get("/feed.atom").body.contains("term=\"closed\"").then_some(()));
    daemon.stop(Signal::SIGTERM);

    let history: Value =
        serde_json::from_str(&place.good(&["history", "--source", "measured", "--format", "json"])).unwrap();
    let span = &history[0];
    let briefing = place.good(&["report"]);
    for words in [
        "# Blocked websites: Kazakhstan",
        span["span_id"].as_str().unwrap(),
        "Site news was blocked once",
        "Site blog was measured, and no block was found",
        "One network saw it",
        "No measurement of that time is in this record",
        "opened on measurement",
        "closed on measurement",
    ] {
        assert!(briefing.contains(words), "{words}\n{briefing}");
    }
    // Each measurement that is named is in the record.
    for named in briefing.split("on measurement ").skip(1) {
        let id: String = named.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect();
        assert!(place.good(&["measurements"]).contains(&id), "{id}");
    }
    place.good(&["report", "--country", "KZ", "--lang", "ru", "--since", "1h", "-o", "spravka.html"]);
    let page = place.read("spravka.html");
    assert!(page.contains("<html lang=\"ru\">") && page.contains("Как ссылаться"), "a file named so is a page");
    assert!(place.good(&["report", "news", "--lang", "kk"]).contains("Қысқаша"));

    for (arguments, said) in [
        (&["report", "--country", "DE"][..], "no site is watched for DE; there are: KZ"),
        (&["report", "--lang", "de"][..], "[possible values: en, ru, kk]"),
        (&["report", "newz"][..], "there is no site `newz`"),
        (&["report", "--since", "soon"][..], "expected an instant"),
    ] {
        place.run(arguments).refused(2, &[said]);
    }
}
