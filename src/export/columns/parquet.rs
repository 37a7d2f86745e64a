//! Rows as Apache Parquet: typed columns, instants in UTC (milliseconds), Zstandard.
//!
//! Measurements come in order of time; a row group holds those of one day, a long day is split, so that memory is
//! bounded and a reader of some days skips the others.

use std::io::{self, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use super::measurements::{Measurements, Row};
use super::spans::Spans;
use super::{Column, Kind, Rows, Value};
use crate::model::{Evidence, Span, Timestamp, Verdict};

/// Rows of one row group at most.
const MOST_ROWS: usize = 100_000;
/// Bytes of text that a row group gathers at most, about.
const MOST_BYTES: usize = 64 << 20;
const DAY_MS: i64 = 86_400_000;

/// The cells of one column of a row group, and which of them are there.
struct Cells {
    values: Values,
    there: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Whole(Vec<i64>),
    Real(Vec<f64>),
    Truth(Vec<bool>),
}

impl Cells {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text | Kind::Json => Values::Text(Vec::new()),
            Kind::Instant | Kind::Count => Values::Whole(Vec::new()),
            Kind::Real => Values::Real(Vec::new()),
            Kind::Truth => Values::Truth(Vec::new()),
        };
        Self { values, there: Vec::new() }
    }

    /// Takes a cell in; tells how many bytes of text it brought.
    fn push(&mut self, value: Value<'_>) -> usize {
        let mut bytes = 0;
        let fits = match (&mut self.values, value) {
            (Values::Text(texts), Value::Text(text)) => {
                bytes = text.len();
                texts.push(ByteArray::from(text.into_owned().into_bytes()));
                true
            }
            (Values::Whole(numbers), Value::Instant(at)) => {
                numbers.push(at.as_unix_ms());
                true
            }
            (Values::Whole(numbers), Value::Count(number)) => {
                numbers.push(number);
                true
            }
            (Values::Real(numbers), Value::Real(number)) => {
                numbers.push(number);
                true
            }
            (Values::Truth(truths), Value::Truth(truth)) => {
                truths.push(truth);
                true
            }
            // A test holds every column to its kind.
            _ => false,
        };
        self.there.push(i16::from(fits));
        bytes
    }

    fn clear(&mut self) {
        self.there.clear();
        match &mut self.values {
            Values::Text(values) => values.clear(),
            Values::Whole(values) => values.clear(),
            Values::Real(values) => values.clear(),
            Values::Truth(values) => values.clear(),
        }
    }

    fn write(&self, column: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let there = Some(self.there.as_slice());
        let written = match (&self.values, column) {
            (Values::Text(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                writer.write_batch(values, there, None)
            }
            (Values::Whole(values), ColumnWriter::Int64ColumnWriter(writer)) => writer.write_batch(values, there, None),
            (Values::Real(values), ColumnWriter::DoubleColumnWriter(writer)) => writer.write_batch(values, there, None),
            (Values::Truth(values), ColumnWriter::BoolColumnWriter(writer)) => writer.write_batch(values, there, None),
            _ => Err(ParquetError::General("a column is of another kind than its cells".to_owned())),
        };
        written.map(drop)
    }
}

/// A file that is being written.
struct File<T: Rows, W: Write + Send> {
    of: PhantomData<T>,
    writer: SerializedFileWriter<W>,
    cells: Vec<Cells>,
    rows: usize,
    bytes: usize,
}

