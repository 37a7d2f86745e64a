//! All fingerprints of a run, ready to be looked up: plain texts in one Aho-Corasick automaton, addresses and names in
//! tables. The automaton also holds a text that each expression cannot do without; an expression is tried only where that
//! was met. (One set of all expressions was measured: a hostile page made it 100 times slower than an ordinary one.)

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use aho_corasick::AhoCorasick;
use regex::bytes::Regex;

use super::built_in;
use super::fingerprint::{Fingerprint, Place, Scope};
use super::page::{Found, Layout, Spot};
use super::pattern::{Pattern, compile, needed};

/// Plain texts of all lists together, bytes; the known lists have a tenth of it.
const MOST_TEXT: usize = 4 * 1024 * 1024;
/// Expressions of all lists together; the known lists have 54 different ones.
const MOST_EXPRESSIONS: usize = 512;

/// More than can be held ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// The plain texts.
    #[error("more than {MOST_TEXT} bytes of patterns in all lists together")]
    Text,
    /// The expressions.
    #[error("more than {MOST_EXPRESSIONS} regular expressions in all lists together")]
    Expressions,
    /// The automata.
    #[error("the patterns of all lists together are too many to be searched for at once")]
    Automaton,
}

/// An expression of one place.
#[derive(Debug, Clone)]
struct Expression {
    place: Place,
    regex: Regex,
    /// The fingerprints that it belongs to.
    of: Vec<usize>,
    /// The plain text without which it cannot be there.
    needs: Option<usize>,
}

/// All fingerprints of a run. Comparing two compares the lists, not the automata.
#[derive(Clone)]
pub struct Fingerprints {
    entries: Vec<Fingerprint>,
    addresses: HashMap<IpAddr, Vec<usize>>,
    names: HashMap<String, Vec<usize>>,
    /// None when there is no plain text.
    texts: Option<AhoCorasick>,
    /// The fingerprints that each text belongs to.
    owners: Vec<Vec<usize>>,
    expressions: Vec<Expression>,
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprints({})", self.len())
    }
}

impl PartialEq for Fingerprints {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Fingerprints {
    /// The list that ships in the binary.
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Fingerprints>> = LazyLock::new(|| {
            // An empty library builds always, and a test sees to it that the list of the binary does.
            Arc::new(Fingerprints::only(built_in::list()).unwrap_or_else(|_| Fingerprints::none()))
        });
        Arc::clone(&BUILT_IN)
    }

    /// The list that ships in the binary and `more`.
    ///
    /// # Errors
    /// Too much to be held ready.
    pub fn with(more: Vec<Fingerprint>) -> Result<Self, TooMuch> {
        let mut entries = built_in::list();
        entries.extend(more);
        Self::only(entries)
    }

    fn none() -> Self {
        Self {
            entries: Vec::new(),
            addresses: HashMap::new(),
            names: HashMap::new(),
            texts: None,
            owners: Vec::new(),
            expressions: Vec::new(),
        }
    }

    /// These fingerprints and no others.
    ///
    /// # Errors
    /// Too much to be held ready.
    pub fn only(entries: Vec<Fingerprint>) -> Result<Self, TooMuch> {
        let mut sorted = Sorted::default();
        for (index, entry) in entries.iter().enumerate() {
            sorted.add(index, entry);
        }
        let Sorted { addresses, names, texts, owners, expressions, .. } = sorted;
        if texts.iter().map(|text| text.len()).sum::<usize>() > MOST_TEXT {
            return Err(TooMuch::Text);
        }
        if expressions.len() > MOST_EXPRESSIONS {
            return Err(TooMuch::Expressions);
        }
        let texts = match texts.is_empty() {
            true => None,
            false => Some(AhoCorasick::new(&texts).map_err(|_| TooMuch::Automaton)?),
        };
        let built = expressions.into_iter().map(|((place, expression), (needs, of))| {
            let regex = compile(expression).map_err(|_| TooMuch::Automaton)?;
            Ok(Expression { place: place.clone(), regex, of, needs })
        });
        let expressions = built.collect::<Result<_, _>>()?;
        Ok(Self { addresses, names, texts, owners, expressions, entries })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every one.
    pub fn iter(&self) -> std::slice::Iter<'_, Fingerprint> {
        self.entries.iter()
    }

    /// The fingerprints of an address that a name server gave. An address that a list knows for a false positive has
    /// that one first.
    pub fn of_address(&self, address: IpAddr) -> Vec<&Fingerprint> {
        self.in_order(self.addresses.get(&address.to_canonical()))
    }

