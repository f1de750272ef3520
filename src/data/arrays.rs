//! Arrow arrays as cells of a table: numbers where the type has them, else the text that a CSV would hold.

use super::Column;
use super::fill::Cells;
use super::fill::EXACT;
use super::fill::Kind;
use super::fill::code;
use super::fill::number;
use super::levels::Levels;
use arrow_array::AnyDictionaryArray;
use arrow_array::Array;
use arrow_array::ArrowPrimitiveType;
use arrow_array::PrimitiveArray;
use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::as_datetime;
use arrow_array::temporal_conversions::as_time;
use arrow_array::types::ArrowTemporalType;
use arrow_array::types::Date32Type;
use arrow_array::types::Date64Type;
use arrow_array::types::Decimal32Type;
use arrow_array::types::Decimal64Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Decimal256Type;
use arrow_array::types::DecimalType;
use arrow_array::types::Float16Type;
use arrow_array::types::Float32Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int8Type;
use arrow_array::types::Int16Type;
use arrow_array::types::Int32Type;
use arrow_array::types::Int64Type;
use arrow_array::types::Time32MillisecondType;
use arrow_array::types::Time32SecondType;
use arrow_array::types::Time64MicrosecondType;
use arrow_array::types::Time64NanosecondType;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::types::TimestampSecondType;
use arrow_array::types::UInt8Type;
use arrow_array::types::UInt16Type;
use arrow_array::types::UInt32Type;
use arrow_array::types::UInt64Type;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use std::borrow::Cow;

/// A cell as text, blanks around it included; `None` when it is missing.
type Written<'a> = Option<Cow<'a, str>>;

/// How a column of this type is read; `None` for types that no cell holds, such as lists.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "types of another crate, which has more of them with time"
)]
pub(super) fn kind(data: &DataType) -> Option<Kind> {
    if is_number(data) || *data == DataType::Null {
        return Some(Kind::Numbers);
    }
    match data {
        DataType::Dictionary(_, values) => kind(values),
        DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..) => Some(Kind::Texts),
        _ => None,
    }
}

fn is_number(data: &DataType) -> bool {
    data.is_integer() || data.is_floating() || data.is_decimal()
}

/// The cells of a column whose type has a kind.
pub(super) fn cells(array: &dyn Array, kind: Kind) -> Cells {
    match kind {
        Kind::Skipped | Kind::Mistaken => Cells::Skipped,
        Kind::Numbers => numbers(array).map_or(Cells::NoNumbers, Cells::Numbers),
        Kind::Texts => coded(array),
    }
}

/// The numbers, NaN for a missing cell; `None` when one of them is not finite or an integer that a double would not keep.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "types of another crate, which has more of them with time"
)]
fn numbers(array: &dyn Array) -> Option<Vec<f64>> {
    match array.data_type() {
        DataType::Float64 => reals::<Float64Type>(array),
        DataType::Float32 => reals::<Float32Type>(array),
        DataType::Float16 => reals::<Float16Type>(array),
        DataType::Int8 => integers::<Int8Type>(array),
        DataType::Int16 => integers::<Int16Type>(array),
        DataType::Int32 => integers::<Int32Type>(array),
        DataType::Int64 => integers::<Int64Type>(array),
        DataType::UInt8 => integers::<UInt8Type>(array),
        DataType::UInt16 => integers::<UInt16Type>(array),
        DataType::UInt32 => integers::<UInt32Type>(array),
        DataType::UInt64 => integers::<UInt64Type>(array),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let values = numbers(dictionary.values())?;
            let value = |key: Option<usize>| key.map_or(f64::NAN, |key| values[key]);
            Some(keys(dictionary).map(value).collect())
        }
        _ => {
            let cells = texts(array).into_iter();
            cells
                .map(|cell| cell.map_or(Some(f64::NAN), |cell| number(&cell)))
                .collect()
        }
    }
}

fn reals<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<Vec<f64>>
where
    f64: From<T::Native>,
{
    let real = |value: Option<T::Native>| {
        let value = value.map_or(f64::NAN, f64::from);
        // Zero has no sign.
        (!value.is_infinite()).then_some(value + 0.0)
    };
    array.as_primitive::<T>().iter().map(real).collect()
}

fn integers<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<Vec<f64>>
where
    i128: From<T::Native>,
{
    let integer = |value: Option<T::Native>| match value.map(i128::from) {
        None => Some(f64::NAN),
        Some(value) => (value.unsigned_abs() < EXACT as u128).then_some(value as i64 as f64),
    };
    array.as_primitive::<T>().iter().map(integer).collect()
}

/// The place of each row's value among those of the dictionary, `None` for a missing cell.
fn keys(array: &dyn AnyDictionaryArray) -> impl Iterator<Item = Option<usize>> {
    let keys = if array.values().is_empty() {
        vec![0; array.keys().len()] // all cells are missing
    } else {
        array.normalized_keys()
    };
    let there = |row: usize| array.keys().is_valid(row);
    keys.into_iter()
        .enumerate()
        .map(move |(row, key)| there(row).then_some(key))
}

/// The cells as codes; levels are those that occur, in the order in which they first do.
fn coded(array: &dyn Array) -> Cells {
    let mut levels = Levels::default();
    let mut codes: Vec<u32> = Vec::with_capacity(array.len());
    let mut coded = |cell: &Written, before: Option<&u32>| match cell {
        Some(cell) => code(cell.trim(), before, &mut levels),
        None => Column::NONE,
    };
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let texts = texts(dictionary.values());
        let mut known: Vec<Option<u32>> = vec![None; texts.len()];
        codes.extend(keys(dictionary).map(|key| match key {
            Some(key) => *known[key].get_or_insert_with(|| coded(&texts[key], None)),
            None => Column::NONE,
        }));
    } else {
        for cell in texts(array) {
            codes.push(coded(&cell, codes.last()));
        }
    }
    Cells::Texts { codes, levels }
}

