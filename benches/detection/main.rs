//! What the detector promises, measured: false spans, blocks found, delay, and whether the brackets hold the truth, beside
//! two other tests on the same data.
//!
//! `cargo bench --bench detection` prints the tables; with `-- --write` it writes them to `docs/detection-figures.md`,
//! with the pictures of some runs beside it (`-- --pictures` makes those alone). `--years 5 --blocks 50` is a quick look.
//! Everything is drawn from fixed seeds, so the tables are the same every time.

// A program for those who work on blockspan: a fault of its own may end it.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod peers;
mod picture;
mod run;
mod tally;
mod verdicts;
mod world;

use std::fmt::Write;

use tally::{Sum, blocks, false_spans};
use verdicts::Verdicts;
use world::{ALL, Block, DAY, HOUR, MINUTE, NOISES, Noise, QUIET, SECOND, YEAR};

/// Site-years of each noise.
const YEARS: u64 = 200;
/// Blocks of each kind.
const BLOCKS: u64 = 1000;

const HEAD: &str = "\
# The detector's figures

<!-- Made by `cargo bench --bench detection -- --write`; do not edit. -->

A simulated world with a known truth; the real judge and the real detector (`src/judge`, `src/detect`) against two others on the same
probes: *three in a row* (three failures while the control works open, three successes close) and *OONI's CUSUM* (the
production detector of August 2026: hourly medians, drift 0.35, threshold 3.5). Neither of the two asks canaries or confirms.
A failing probe is silent for 10 s; control and three canaries are asked when it has given up. How it works: [detection.md](detection.md).
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` only wants to know that it builds and starts.
    if arguments.iter().any(|argument| argument == "--test") {
        return Ok(());
    }
    let number = |name: &str, usual: u64| {
        let given = arguments.iter().skip_while(|argument| *argument != name).nth(1);
        given.and_then(|given| given.parse().ok()).unwrap_or(usual)
    };
    let (years, count) = (number("--years", YEARS), number("--blocks", BLOCKS));
    let verdicts = Verdicts::new();
    if arguments.iter().any(|argument| argument == "--write" || argument == "--pictures") {
        pictures(&verdicts)?;
    }
    if arguments.iter().any(|argument| argument == "--pictures") {
        return Ok(());
    }
    let mut page = String::from(HEAD);

    writeln!(page, "\n## False spans per site-year, one-minute probing, {years} site-years each\n")?;
    writeln!(page, "| noise | blockspan | three in a row | OONI's CUSUM |\n|---|---|---|---|")?;
    for noise in NOISES {
        let [ours, three, ooni] = false_spans(*noise, MINUTE, years, &verdicts);
        let row = format!("| {} | {} | {} | {} |", noise.name, rate(ours), rate(three), rate(ooni));
        eprintln!("{row}");
        writeln!(page, "{row}")?;
    }

    writeln!(page, "\n## Full blocks of 10 minutes to 30 days, {count} each\n")?;
    block_table(&mut page, (&verdicts, count), &|case| log_uniform(10 * MINUTE, 30 * DAY, case), 1.0, MINUTE, NOISES)?;
    writeln!(page, "\n## Full blocks of a year, {} each\n", count / 20)?;
    block_table(&mut page, (&verdicts, count / 20), &|_| YEAR, 1.0, MINUTE, &[NOISES[1], ALL])?;
    writeln!(page, "\n## Blocks already there at the first measurement, {count} each of a day\n")?;
    writeln!(page, "A lower bound of the start would be an invention: a bracket with one counts as wrong.\n")?;
    let there = |_: u64| Block { from: -DAY, to: DAY, share: 1.0 };
    table(&mut page, (&verdicts, count), &there, MINUTE, &[QUIET, NOISES[1], ALL])?;
    writeln!(page, "\n## Short blocks, {count} each, 5 % of single probes failing\n")?;
    for (name, length) in [("2 min", 2), ("3 min", 3), ("5 min", 5), ("8 min", 8)] {
        writeln!(page, "\nBlocks of {name}:\n")?;
        block_table(&mut page, (&verdicts, count), &|_| length * MINUTE, 1.0, MINUTE, &NOISES[1..2])?;
    }
    writeln!(page, "\n## Blocks that stop only some of the probes, {count} each of a day\n")?;
    for share in [0.9, 0.75, 0.5, 0.25] {
        writeln!(page, "\n{} % of the probes stopped:\n", share * 100.0)?;
        block_table(&mut page, (&verdicts, count), &|_| DAY, share, MINUTE, &[QUIET, NOISES[1]])?;
    }
    writeln!(page, "\n## Other intervals: full blocks of a day among all noises, {count} each\n")?;
    for (name, interval) in [("10 s", 10 * SECOND), ("5 min", 5 * MINUTE), ("15 min", 15 * MINUTE), ("1 h", HOUR)] {
        writeln!(page, "\nEvery {name}:\n")?;
        block_table(&mut page, (&verdicts, count), &|_| DAY, 1.0, interval, &[NOISES[1], ALL])?;
    }
    print!("{page}");
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/detection-figures.md"), &page)?;
    }
    Ok(())
}

/// The runs that docs/detection.md shows.
fn pictures(verdicts: &Verdicts) -> std::io::Result<()> {
    let (from, to) = (DAY - 20 * MINUTE, DAY + 80 * MINUTE);
    let block = Some(Block { from: DAY + 90 * SECOND, to: DAY + 50 * MINUTE, share: 1.0 });
    let bursts = Noise { name: "", bursts: Some((30 * MINUTE, 6 * MINUTE)), burst_loss: 0.9, ..QUIET };
    let run = |name, title, noise, block, seed| picture::Run { name, title, noise, block, from, to, seed };
    let runs = [
        run("quiet", "A block of 48 minutes on a quiet line", QUIET, block, 3),
        run("loss", "The same, 5 % of single probes failing", NOISES[1], block, 11),
        run("bursts", "No block: the line loses nine of ten packets for minutes at a time", bursts, None, 5),
        run(
            "partial",
            "A block that stops half of the probes",
            QUIET,
            block.map(|block| Block { share: 0.5, ..block }),
            3,
        ),
    ];
    for run in runs {
        let path = format!("{}/docs/detection-{}.svg", env!("CARGO_MANIFEST_DIR"), run.name);
        std::fs::write(path, picture::draw(&run, verdicts))?;
    }
    Ok(())
}

fn block_table(
    page: &mut String,
    of: (&Verdicts, u64),
    length: &(dyn Fn(u64) -> i64 + Sync),
    share: f64,
    interval: i64,
    noises: &[Noise],
) -> std::fmt::Result {
    let block = |case: u64| {
        // Somewhere in the second day, at any offset to the rounds.
        let from = DAY + i64::try_from(case).unwrap_or(0) * 7919 % HOUR;
        Block { from, to: from + length(case), share }
    };
    table(page, of, &block, interval, noises)
}

fn table(
    page: &mut String,
    (verdicts, count): (&Verdicts, u64),
    block: &(dyn Fn(u64) -> Block + Sync),
    interval: i64,
    noises: &[Noise],
) -> std::fmt::Result {
    writeln!(
        page,
        "| noise | test | found | told more than once | delay of opening, median / 95 % | of closing, median / 95 % | start in bracket | end in bracket | width of start / end bracket, median |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    for noise in noises {
        let sums = blocks(*noise, interval, count, block, verdicts);
        for (name, sum) in ["blockspan", "three in a row", "OONI's CUSUM"].into_iter().zip(sums) {
            let row = format!("| {} | {name} | {}", noise.name, sum_cells(&sum));
            eprintln!("{row}");
            writeln!(page, "{row}")?;
        }
    }
    Ok(())
}

fn sum_cells(sum: &Sum) -> String {
    let percent = |part: u64, whole: u64| {
        if whole == 0 { "–".to_owned() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
    };
    let pair = |times: &[i64]| match (quantile(times, 0.5), quantile(times, 0.95)) {
        (Some(half), Some(most)) => format!("{} / {}", shown(half), shown(most)),
        _ => "–".to_owned(),
    };
    let width = |times: &[i64]| quantile(times, 0.5).map_or("–".to_owned(), shown);
    format!(
        "{} | {} | {} | {} | {} | {} | {} / {} |",
        percent(sum.found, sum.blocks),
        percent(sum.repeated, sum.blocks),
        pair(&sum.opening),
        pair(&sum.closing),
        percent(sum.start_true, sum.starts),
        percent(sum.end_true, sum.ends),
        width(&sum.start_width),
        width(&sum.end_width),
    )
}

fn quantile(sorted: &[i64], share: f64) -> Option<i64> {
    sorted.get((((sorted.len() as f64) * share) as usize).min(sorted.len().checked_sub(1)?)).copied()
}

fn shown(length: i64) -> String {
    let seconds = length / SECOND;
    match seconds {
        ..=599 => format!("{seconds} s"),
        600..=35_999 => format!("{} min", seconds / 60),
        _ => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

fn rate(per_year: f64) -> String {
    if per_year == 0.0 {
        "0".to_owned()
    } else if per_year < 10.0 {
        format!("{per_year:.3}")
    } else {
        format!("{per_year:.0}")
    }
}

fn log_uniform(low: i64, high: i64, case: u64) -> i64 {
    // The golden ratio spreads the cases evenly.
    let share = (case as f64 * 0.618_033_988_749_895).fract();
    ((low as f64).ln() + share * ((high as f64).ln() - (low as f64).ln())).exp() as i64
}