    /// The fingerprints of a name of a CNAME chain.
    pub fn of_name(&self, name: &str) -> Vec<&Fingerprint> {
        self.in_order(self.names.get(&host(name)))
    }

    fn in_order(&self, found: Option<&Vec<usize>>) -> Vec<&Fingerprint> {
        let found = found.into_iter().flatten().filter_map(|index| self.entries.get(*index));
        let mut found: Vec<&Fingerprint> = found.collect();
        found.sort_by_key(|entry| entry.scope);
        found
    }

    /// Everything that an answer bears: false positives first, then by who shows it. Time and space are linear in what
    /// is looked at, which is bounded: 64 KiB of header fields and 64 KiB of the page.
    pub fn of_answer(&self, headers: &[(String, String)], body: &[u8]) -> Vec<Found<'_>> {
        let layout = Layout::new(headers, body);
        let mut found: BTreeSet<(Scope, usize, Spot)> = BTreeSet::new();
        let mut note = |index: usize, spot: Option<Spot>| {
            if let (Some(entry), Some(spot)) = (self.entries.get(index), spot) {
                found.insert((entry.scope, index, spot));
            }
        };
        // Where a page repeats a text, its first place tells all.
        let (mut met, mut seen) = (vec![false; self.owners.len()], vec![false; self.owners.len()]);
        for hit in self.texts.iter().flat_map(|texts| texts.find_overlapping_iter(layout.text())) {
            let text = hit.pattern().as_usize();
            let (Some(owners), Some(seen)) = (self.owners.get(text), seen.get_mut(text)) else { continue };
            if let Some(met) = met.get_mut(text) {
                *met = true;
            }
            if layout.spot(hit.start()) == Some(Spot::Body) && std::mem::replace(seen, true) {
                continue;
            }
            for &index in owners {
                let Some(entry) = self.entries.get(index) else { continue };
                note(index, layout.satisfies(&entry.place, &entry.pattern, &hit.range()));
            }
        }
        let possible = |expression: &&Expression| match expression.needs {
            Some(text) => met.get(text).copied().unwrap_or(true),
            None => true,
        };
        for expression in self.expressions.iter().filter(possible) {
            for (start, text) in layout.texts(&expression.place) {
                let spot = expression.regex.find(text).and_then(|hit| layout.spot(start + hit.start()));
                expression.of.iter().for_each(|&index| note(index, spot));
            }
        }
        let found = found.into_iter();
        found.filter_map(|(_, index, spot)| Some(Found { fingerprint: self.entries.get(index)?, spot })).collect()
    }
}

/// Where an expression stands, if it is one, and the entries that want it.
type Tried = (Option<usize>, Vec<usize>);

/// Fingerprints sorted by the way in which they are looked up; those that look for the same share one place.
#[derive(Default)]
struct Sorted<'e> {
    addresses: HashMap<IpAddr, Vec<usize>>,
    names: HashMap<String, Vec<usize>>,
    texts: Vec<String>,
    owners: Vec<Vec<usize>>,
    by_text: HashMap<String, usize>,
    /// Each with the text that it needs.
    expressions: BTreeMap<(&'e Place, &'e str), Tried>,
}

impl<'e> Sorted<'e> {
    fn add(&mut self, index: usize, entry: &'e Fingerprint) {
        match (&entry.place, &entry.pattern) {
            (Place::Dns, pattern) => match pattern.text().map(|text| (text, text.parse::<IpAddr>())) {
                Some((_, Ok(ip))) => self.addresses.entry(ip.to_canonical()).or_default().push(index),
                Some((text, Err(_))) => self.names.entry(host(text)).or_default().push(index),
                None => {}
            },
            (place, Pattern::Regex(expression)) => {
                let needs = needed(expression).map(|text| self.text(&text));
                self.expressions.entry((place, expression)).or_insert((needs, Vec::new())).1.push(index);
            }
            (_, Pattern::Full(text) | Pattern::Prefix(text) | Pattern::Contains(text)) => {
                let at = self.text(text);
                if let Some(owners) = self.owners.get_mut(at) {
                    owners.push(index);
                }
            }
        }
    }

    /// The place of a text in the automaton.
    fn text(&mut self, text: &str) -> usize {
        if let Some(at) = self.by_text.get(text) {
            return *at;
        }
        self.texts.push(text.to_owned());
        self.owners.push(Vec::new());
        self.by_text.insert(text.to_owned(), self.texts.len() - 1);
        self.texts.len() - 1
    }
}

