//! A writer of tiny MaxMind databases, for tests: IPv4 networks of eight bits, each with one record.

/// A value of a record.
pub(super) enum Value<'v> {
    Text(&'v str),
    Number(u32),
}

/// A database whose network `first byte/8` has the record.
pub(super) fn database(records: &[(u8, &[(&str, Value<'_>)])]) -> Vec<u8> {
    let (mut data, mut offsets) = (Vec::new(), Vec::new());
    for (first, fields) in records {
        offsets.push((*first, data.len()));
        map(&mut data, fields);
    }
    // Nodes of a binary trie over the first eight bits; a child is None (nothing), a node, or a record.
    let mut nodes: Vec<[Option<Child>; 2]> = vec![[None, None]];
    for (first, offset) in offsets {
        let mut node = 0;
        for bit in (0..8).rev() {
            let side = usize::from(first >> bit & 1);
            node = match (bit, nodes[node][side]) {
                (0, _) => {
                    nodes[node][side] = Some(Child::Record(offset));
                    node
                }
                (_, Some(Child::Node(next))) => next,
                _ => {
                    nodes.push([None, None]);
                    let next = nodes.len() - 1;
                    nodes[node][side] = Some(Child::Node(next));
                    next
                }
            };
        }
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for child in nodes.iter().flatten() {
        let value = match child {
            None => count,
            Some(Child::Node(node)) => *node,
            Some(Child::Record(offset)) => count + 16 + offset,
        };
        file.extend_from_slice(&u32::try_from(value).unwrap().to_be_bytes()[1..]);
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let nodes = u32::try_from(count).unwrap();
    let kind = Value::Text("Sample-ASN");
    let fields = [
        ("node_count", Value::Number(nodes)),
        ("record_size", Value::Number(24)),
        ("ip_version", Value::Number(4)),
        ("database_type", kind),
        ("binary_format_major_version", Value::Number(2)),
        ("binary_format_minor_version", Value::Number(0)),
        ("build_epoch", Value::Number(1)),
    ];
    file.push(0xe0 | u8::try_from(fields.len() + 2).unwrap());
    fields.iter().for_each(|(key, value)| field(&mut file, key, value));
    string(&mut file, "languages");
    file.extend_from_slice(&[0x00, 0x04]);
    string(&mut file, "description");
    file.push(0xe0);
    file
}

#[derive(Clone, Copy)]
enum Child {
    Node(usize),
    Record(usize),
}

fn map(out: &mut Vec<u8>, fields: &[(&str, Value<'_>)]) {
    out.push(0xe0 | u8::try_from(fields.len()).unwrap());
    fields.iter().for_each(|(key, value)| field(out, key, value));
}

fn field(out: &mut Vec<u8>, key: &str, value: &Value<'_>) {
    string(out, key);
    match value {
        Value::Text(text) => string(out, text),
        Value::Number(number) => {
            out.push(0xc4);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()).unwrap() {
        length @ 0..29 => out.push(0x40 | length),
        length => out.extend_from_slice(&[0x40 | 29, length - 29]),
    }
    out.extend_from_slice(text.as_bytes());
}
