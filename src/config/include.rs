//! Which files an `include` pattern names.

use std::path::{Path, PathBuf};

use super::fault::Wrong;
use super::source::in_words;

/// More lists than there are countries are a slip.
const MOST_FILES: usize = 1000;

/// The files that `pattern` names, in order of their names: one file, or with `*` in the last component all files of
/// that directory whose names fit. Relative to `base`. Hidden files fit only a pattern that begins with a dot.
pub(super) fn matching(base: Option<&Path>, pattern: &str) -> Result<Vec<PathBuf>, Wrong> {
    let (directory, name) = match pattern.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((directory, name)) => (directory, name),
        None => ("", pattern),
    };
    if name.is_empty() || pattern.contains('\0') {
        return Err(Wrong::new("names no file").expected("a path or a pattern, for example \"lists/*.csv\""));
    }
    if directory.contains('*') {
        return Err(Wrong::new("has a `*` outside of the file name").expected("`*` behind the last `/` only"));
    }
    let directory = base.unwrap_or(Path::new("")).join(directory);
    if !name.contains('*') {
        return Ok(vec![directory.join(name)]);
    }
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory.as_path() };
    let cannot = |error: std::io::Error| {
        Wrong::new(format!("names a directory that cannot be listed: {}", in_words(&error)))
            .help("paths are relative to the directory of this file")
    };
    let mut files = Vec::new();
    for entry in listed.read_dir().map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let file = entry.file_name();
        let Some(file) = file.to_str() else { continue };
        if fits(name, file) && !entry.path().is_dir() {
            files.push(directory.join(file));
        }
        if files.len() > MOST_FILES {
            return Err(Wrong::new(format!("names more than {MOST_FILES} files")).expected("a narrower pattern"));
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file name fits a pattern whose `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|prefix| name.strip_prefix(prefix)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(suffix) = parts.pop() else { return rest.is_empty() };
    // The earliest fit of each middle part leaves the most for the rest.
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("*.csv", "kz.csv", true),
            ("*.csv", "kz.csv~", false),
            ("*.csv", ".kz.csv", false),
            ("kz.csv", "kz.csv", true),
            ("kz.csv", "kz.csv2", false),
            ("k*z*.csv", "kaz-news.csv", true),
            ("a*a", "a", false),
            ("*", "anything", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
