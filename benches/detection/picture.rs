//! Simulated runs as pictures: what was true, every probe and what it was worth, and what the test told.

use std::fmt::Write;

use blockspan::detect::Outcome;

use crate::peers::Told;
use crate::run::watch_each;
use crate::verdicts::Verdicts;
use crate::world::{Block, MINUTE, Noise, World};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 20.0;

/// A run to be drawn: from `from` to `to`, with a block or without.
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) noise: Noise,
    pub(crate) block: Option<Block>,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) seed: u64,
}

/// The run as SVG. Colours are read on light and dark ground, and marks differ in shape too.
pub(crate) fn draw(run: &Run, verdicts: &Verdicts) -> String {
    let mut probes = Vec::new();
    let world = World::new(run.noise, run.block, run.seed);
    let outcome =
        watch_each(world, verdicts, MINUTE, run.to, run.seed, &mut |from, outcome| probes.push((from, outcome)));
    let x = |at: i64| {
        let share = (at - run.from) as f64 / (run.to - run.from) as f64;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    };
    let mut svg = String::new();
    let mut say = |text: String| {
        writeln!(svg, "{text}").expect("a text");
    };
    say(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 190\" font-family=\"sans-serif\" font-size=\"13\">"
    ));
    say("<style>text{fill:#777}.true{fill:#888}.sure{fill:#c33}.maybe{fill:#c33;opacity:.45}.good{fill:#2a8}.bad{fill:#d33}.none{fill:none;stroke:#999}</style>".to_owned());
    say(format!("<title>{}</title>", run.title));
    say(format!("<text x=\"0\" y=\"16\" font-weight=\"bold\">{}</text>", run.title));
    for (name, y) in
        [("true block", 50), ("probes: fine", 82), ("fail", 104), ("tell nothing", 126), ("told: blocked", 156)]
    {
        say(format!("<text x=\"0\" y=\"{y}\">{name}</text>"));
    }
    if let Some(block) = run.block {
        let (from, to) = (x(block.from), x(block.to));
        say(format!(
            "<rect class=\"true\" x=\"{from:.1}\" y=\"38\" width=\"{:.1}\" height=\"16\"/>",
            (to - from).max(1.0)
        ));
    }
    for (at, outcome) in probes.iter().filter(|(at, _)| (run.from..run.to).contains(at)) {
        let x = x(*at);
        say(match outcome {
            Outcome::Good => format!("<circle class=\"good\" cx=\"{x:.1}\" cy=\"78\" r=\"2.5\"/>"),
            Outcome::Bad { weight, .. } => {
                let height = 4.0 + 10.0 * weight;
                format!(
                    "<rect class=\"bad\" x=\"{:.1}\" y=\"{:.1}\" width=\"2.5\" height=\"{height:.1}\"/>",
                    x - 1.2,
                    106.0 - height
                )
            }
            Outcome::Silent => format!("<circle class=\"none\" cx=\"{x:.1}\" cy=\"122\" r=\"2.5\"/>"),
        });
    }
    for Told { opened_at, closed_at, start, end } in &outcome.ours {
        let begun = start.1.unwrap_or(*opened_at);
        let sure_to = end.and_then(|end| end.0).unwrap_or(run.to);
        let maybe = [(start.0.unwrap_or(run.from), begun), (sure_to, end.and_then(|end| end.1).unwrap_or(run.to))];
        for (from, to) in maybe {
            say(format!(
                "<rect class=\"maybe\" x=\"{:.1}\" y=\"144\" width=\"{:.1}\" height=\"16\"/>",
                x(from),
                (x(to) - x(from)).max(0.0)
            ));
        }
        say(format!(
            "<rect class=\"sure\" x=\"{:.1}\" y=\"144\" width=\"{:.1}\" height=\"16\"/>",
            x(begun),
            (x(sure_to) - x(begun)).max(1.0)
        ));
        for at in [Some(*opened_at), *closed_at].into_iter().flatten() {
            say(format!("<path d=\"M{0:.1} 140v24\" stroke=\"#777\" stroke-dasharray=\"3 2\"/>", x(at)));
        }
    }
    let step = 10 * MINUTE;
    let mut tick = run.from.div_euclid(step) * step + step;
    while tick < run.to {
        let minutes = (tick - run.from) / MINUTE;
        say(format!("<text x=\"{:.1}\" y=\"184\" text-anchor=\"middle\">{minutes} min</text>", x(tick)));
        tick += step;
    }
    say("</svg>".to_owned());
    svg
}
