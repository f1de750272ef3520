//! The cells of a column, each kind in the narrowest form that holds it.

use crate::num::Shared;
use indexmap::IndexSet;
use std::sync::Arc;

/// The cells of one column.
#[derive(Clone, Debug)]
pub enum Column {
    /// Finite numbers. Integers in it are exact.
    Numbers(Numbers),
    /// Anything else.
    Texts {
        /// For each row the place of its text in `levels`.
        codes: Codes,
        /// The distinct texts, in the order in which they first occur.
        levels: Arc<IndexSet<String>>,
    },
}

impl Column {
    /// The code of a missing cell.
    pub const NONE: u32 = u32::MAX;

    /// The text of a cell (a number's shortest one); `None` when it is missing or there is no such cell.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Column::Numbers(values) if row < values.len() => show(values.get(row)),
            Column::Texts { codes, levels } if row < codes.len() => {
                levels.get_index(codes.get(row) as usize).cloned()
            }
            Column::Numbers(_) | Column::Texts { .. } => None,
        }
    }
}

/// The shortest text of a number; `None` for NaN.
fn show(number: f64) -> Option<String> {
    (!number.is_nan()).then(|| number.to_string())
}

/// A form of `Wide` that takes less memory and has a value of its own for a missing cell.
trait Narrow<Wide>: Copy {
    /// Stands for a missing cell.
    const MISSING: Self;

    /// The same value, or `MISSING` for a missing one; `None` when it does not fit.
    fn narrow(wide: Wide) -> Option<Self>;

    /// The value; a missing cell is NaN or [`Column::NONE`].
    fn widen(self) -> Wide;
}

macro_rules! integers {
    ($($small:ty)*) => {$(
        impl Narrow<f64> for $small {
            const MISSING: Self = <$small>::MIN;

            fn narrow(wide: f64) -> Option<Self> {
                if wide.is_nan() {
                    return Some(Self::MISSING);
                }
                let small = wide as $small;
                (f64::from(small) == wide && small != Self::MISSING).then_some(small)
            }

            fn widen(self) -> f64 {
                if self == Self::MISSING { f64::NAN } else { f64::from(self) }
            }
        }
    )*};
}

integers! { i8 i16 i32 }

macro_rules! codes {
    ($($small:ty)*) => {$(
        impl Narrow<u32> for $small {
            const MISSING: Self = <$small>::MAX;

            fn narrow(wide: u32) -> Option<Self> {
                if wide == Column::NONE {
                    return Some(Self::MISSING);
                }
                <$small>::try_from(wide).ok().filter(|small| *small != Self::MISSING)
            }

            fn widen(self) -> u32 {
                if self == Self::MISSING { Column::NONE } else { u32::from(self) }
            }
        }
    )*};
}

codes! { u8 u16 u32 }

/// Appends values until one does not fit; how many were appended.
fn append<Wide: Copy, Small: Narrow<Wide>>(to: &mut Vec<Small>, values: &[Wide]) -> usize {
    let before = to.len();
    to.extend(values.iter().map_while(|v| Small::narrow(*v)));
    to.len() - before
}

/// The values in another form, which must hold them all.
fn wider<Wide, Small: Narrow<Wide>, Big: Narrow<Wide>>(values: &[Small]) -> Vec<Big> {
    let widened = values.iter().map(|v| Big::narrow(v.widen()));
    widened.map(|v| v.unwrap_or(Big::MISSING)).collect()
}

/// One number per row, NaN where the cell is missing, never `-0`; integers of few digits take few bytes.
#[derive(Clone, Debug)]
pub struct Numbers(Stored);

#[derive(Clone, Debug)]
enum Stored {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    F64(Shared),
}

impl Numbers {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match &self.0 {
            Stored::I8(values) => values.len(),
            Stored::I16(values) => values.len(),
            Stored::I32(values) => values.len(),
            Stored::F64(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a row that there is, NaN when it is missing.
    pub fn get(&self, row: usize) -> f64 {
        match &self.0 {
            Stored::I8(values) => values[row].widen(),
            Stored::I16(values) => values[row].widen(),
            Stored::I32(values) => values[row].widen(),
            Stored::F64(values) => values[row],
        }
    }

    /// The numbers of all rows, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// The numbers themselves, when they are stored at full width.
    pub fn shared(&self) -> Option<&Shared> {
        match &self.0 {
            Stored::F64(values) => Some(values),
            Stored::I8(_) | Stored::I16(_) | Stored::I32(_) => None,
        }
    }
}

/// Numbers as they arrive.
#[derive(Debug)]
pub(super) enum GrowingNumbers {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    F64(Vec<f64>),
}

impl GrowingNumbers {
    pub(super) fn new() -> GrowingNumbers {
        GrowingNumbers::I8(Vec::new())
    }

    /// Appends numbers, NaN for a missing cell; widens what is there when one of them does not fit.
    pub(super) fn append(&mut self, values: &[f64]) {
        let mut done = 0;
        while done < values.len() {
            let left = &values[done..];
            done += match self {
                GrowingNumbers::I8(to) => append(to, left),
                GrowingNumbers::I16(to) => append(to, left),
                GrowingNumbers::I32(to) => append(to, left),
                GrowingNumbers::F64(to) => {
                    to.extend_from_slice(left);
                    left.len()
                }
            };
            if done < values.len() {
                self.widen();
            }
        }
    }

