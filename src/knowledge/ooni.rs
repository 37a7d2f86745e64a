//! OONI's CSV: `name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries,…`, in a
//! file for name servers and one for HTTP. Quoted fields may hold line ends.

use std::sync::Arc;

use csv::ByteRecord;

use super::bad::{BadLines, shown};
use super::country::named_in;
use super::fingerprint::{Fingerprint, Place, Scope};
use super::pattern::Pattern;
use crate::model::CountryCode;

/// OONI's rating from which an entry counts as sure, of 10. Those of the list are 5 and above but for one.
const SURE: u8 = 5;

struct Columns {
    name: usize,
    scope: usize,
    location: usize,
    kind: usize,
    pattern: usize,
    confidence: Option<usize>,
    countries: Option<usize>,
}

/// Reads the list; None when the header line is another's.
pub(super) fn read(file: &str, bytes: &[u8]) -> Option<(Vec<Fingerprint>, BadLines)> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.byte_headers().ok()?.clone();
    let column = |name: &str| header.iter().position(|field| field.trim_ascii() == name.as_bytes());
    let columns = Columns {
        name: column("name")?,
        scope: column("scope")?,
        location: column("location_found")?,
        kind: column("pattern_type")?,
        pattern: column("pattern")?,
        confidence: column("confidence_no_fp"),
        countries: column("expected_countries"),
    };
    let source: Arc<str> = format!("OONI blocking-fingerprints, {}", shown(file)).into();
    let (mut entries, mut bad) = (Vec::new(), BadLines::default());
    let mut record = ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                bad.add(error.position().map_or(0, csv::Position::line), "not CSV");
                break;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        match columns.entry(&record, &source) {
            Ok(entry) => entries.push(entry),
            Err(wrong) => bad.add(line, wrong),
        }
    }
    Some((entries, bad))
}

impl Columns {
    fn entry(&self, record: &ByteRecord, source: &Arc<str>) -> Result<Fingerprint, String> {
        let text = |column: usize, name: &str| {
            let bytes = record.get(column).ok_or_else(|| format!("there is no `{name}`"))?;
            std::str::from_utf8(bytes).map_err(|_| format!("`{name}` is not UTF-8"))
        };
        let or_empty = |column: Option<usize>, name: &str| column.map_or(Ok(""), |column| text(column, name));
        let name = text(self.name, "name")?.trim();
        if name.is_empty() {
            return Err("`name` is empty".into());
        }
        let scope = scope(name, text(self.scope, "scope")?.trim())?;
        let place = place(text(self.location, "location_found")?.trim())?;
        let pattern = pattern(text(self.kind, "pattern_type")?.trim(), text(self.pattern, "pattern")?)?.checked()?;
        if place == Place::Dns && !matches!(pattern, Pattern::Full(_)) {
            return Err("an answer of a name server is only compared in `full`".into());
        }
        let sure = match or_empty(self.confidence, "confidence_no_fp")?.trim() {
            "" => true,
            number => number.parse::<u8>().map_err(|_| "`confidence_no_fp` is no number from 0 to 10")? >= SURE,
        };
        let mut countries = countries(or_empty(self.countries, "expected_countries")?)?;
        if countries.is_empty()
            && let Some(of_censored_planet) = name.strip_prefix("cp.")
        {
            countries.extend(named_in(of_censored_planet));
        }
        Ok(Fingerprint { name: shown(name), source: Arc::clone(source), scope, countries, sure, place, pattern })
    }
}

/// Entries taken from Censored Planet bear its class in their name. Its "unknown" became OONI's `nat`, which would make
/// pages of nobody known prove a national block.
fn scope(name: &str, scope: &str) -> Result<Scope, String> {
    Ok(match scope {
        "fp" => Scope::FalsePositive,
        "nat" | "isp" if name.starts_with("cp.e_unk_") => Scope::Unknown,
        "nat" => Scope::National,
        "isp" => Scope::Provider,
        "prod" => Scope::Product,
        "inst" => Scope::Institution,
        "vbw" => Scope::VagueWords,
        "injb" | "prov" => Scope::Unknown,
        other => {
            return Err(format!("`scope` is {other:?}; known are nat, isp, prod, inst, vbw, fp, injb and prov"));
        }
    })
}

fn place(location: &str) -> Result<Place, String> {
    match location.split_once('.') {
        Some(("header", name)) if !name.is_empty() => Ok(Place::Header(name.to_ascii_lowercase())),
        None if location == "body" => Ok(Place::Body),
        None if location == "dns" => Ok(Place::Dns),
        _ => Err(format!("`location_found` is {location:?}; known are dns, body and header.NAME")),
    }
}