/// The cells as texts.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "types of another crate, which has more of them with time"
)]
fn texts(array: &dyn Array) -> Vec<Written<'_>> {
    match array.data_type() {
        DataType::Utf8 => borrowed(array.as_string::<i32>().iter()),
        DataType::LargeUtf8 => borrowed(array.as_string::<i64>().iter()),
        DataType::Utf8View => borrowed(array.as_string_view().iter()),
        DataType::Boolean => {
            let word = |value| if value { "true" } else { "false" };
            borrowed(array.as_boolean().iter().map(|v| v.map(word)))
        }
        DataType::Float64 => shown::<Float64Type>(array, real_text),
        DataType::Float32 => shown::<Float32Type>(array, |v| real_text(v.into())),
        DataType::Float16 => shown::<Float16Type>(array, |v| real_text(v.into())),
        DataType::Int8 => shown::<Int8Type>(array, |v| v.to_string()),
        DataType::Int16 => shown::<Int16Type>(array, |v| v.to_string()),
        DataType::Int32 => shown::<Int32Type>(array, |v| v.to_string()),
        DataType::Int64 => shown::<Int64Type>(array, |v| v.to_string()),
        DataType::UInt8 => shown::<UInt8Type>(array, |v| v.to_string()),
        DataType::UInt16 => shown::<UInt16Type>(array, |v| v.to_string()),
        DataType::UInt32 => shown::<UInt32Type>(array, |v| v.to_string()),
        DataType::UInt64 => shown::<UInt64Type>(array, |v| v.to_string()),
        DataType::Decimal32(..) => decimals::<Decimal32Type>(array),
        DataType::Decimal64(..) => decimals::<Decimal64Type>(array),
        DataType::Decimal128(..) => decimals::<Decimal128Type>(array),
        DataType::Decimal256(..) => decimals::<Decimal256Type>(array),
        DataType::Date32 => dates::<Date32Type>(array),
        DataType::Date64 => dates::<Date64Type>(array),
        DataType::Time32(TimeUnit::Second) => times::<Time32SecondType>(array),
        DataType::Time32(_) => times::<Time32MillisecondType>(array),
        DataType::Time64(TimeUnit::Microsecond) => times::<Time64MicrosecondType>(array),
        DataType::Time64(_) => times::<Time64NanosecondType>(array),
        DataType::Timestamp(unit, zone) => {
            let mark = if zone.is_some() { "Z" } else { "" };
            match unit {
                TimeUnit::Second => moments::<TimestampSecondType>(array, mark),
                TimeUnit::Millisecond => moments::<TimestampMillisecondType>(array, mark),
                TimeUnit::Microsecond => moments::<TimestampMicrosecondType>(array, mark),
                TimeUnit::Nanosecond => moments::<TimestampNanosecondType>(array, mark),
            }
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let values = texts(dictionary.values());
            keys(dictionary).map(|key| values[key?].clone()).collect()
        }
        _ => vec![None; array.len()],
    }
}

fn borrowed<'a>(cells: impl Iterator<Item = Option<&'a str>>) -> Vec<Written<'a>> {
    cells.map(|cell| cell.map(Cow::Borrowed)).collect()
}

fn shown<T: ArrowPrimitiveType>(
    array: &dyn Array,
    show: impl Fn(T::Native) -> String,
) -> Vec<Written<'_>> {
    let cells = array.as_primitive::<T>().iter();
    cells
        .map(|cell| cell.map(|value| show(value).into()))
        .collect()
}

/// The shortest text of a number; zero has no sign.
fn real_text(value: f64) -> String {
    (value + 0.0).to_string()
}

fn decimals<T: DecimalType>(array: &dyn Array) -> Vec<Written<'_>> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let text = |row: usize| {
        array
            .is_valid(row)
            .then(|| array.value_as_string(row).into())
    };
    (0..array.len()).map(text).collect()
}

/// Days as `2026-01-31`; the number itself when it is out of the calendar.
fn dates<T: ArrowTemporalType>(array: &dyn Array) -> Vec<Written<'_>>
where
    i64: From<T::Native>,
{
    shown::<T>(array, |value| {
        let value = i64::from(value);
        as_datetime::<T>(value)
            .map_or_else(|| value.to_string(), |moment| moment.date().to_string())
    })
}

/// Times of day as `13:45:00`.
fn times<T: ArrowTemporalType>(array: &dyn Array) -> Vec<Written<'_>>
where
    i64: From<T::Native>,
{
    shown::<T>(array, |value| {
        let value = i64::from(value);
        as_time::<T>(value).map_or_else(|| value.to_string(), |time| time.to_string())
    })
}

/// Moments as `2026-01-31 13:45:00`, with `mark` after those that are in universal time.
fn moments<'a, T: ArrowTemporalType>(array: &'a dyn Array, mark: &str) -> Vec<Written<'a>>
where
    i64: From<T::Native>,
{
    shown::<T>(array, |value| {
        let value = i64::from(value);
        as_datetime::<T>(value)
            .map_or_else(|| value.to_string(), |moment| format!("{moment}{mark}"))
    })
}