impl<T: Rows, W: Write + Send> File<T, W> {
    fn new(out: W) -> io::Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("blockspan ", env!("CARGO_PKG_VERSION")).to_owned());
        let writer = SerializedFileWriter::new(out, schema::<T>()?, Arc::new(properties.build()))?;
        let cells = T::COLUMNS.iter().map(|column| Cells::new(column.kind)).collect();
        Ok(Self { of: PhantomData, writer, cells, rows: 0, bytes: 0 })
    }

    fn push(&mut self, row: &T::Row<'_>) -> io::Result<()> {
        for (column, cells) in T::COLUMNS.iter().zip(&mut self.cells) {
            self.bytes += cells.push((column.cell)(row));
        }
        self.rows += 1;
        if self.rows >= MOST_ROWS || self.bytes >= MOST_BYTES { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for cells in &mut self.cells {
            let Some(mut column) = group.next_column()? else { break };
            cells.write(column.untyped())?;
            column.close()?;
            cells.clear();
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.end_group()?;
        self.writer.finish()?;
        Ok(())
    }
}

/// All columns may be null: a reader then needs no other schema when one becomes optional.
fn schema<T: Rows>() -> Result<TypePtr, ParquetError> {
    let field = |column: &Column<T>| {
        let (physical, logical) = match column.kind {
            Kind::Text | Kind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Instant => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
            Kind::Count => (Physical::INT64, None),
            Kind::Real => (Physical::DOUBLE, None),
            Kind::Truth => (Physical::BOOLEAN, None),
        };
        let builder = Type::primitive_type_builder(column.name, physical).with_repetition(Repetition::OPTIONAL);
        builder.with_logical_type(logical).build().map(Arc::new)
    };
    let fields = T::COLUMNS.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder(T::NAME).with_fields(fields).build().map(Arc::new)
}

/// Writes spans as Parquet.
///
/// # Errors
/// The output cannot be written.
pub fn spans_parquet(spans: &[Span], out: impl Write + Send) -> io::Result<()> {
    let mut file = File::<Spans, _>::new(out)?;
    spans.iter().try_for_each(|span| file.push(span))?;
    file.finish()
}

/// Writes measurements as Parquet, one after another.
pub struct MeasurementsParquet<W: Write + Send> {
    file: File<Measurements, W>,
    day: Option<i64>,
}

impl<W: Write + Send> MeasurementsParquet<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn new(out: W) -> io::Result<Self> {
        Ok(Self { file: File::new(out)?, day: None })
    }

    /// Takes one measurement in; they come in order of time.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write(&mut self, evidence: &Evidence, verdict: &Verdict) -> io::Result<()> {
        let day = Timestamp::as_unix_ms(evidence.measurement.started_at).div_euclid(DAY_MS);
        if self.day.replace(day).is_some_and(|before| before != day) {
            self.file.end_group()?;
        }
        self.file.push(&Row::new(evidence, verdict))
    }

    /// Writes what is left, and the footer without which the file cannot be read.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(self) -> io::Result<()> {
        self.file.finish()
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;
    use crate::cli::fixtures;

    fn open(bytes: Vec<u8>) -> SerializedFileReader<bytes::Bytes> {
        SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap()
    }

    #[test]
    fn spans_read_back_typed() {
        let ended =
            fixtures::span(fixtures::UNKNOWN, Some(fixtures::between("2026-11-24T21:30:00Z", "2026-11-24T21:44:00Z")));
        let mut bytes = Vec::new();
        spans_parquet(&[fixtures::changing_span(), ended], &mut bytes).unwrap();
        let rows: Vec<_> = open(bytes).get_row_iter(None).unwrap().map(Result::unwrap).collect();
        let cell = |row: usize, name: &str| {
            let found = rows[row].get_column_iter().find(|(column, _)| *column == name);
            found.map(|(_, field)| field.clone()).unwrap()
        };
        assert_eq!(cell(0, "site"), Field::Str("fergana".into()));
        assert_eq!(cell(0, "start_latest"), Field::TimestampMillis(fixtures::at("2026-11-24T20:01:12Z").as_unix_ms()));
        assert_eq!((cell(0, "end_latest"), cell(0, "ongoing")), (Field::Null, Field::Bool(true)));
        assert_eq!((cell(1, "start_earliest"), cell(1, "ongoing")), (Field::Null, Field::Bool(false)));
        assert_eq!((cell(0, "measurements"), cell(0, "confidence")), (Field::Long(123), Field::Double(0.9999)));
    }

    #[test]
    fn each_day_of_measurements_is_a_row_group() {
        let (evidence, verdict) = fixtures::clienthello_swallowed();
        let mut bytes = Vec::new();
        let mut file = MeasurementsParquet::new(&mut bytes).unwrap();
        for hour in [0, 1, 23, 30, 80] {
            let mut evidence = evidence.clone();
            evidence.measurement.started_at =
                fixtures::at("2026-11-24T00:00:00Z").plus(std::time::Duration::from_secs(hour * 3600));
            file.write(&evidence, &verdict).unwrap();
        }
        file.finish().unwrap();
        let file = open(bytes);
        let groups: Vec<i64> = file.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(groups, [3, 1, 1]);
        assert_eq!(file.get_row_iter(None).unwrap().count(), 5);
    }

    #[test]
    fn nothing_is_a_file_too() {
        let mut bytes = Vec::new();
        spans_parquet(&[], &mut bytes).unwrap();
        assert_eq!(open(bytes).metadata().file_metadata().num_rows(), 0);
    }
}