fn pattern(kind: &str, text: &str) -> Result<Pattern, String> {
    match kind {
        "full" => Ok(Pattern::Full(text.trim().into())),
        "prefix" => Ok(Pattern::Prefix(text.into())),
        "contains" => Ok(Pattern::Contains(text.into())),
        "regexp" => Pattern::from_expression(text),
        other => Err(format!("`pattern_type` is {other:?}; known are full, prefix, contains and regexp")),
    }
}

/// `KZ`, `AE,SA`; `ZZ` stands for any.
fn countries(text: &str) -> Result<Vec<CountryCode>, String> {
    let codes = text.split(',').map(str::trim).filter(|code| !code.is_empty());
    let codes: Vec<CountryCode> = codes.map(str::parse).collect::<Result<_, String>>()?;
    Ok(codes.into_iter().filter(|code| *code != CountryCode::UNKNOWN).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries,source\n";

    fn list(rows: &str) -> (Vec<Fingerprint>, BadLines) {
        read("sample.csv", format!("{HEAD}{rows}").as_bytes()).unwrap()
    }

    #[test]
    fn rows_are_read_as_they_are_meant() {
        let (entries, bad) = list(concat!(
            "s.kg_0,isp,,header.Location,full,http://stop.example/page ,5,KG,s\n",
            "s.ae_0,nat,,header.server,prefix,Guarded by,5,\"AE,SA\",s\n",
            "s.ir_0,nat,,dns,full,10.9.9.9,10,IR,s\n",
            "s.zz_0,prod,,body,contains,\"two\nlines\",0,ZZ,s\n",
            "cp.c_isp_ru_x,isp,,body,regexp,Access.*closed,5,,s\n",
            "cp.e_unk_blk_1,nat,,body,contains,blokeret,5,,s\n",
            "s.fp,fp,,body,contains,It works!,,,s\n",
        ));
        assert!(bad.is_empty(), "{bad:?}");
        let told: Vec<_> = entries
            .iter()
            .map(|entry| {
                let countries: Vec<&str> = entry.countries.iter().map(CountryCode::as_str).collect();
                (entry.scope, entry.place.clone(), entry.pattern.clone(), countries.join(" "), entry.sure)
            })
            .collect();
        let header = |name: &str| Place::Header(name.into());
        assert_eq!(
            told,
            [
                (
                    Scope::Provider,
                    header("location"),
                    Pattern::Full("http://stop.example/page".into()),
                    "KG".into(),
                    true
                ),
                (Scope::National, header("server"), Pattern::Prefix("Guarded by".into()), "AE SA".into(), true),
                (Scope::National, Place::Dns, Pattern::Full("10.9.9.9".into()), "IR".into(), true),
                (Scope::Product, Place::Body, Pattern::Contains("two\nlines".into()), String::new(), false),
                (Scope::Provider, Place::Body, Pattern::Regex("Access.*closed".into()), "RU".into(), true),
                (Scope::Unknown, Place::Body, Pattern::Contains("blokeret".into()), String::new(), true),
                (Scope::FalsePositive, Place::Body, Pattern::Contains("It works!".into()), String::new(), true),
            ]
        );
        assert_eq!(&*entries[0].source, "OONI blocking-fingerprints, sample.csv");
    }

    #[test]
    fn bad_rows_are_named_and_the_rest_is_read() {
        let (entries, bad) = list(concat!(
            "a,isp,,body,contains,good one,5,KG,s\n",
            "b,xxx,,body,contains,whatever,5,KG,s\n",
            "c,isp,,footer,contains,whatever,5,KG,s\n",
            "d,isp,,body,glob,whatever,5,KG,s\n",
            "e,isp,,body,regexp,a(?=bc)d,5,KG,s\n",
            "f,isp,,body,contains,\"over\ntwo lines\",many,KG,s\n",
            "g,isp,,body,contains,whatever,5,Kyrgyzstan,s\n",
            "h,isp\n",
            "i,isp,,dns,prefix,10.1,5,KG,s\n",
            ",isp,,body,contains,whatever,5,KG,s\n",
            "k,isp,,body,contains,x,5,KG,s\n",
            "l,isp,,body,contains,good two,5,KG,s\n",
        ));
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a", "l"]);
        let lines: Vec<u64> = bad.named.iter().map(|line| line.line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7, 9, 10, 11, 12, 13]);
        for (line, part) in bad.named.iter().zip([
            "`scope` is \"xxx\"",
            "`location_found` is \"footer\"",
            "`pattern_type` is \"glob\"",
            "look-around",
            "`confidence_no_fp`",
            "`Kyrgyzstan` is not a country code",
            "no `location_found`",
            "only compared in `full`",
            "`name` is empty",
            "shorter",
        ]) {
            assert!(line.wrong.contains(part), "{line:?}");
        }
    }

    #[test]
    fn another_csv_is_no_list() {
        assert!(read("x", b"url,category_code\nhttp://a,NEWS\n").is_none());
    }
}