/// A name as names are compared.
fn host(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, scope: Scope, place: Place, pattern: Pattern) -> Fingerprint {
        let source = "test".into();
        Fingerprint { name: name.into(), source, scope, countries: Vec::new(), sure: true, place, pattern }
    }

    fn names(found: &[Found<'_>]) -> Vec<(String, Spot)> {
        found.iter().map(|found| (found.fingerprint.name.clone(), found.spot)).collect()
    }

    #[test]
    fn the_list_of_the_binary_is_ready() {
        let built_in = Fingerprints::built_in();
        assert_eq!(built_in.len(), built_in::list().len());
        assert!((10..=40).contains(&built_in.len()), "{}", built_in.len());
    }

    #[test]
    fn everything_is_found_in_one_look_false_positives_first() {
        let contains = |text: &str| Pattern::Contains(text.into());
        let library = Fingerprints::only(vec![
            entry("body", Scope::National, Place::Body, contains("blocked by law")),
            entry("overlap", Scope::Provider, Place::Body, contains("by law of")),
            entry("twin", Scope::VagueWords, Place::Answer, contains("blocked by law")),
            entry("fp", Scope::FalsePositive, Place::Body, Pattern::from_expression("law of .hysics").unwrap()),
            entry("to", Scope::Provider, Place::Header("location".into()), Pattern::Prefix("http://stop.".into())),
            entry("server", Scope::Product, Place::Answer, contains("Server: Wall/")),
            entry("not", Scope::National, Place::Header("via".into()), contains("blocked by law")),
            entry("field", Scope::National, Place::Header("x".into()), Pattern::from_expression("a.c+d").unwrap()),
        ])
        .unwrap();
        let headers = [("server", "Wall/2"), ("location", "http://stop.example/"), ("X", "abccd")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let found = library.of_answer(&headers, "blocked by law of physics, blocked by law of physics".as_bytes());
        let wanted = [
            ("fp", Spot::Body),
            ("server", Spot::Header(0)),
            ("field", Spot::Header(2)),
            ("overlap", Spot::Body),
            ("to", Spot::Header(1)),
            ("body", Spot::Body),
            ("twin", Spot::Body),
        ];
        let mut wanted = wanted.map(|(name, spot)| (name.to_owned(), spot)).to_vec();
        let mut told = names(&found);
        assert_eq!(told.first(), wanted.first());
        assert_eq!(told.last(), wanted.last());
        wanted.sort();
        told.sort();
        assert_eq!(told, wanted);
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let replacement = Pattern::from_expression("\u{fffd}.*\u{fffd}").unwrap();
        let library = Fingerprints::only(vec![
            entry("blocked", Scope::National, Place::Body, Pattern::Contains("blocked".into())),
            entry("replaced", Scope::FalsePositive, Place::Body, replacement),
        ])
        .unwrap();
        let found = library.of_answer(&[], b"\xff\xfe blocked \xc3\x28");
        assert_eq!(names(&found), [("blocked".to_owned(), Spot::Body)]);
    }

    #[test]
    fn addresses_and_names_are_looked_up_whole() {
        let full = |text: &str| Pattern::Full(text.into());
        let library = Fingerprints::only(vec![
            entry("v4", Scope::National, Place::Dns, full("10.10.34.34")),
            entry("v6", Scope::National, Place::Dns, full("d0::11")),
            entry("name", Scope::Provider, Place::Dns, full("Block.example")),
        ])
        .unwrap();
        let of = |ip: &str| library.of_address(ip.parse().unwrap()).len();
        assert_eq!((of("10.10.34.34"), of("::ffff:10.10.34.34"), of("d0::11"), of("10.10.34.3")), (1, 1, 1, 0));
        assert_eq!(library.of_name("block.EXAMPLE.").len(), 1);
        assert!(library.of_name("sub.block.example").is_empty());
        assert!(library.of_answer(&[], b"10.10.34.34 block.example").is_empty());
    }

    #[test]
    fn too_much_is_refused() {
        let text = |index: usize| Pattern::Contains(format!("{index:08}{}", "x".repeat(8_000)));
        let many = (0..600).map(|index| entry("x", Scope::Unknown, Place::Body, text(index))).collect();
        assert_eq!(Fingerprints::only(many).unwrap_err(), TooMuch::Text);
        let expression = |index: usize| Pattern::Regex(format!("{index}.*x"));
        let many = (100..700).map(|index| entry("x", Scope::Unknown, Place::Body, expression(index))).collect();
        assert_eq!(Fingerprints::only(many).unwrap_err(), TooMuch::Expressions);
    }
}
