//! `demo`: tells the acts of the demonstration, then shows the history that it recorded.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::args::GlobalArgs;
use super::fault::{Exit, Fault};
use super::look::{BOLD, Look};
use super::output::Output;
use super::text::wrap;
use super::{chart, history, rooms};

/// A folder of our own that goes when the demonstration is over.
struct Stage(PathBuf);

impl Stage {
    fn set() -> Result<Self, Fault> {
        let folder = std::env::temp_dir().join(format!("blockspan-demo-{}", std::process::id()));
        // Only for us, and not one that someone else has laid out before.
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => Ok(Self(folder)),
            Err(error) => Err(Fault::failed(format!("`{}` cannot be made", folder.display()), error)),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's cleaning of its temporary folder.
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// Runs `demo`.
///
/// # Errors
/// The loopback network or the temporary folder cannot be used.
pub(super) fn run(global: &GlobalArgs, listen: Option<SocketAddr>) -> Result<Exit, Fault> {
    let stage = Stage::set()?;
    let look = Look::detect(global.color, false);
    let spans = rooms::demo(&stage.0, listen, &mut |words| {
        eprintln!();
        wrap(words, look.width).into_iter().for_each(|line| eprintln!("{}", look.paint(BOLD, line)));
    })?;
    let mut output = Output::open(None)?;
    writeln!(output, "\n{}\n", look.paint(BOLD, "What was recorded (blockspan history):"))?;
    history::table(&spans, &look, &mut output)?;
    writeln!(output)?;
    let scene = chart::Scene::of(&spans, crate::model::Timestamp::now());
    chart::Chart::new(scene, &look).draw(&[], &look, &mut output)?;
    output.finish()?;
    Ok(Exit::Good)
}
