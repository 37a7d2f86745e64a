//! What the tests told, held against the truth.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::peers::Told;
use crate::run::{Outcome, watch};
use crate::verdicts::Verdicts;
use crate::world::{Block, DAY, HOUR, Noise, World, YEAR};

/// What a test made of many blocks.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    /// True blocks.
    pub(crate) blocks: u64,
    /// Found by at least one span that overlaps them.
    pub(crate) found: u64,
    /// Told by more than one span.
    pub(crate) repeated: u64,
    /// Times from the true start to the telling, sorted.
    pub(crate) opening: Vec<i64>,
    /// Times from the true end to the telling, sorted.
    pub(crate) closing: Vec<i64>,
    /// Starts told, and those whose bounds hold the truth.
    pub(crate) starts: u64,
    pub(crate) start_true: u64,
    /// Ends told, and those whose bounds hold the truth.
    pub(crate) ends: u64,
    pub(crate) end_true: u64,
    /// Widths of bounded brackets, sorted.
    pub(crate) start_width: Vec<i64>,
    pub(crate) end_width: Vec<i64>,
}

impl Sum {
    fn add(&mut self, block: &Block, told: &[Told]) {
        self.blocks += 1;
        // After the block a day is watched; a span that was told in the block or soon after belongs to it.
        let belongs = |told: &&Told| told.opened_at >= block.from && told.closed_at.is_none_or(|at| at > block.from);
        let mine: Vec<&Told> = told.iter().filter(belongs).filter(|told| told.opened_at < block.to + HOUR).collect();
        let Some((first, last)) = mine.first().zip(mine.last()) else { return };
        self.found += 1;
        self.repeated += u64::from(mine.len() > 1);
        self.opening.push(first.opened_at - block.from.max(0));
        self.starts += 1;
        self.start_true += u64::from(holds(first.start, block.from));
        self.start_width.extend(width(first.start));
        if let (Some(at), Some(end)) = (last.closed_at, last.end) {
            self.closing.push(at - block.to);
            self.ends += 1;
            self.end_true += u64::from(holds(end, block.to));
            self.end_width.extend(width(end));
        }
    }

    fn merge(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.found += other.found;
        self.repeated += other.repeated;
        self.starts += other.starts;
        self.start_true += other.start_true;
        self.ends += other.ends;
        self.end_true += other.end_true;
        for (mine, theirs) in [
            (&mut self.opening, other.opening),
            (&mut self.closing, other.closing),
            (&mut self.start_width, other.start_width),
            (&mut self.end_width, other.end_width),
        ] {
            mine.extend(theirs);
            mine.sort_unstable();
        }
    }
}

fn holds((earliest, latest): (Option<i64>, Option<i64>), truth: i64) -> bool {
    earliest.is_none_or(|earliest| earliest <= truth) && latest.is_none_or(|latest| truth <= latest)
}

fn width((earliest, latest): (Option<i64>, Option<i64>)) -> Option<i64> {
    Some(latest? - earliest?)
}

/// Spans per site-year told in a world without blocks: ours, three in a row, OONI's.
pub(crate) fn false_spans(noise: Noise, interval: i64, years: u64, verdicts: &Verdicts) -> [f64; 3] {
    let counts = [const { AtomicU64::new(0) }; 3];
    in_parallel(years, &|case| {
        let Outcome { ours, three, ooni } =
            watch(World::new(noise, None, case + 1), verdicts, interval, YEAR, case + 1);
        for (count, told) in counts.iter().zip([ours, three, ooni]) {
            count.fetch_add(told.len() as u64, Ordering::Relaxed);
        }
    });
    counts.map(|count| count.into_inner() as f64 / years as f64)
}

/// What the three tests make of `count` blocks, each in a world of its own.
pub(crate) fn blocks(
    noise: Noise,
    interval: i64,
    count: u64,
    block: &(dyn Fn(u64) -> Block + Sync),
    verdicts: &Verdicts,
) -> [Sum; 3] {
    let sums = Mutex::new([Sum::default(), Sum::default(), Sum::default()]);
    in_parallel(count, &|case| {
        let block = block(case);
        let world = World::new(noise, Some(block), case + 1);
        let Outcome { ours, three, ooni } = watch(world, verdicts, interval, block.to + 2 * DAY, case + 1);
        let mut sums = sums.lock().expect("another thread broke off");
        for (sum, told) in sums.iter_mut().zip([ours, three, ooni]) {
            let mut one = Sum::default();
            one.add(&block, &told);
            sum.merge(one);
        }
    });
    sums.into_inner().expect("another thread broke off")
}

/// Runs `work` for every case on all cores.
fn in_parallel(cases: u64, work: &(dyn Fn(u64) + Sync)) {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases {
                        return;
                    }
                    work(case);
                }
            });
        }
    });
}