    fn widen(&mut self) {
        *self = match self {
            GrowingNumbers::I8(old) => GrowingNumbers::I16(wider(old)),
            GrowingNumbers::I16(old) => GrowingNumbers::I32(wider(old)),
            GrowingNumbers::I32(old) => {
                GrowingNumbers::F64(old.iter().map(|v| v.widen()).collect())
            }
            GrowingNumbers::F64(old) => GrowingNumbers::F64(std::mem::take(old)),
        };
    }

    /// The finished column.
    pub(super) fn finish(self) -> Numbers {
        Numbers(match self {
            GrowingNumbers::I8(values) => Stored::I8(fitted(values)),
            GrowingNumbers::I16(values) => Stored::I16(fitted(values)),
            GrowingNumbers::I32(values) => Stored::I32(fitted(values)),
            GrowingNumbers::F64(values) => Stored::F64(values.into()),
        })
    }
}

fn fitted<T>(mut values: Vec<T>) -> Vec<T> {
    values.shrink_to_fit();
    values
}

/// One code per row; few distinct ones take few bytes.
#[derive(Clone, Debug)]
pub struct Codes(Coded);

#[derive(Clone, Debug)]
enum Coded {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Codes {
    pub(super) fn new() -> Codes {
        Codes(Coded::U8(Vec::new()))
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match &self.0 {
            Coded::U8(codes) => codes.len(),
            Coded::U16(codes) => codes.len(),
            Coded::U32(codes) => codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The code of a row that there is, [`Column::NONE`] when it is missing.
    pub fn get(&self, row: usize) -> u32 {
        match &self.0 {
            Coded::U8(codes) => codes[row].widen(),
            Coded::U16(codes) => codes[row].widen(),
            Coded::U32(codes) => codes[row].widen(),
        }
    }

    /// Appends codes; widens what is there when one of them does not fit.
    pub(super) fn append(&mut self, codes: &[u32]) {
        let mut done = 0;
        while done < codes.len() {
            let left = &codes[done..];
            done += match &mut self.0 {
                Coded::U8(to) => append(to, left),
                Coded::U16(to) => append(to, left),
                Coded::U32(to) => append(to, left),
            };
            if done < codes.len() {
                self.widen();
            }
        }
    }

    fn widen(&mut self) {
        self.0 = match &mut self.0 {
            Coded::U8(old) => Coded::U16(wider(old)),
            Coded::U16(old) => Coded::U32(wider(old)),
            Coded::U32(old) => Coded::U32(std::mem::take(old)),
        };
    }

    pub(super) fn fitted(self) -> Codes {
        Codes(match self.0 {
            Coded::U8(codes) => Coded::U8(fitted(codes)),
            Coded::U16(codes) => Coded::U16(fitted(codes)),
            Coded::U32(codes) => Coded::U32(fitted(codes)),
        })
    }
}

impl FromIterator<u32> for Codes {
    fn from_iter<I: IntoIterator<Item = u32>>(codes: I) -> Codes {
        let mut out = Codes::new();
        for code in codes {
            out.append(&[code]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_values_in_every_form() {
        let cases: [(&[f64], usize); 8] = [
            (&[0.0, 1.0, f64::NAN, -127.0, 127.0], 1),
            (&[1.0, f64::NAN, -128.0], 2),
            (&[1.0, 32767.0, f64::NAN], 2),
            (&[1.0, f64::NAN, -32768.0], 4),
            (&[f64::NAN, 2147483647.0], 4),
            (&[1.0, f64::NAN, -2147483648.0], 8),
            (&[1.0, 300.0, 70000.0, 0.5, f64::NAN], 8),
            (&[1.0, 9007199254740991.0], 8),
        ];
        for (values, bytes) in cases {
            let mut growing = GrowingNumbers::new();
            let (first, second) = values.split_at(2);
            growing.append(first);
            growing.append(second);
            let numbers = growing.finish();
            let width = match &numbers.0 {
                Stored::I8(_) => 1,
                Stored::I16(_) => 2,
                Stored::I32(_) => 4,
                Stored::F64(_) => 8,
            };
            assert_eq!(width, bytes, "{values:?}");
            let bits = |v: f64| if v.is_nan() { 0 } else { v.to_bits() };
            assert!(numbers.iter().map(bits).eq(values.iter().map(|v| bits(*v))));
        }
    }

    #[test]
    fn codes_widen_before_the_code_of_a_missing_cell_is_reached() {
        let codes: Vec<u32> = (0..70_000)
            .map(|i| if i % 5 == 3 { Column::NONE } else { i })
            .collect();
        for n in [254, 255, 256, 65_534, 65_535, 65_536, 70_000] {
            let narrow: Codes = codes[..n].iter().copied().collect();
            assert!((0..n).all(|i| narrow.get(i) == codes[i]), "{n} codes");
            let bytes = match &narrow.0 {
                Coded::U8(_) => 1,
                Coded::U16(_) => 2,
                Coded::U32(_) => 4,
            };
            assert_eq!(
                bytes,
                if n <= 255 {
                    1
                } else if n <= 65_535 {
                    2
                } else {
                    4
                }
            );
        }
    }
}
