//! Values of the MaxMind DB format, as far as tables of networks need them: flat maps of texts and numbers. What lies
//! deeper is passed over without recursion, and pointers are followed once, as the format has it.

/// Entries of a map, or values within one that is passed over, that are looked at.
const MOST: usize = 10_000;

/// A value of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'d> {
    Text(&'d str),
    Number(u64),
    /// Of another kind.
    Other,
}

enum Kind {
    Pointer(usize),
    Text,
    Unsigned,
    Map,
    Array,
    /// The size is the value.
    Boolean,
    Plain,
}

/// A value's control: its kind, the size that it tells, and where its content begins.
struct Control {
    kind: Kind,
    size: usize,
    at: usize,
}

/// The map at `at` of a section; pointers count from the section's beginning. None when it is none, or broken.
pub(super) fn map(section: &[u8], at: usize) -> Option<Vec<(&str, Value<'_>)>> {
    let mut control = control(section, at)?;
    if let Kind::Pointer(to) = control.kind {
        control = self::control(section, to)?;
    }
    if !matches!(control.kind, Kind::Map) || control.size > MOST {
        return None;
    }
    let (mut entries, mut at) = (Vec::new(), control.at);
    for _ in 0..control.size {
        let (key, after) = value(section, at)?;
        let Value::Text(key) = key else { return None };
        let (value, after) = value(section, after)?;
        entries.push((key, value));
        at = after;
    }
    Some(entries)
}

/// A value, and where the next one begins.
fn value(section: &[u8], at: usize) -> Option<(Value<'_>, usize)> {
    let found = control(section, at)?;
    if let Kind::Pointer(to) = found.kind {
        return Some((scalar(section, &control(section, to)?)?, found.at));
    }
    Some((scalar(section, &found)?, past(section, at)?))
}

fn scalar<'d>(section: &'d [u8], control: &Control) -> Option<Value<'d>> {
    let content = || section.get(control.at..control.at.checked_add(control.size)?);
    Some(match control.kind {
        Kind::Text => Value::Text(std::str::from_utf8(content()?).ok()?),
        Kind::Unsigned if control.size <= 8 => Value::Number(number(content()?)),
        _ => Value::Other,
    })
}

/// Where the value after that at `at` begins.
fn past(section: &[u8], mut at: usize) -> Option<usize> {
    let mut waiting = 1usize;
    for _ in 0..MOST {
        let control = control(section, at)?;
        at = control.at;
        waiting -= 1;
        match control.kind {
            Kind::Map => waiting = waiting.checked_add(control.size.checked_mul(2)?)?,
            Kind::Array => waiting = waiting.checked_add(control.size)?,
            Kind::Pointer(_) | Kind::Boolean => {}
            Kind::Text | Kind::Unsigned | Kind::Plain => at = at.checked_add(control.size)?,
        }
        if waiting == 0 {
            return Some(at);
        }
    }
    None
}

fn control(section: &[u8], at: usize) -> Option<Control> {
    let first = usize::from(*section.get(at)?);
    let mut at = at + 1;
    let take = |at: &mut usize, count: usize| {
        let bytes = section.get(*at..at.checked_add(count)?)?;
        *at += count;
        Some(number(bytes) as usize)
    };
    let kind = match first >> 5 {
        0 => 7 + take(&mut at, 1)?,
        kind => kind,
    };
    if kind == 1 {
        let (length, upper) = (first >> 3 & 3, first & 7);
        let lower = take(&mut at, length + 1)?;
        let to = match length {
            0 => upper << 8 | lower,
            1 => (upper << 16 | lower) + 2048,
            2 => (upper << 24 | lower) + 526_336,
            _ => lower,
        };
        return Some(Control { kind: Kind::Pointer(to), size: 0, at });
    }
    let size = match first & 31 {
        29 => 29 + take(&mut at, 1)?,
        30 => 285 + take(&mut at, 2)?,
        31 => 65_821 + take(&mut at, 3)?,
        size => size,
    };
    let kind = match kind {
        2 => Kind::Text,
        5 | 6 | 9 => Kind::Unsigned,
        7 => Kind::Map,
        11 => Kind::Array,
        14 => Kind::Boolean,
        3 | 4 | 8 | 10 | 15 => Kind::Plain,
        _ => return None,
    };
    Some(Control { kind, size, at })
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_past_what_lies_deeper() {
        // {"a": {"x": [1, true]}, "b": "text", "c": 258, "d": -> "text"}
        let mut bytes = vec![0xe4, 0x41, b'a', 0xe1, 0x41, b'x', 0x02, 0x04, 0xa1, 1, 0x01, 0x07, 0x41, b'b'];
        let text = bytes.len();
        bytes.extend_from_slice(b"\x44text\x41c\xa2\x01\x02\x41d\x20");
        bytes.push(u8::try_from(text).unwrap());
        let wanted =
            [("a", Value::Other), ("b", Value::Text("text")), ("c", Value::Number(258)), ("d", Value::Text("text"))];
        assert_eq!(map(&bytes, 0).unwrap(), wanted);
        for cut in 0..bytes.len() {
            assert_eq!(map(&bytes[..cut], 0), None, "cut at {cut}");
        }
    }

    #[test]
    fn long_sizes_and_far_pointers() {
        let long = "x".repeat(400);
        let mut bytes = vec![0xe1, 0x28, 0x00, 0x00, 0xa1, 7];
        bytes.resize(2048, 0);
        bytes.extend_from_slice(&[0x5e, 0, 115]);
        bytes.extend_from_slice(long.as_bytes());
        assert_eq!(map(&bytes, 0).unwrap(), [(long.as_str(), Value::Number(7))]);
    }

    #[test]
    fn circles_and_bombs_end() {
        assert_eq!(map(&[0x20, 0x00], 0), None, "a pointer to itself");
        assert_eq!(map(&[0xe1, 0x20, 0x01, 0x20, 0x01], 0), None, "a key that is its own pointer");
        // Arrays in arrays, each of the largest size.
        let bomb: Vec<u8> =
            [0xe1, 0x41, b'a'].into_iter().chain([0x1f, 0x04, 0xff, 0xff, 0xff].repeat(4_000)).collect();
        assert_eq!(map(&bomb, 0), None);
    }
}
