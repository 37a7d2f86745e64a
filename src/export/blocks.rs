//! Long outputs are made block by block on all cores and written in order.

use std::io::{self, Write};
use std::ops::Range;
use std::thread;

/// Items of one block: enough to outweigh the start of a thread, few enough to keep memory small.
const BLOCK: usize = 4096;
/// Threads beyond this only wait for the output.
const MOST_THREADS: usize = 4;

/// Gives the results of `make` over `0..count`, block by block, in order, to `take`. Blocks are made in parallel when
/// there are several.
///
/// # Errors
/// The first error of `take`.
pub fn in_blocks<T: Send>(
    count: usize,
    make: impl Fn(Range<usize>) -> T + Sync,
    mut take: impl FnMut(T) -> io::Result<()>,
) -> io::Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let block = |at: usize| at * BLOCK..count.min((at + 1) * BLOCK);
    let blocks = count.div_ceil(BLOCK);
    for wave in (0..blocks).step_by(threads) {
        let others = wave + 1..blocks.min(wave + threads);
        let made: Vec<T> = thread::scope(|scope| {
            let handles: Vec<_> = others
                .map(|at| {
                    (
                        at,
                        scope.spawn({
                            let make = &make;
                            move || make(block(at))
                        }),
                    )
                })
                .collect();
            let mut made = vec![make(block(wave))];
            // A block whose thread broke is made again here, where the same fault shows itself.
            made.extend(handles.into_iter().map(|(at, handle)| handle.join().unwrap_or_else(|_| make(block(at)))));
            made
        });
        made.into_iter().try_for_each(&mut take)?;
    }
    Ok(())
}

/// Writes what `make` appends for each range of `0..count`, in order.
///
/// # Errors
/// The output cannot be written.
pub fn write_in_blocks(
    count: usize,
    out: &mut dyn Write,
    make: impl Fn(Range<usize>, &mut String) + Sync,
) -> io::Result<()> {
    let text = |range: Range<usize>| {
        let mut text = String::with_capacity(range.len() * 256);
        make(range, &mut text);
        text
    };
    in_blocks(count, text, |text| out.write_all(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_whole_and_in_order() {
        for count in [0, 1, BLOCK, BLOCK + 1, 9 * BLOCK + 17] {
            let mut seen = Vec::new();
            in_blocks(
                count,
                |range| range,
                |range| {
                    seen.extend(range);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_output_that_breaks_ends_it() {
        let mut taken = 0;
        let broken = in_blocks(
            100 * BLOCK,
            |range| range,
            |_| {
                taken += 1;
                Err(io::Error::from(io::ErrorKind::BrokenPipe))
            },
        );
        assert_eq!(broken.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(taken, 1);
    }
}
