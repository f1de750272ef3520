//! Labels: their order, the element that a key names, and columns of them.

use super::Labels;
use crate::data::Codes;
use crate::data::Column;
use indexmap::IndexSet;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// A row that lies in no element.
pub(super) const NOWHERE: u32 = Column::NONE;

/// Integers below this are looked up in a table.
const SMALL: usize = 1 << 20;

/// How the labels of one key compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// All are integers: `01` is `1`.
    Integers,
    /// All are numbers: by value.
    Numbers,
    /// By their characters, runs of digits by value: `b2` before `b10`.
    Natural,
}

impl Order {
    /// The order for these labels.
    pub(super) fn of<'a>(labels: impl Iterator<Item = &'a str> + Clone) -> Order {
        if labels.clone().all(|l| l.parse::<i128>().is_ok()) {
            Order::Integers
        } else if labels.clone().all(|l| l.parse::<f64>().is_ok()) {
            Order::Numbers
        } else {
            Order::Natural
        }
    }

    /// The label by which all ways to write it are known.
    pub(super) fn canonical(self, label: &str) -> String {
        match self {
            Order::Integers => label
                .parse::<i128>()
                .map_or_else(|_| label.to_string(), |i| i.to_string()),
            Order::Numbers | Order::Natural => label.to_string(),
        }
    }

    fn compare(self, a: &str, b: &str) -> Ordering {
        match self {
            Order::Integers => (a.parse::<i128>().ok(), a).cmp(&(b.parse::<i128>().ok(), b)),
            Order::Numbers => {
                let value = |s: &str| s.parse::<f64>().unwrap_or(f64::NAN);
                value(a).total_cmp(&value(b)).then_with(|| a.cmp(b))
            }
            Order::Natural => natural(a, b),
        }
    }
}

/// Text by characters, runs of digits by value; equal only when the same.
fn natural(a: &str, b: &str) -> Ordering {
    let digits = |s: &str| s.chars().take_while(char::is_ascii_digit).count();
    let (mut x, mut y) = (a, b);
    loop {
        let (m, n) = (digits(x), digits(y));
        let step = if m > 0 && n > 0 {
            let (p, q) = (
                x[..m].trim_start_matches('0'),
                y[..n].trim_start_matches('0'),
            );
            let order = p.len().cmp(&q.len()).then_with(|| p.cmp(q));
            (x, y) = (&x[m..], &y[n..]);
            order
        } else {
            let (c, d) = (x.chars().next(), y.chars().next());
            let (Some(c), Some(d)) = (c, d) else {
                return c.cmp(&d).then_with(|| a.cmp(b));
            };
            (x, y) = (&x[c.len_utf8()..], &y[d.len_utf8()..]);
            c.cmp(&d)
        };
        if step != Ordering::Equal {
            return step;
        }
    }
}

/// A column as labels.
#[derive(Clone, Debug)]
pub(super) struct Labelled<'a> {
    /// For each row the place of its label in `labels`; [`NOWHERE`] when it is missing.
    pub(super) codes: Cow<'a, Codes>,
    /// The distinct labels, all of which occur.
    pub(super) labels: Vec<Cow<'a, str>>,
}

impl<'a> Labelled<'a> {
    /// The labels of a column.
    pub(super) fn of(column: &'a Column) -> Labelled<'a> {
        match column {
            Column::Texts { codes, levels } => Labelled {
                codes: Cow::Borrowed(codes),
                labels: levels.iter().map(|l| Cow::Borrowed(l.as_str())).collect(),
            },
            Column::Numbers(values) => {
                let mut first = Vec::new();
                let mut seen = IndexSet::new();
                // The codes of small integers, of which most keys consist, found without a search.
                let mut small: Vec<u32> = Vec::new();
                let codes = values.iter().enumerate().map(|(row, value)| {
                    if value.is_nan() {
                        return NOWHERE;
                    }
                    let place = value as usize;
                    let is_small = place < SMALL && place as f64 == value;
                    if is_small && let Some(code) = small.get(place).filter(|c| **c != NOWHERE) {
                        return *code;
                    }
                    let (code, new) = seen.insert_full(value.to_bits());
                    if new {
                        first.push(Cow::Owned(column.text(row).unwrap_or_default()));
                    }
                    if is_small {
                        small.resize(small.len().max(place + 1), NOWHERE);
                        small[place] = code as u32;
                    }
                    code as u32
                });
                let codes = Cow::Owned(codes.collect());
                Labelled {
                    codes,
                    labels: first,
                }
            }
        }
    }

    /// The distinct labels.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.labels.iter().map(|label| &**label)
    }
}

/// The distinct labels of several columns, sorted.
#[derive(Clone, Debug)]
pub(super) struct Level {
    order: Order,
    /// The labels in order.
    pub(super) sorted: IndexSet<String>,
}

impl Level {
    /// The levels of `labels`; `beside` has a say in how they compare.
    pub(super) fn new<'a>(
        labels: impl Iterator<Item = &'a str> + Clone,
        beside: impl Iterator<Item = &'a str> + Clone,
    ) -> Level {
        let order = Order::of(labels.clone().chain(beside));
        let mut sorted: IndexSet<String> = labels.map(|l| order.canonical(l)).collect();
        sorted.sort_by(|a, b| order.compare(a, b));
        Level { order, sorted }
    }

    /// The place of a label.
    pub(super) fn find(&self, label: &str) -> Option<u32> {
        self.sorted
            .get_index_of(&self.order.canonical(label))
            .map(|i| i as u32)
    }

    /// Whether all labels are integers.
    pub(super) fn integers(&self) -> bool {
        self.order == Order::Integers
    }
}

/// The rows of a column without missing cells in the order of the elements that they name, as [`Elements`] has them; those that name the same one
/// follow each other, in their order. Also the first two of each such pair.
pub(super) fn arranged(column: &Column) -> (Vec<u32>, Vec<(u32, u32)>) {
    let mut order: Vec<u32>;
    let repeats = |order: &[u32], same: &dyn Fn(u32, u32) -> bool| {
        let pairs = order.windows(2).map(|pair| (pair[0], pair[1]));
        pairs.filter(|(a, b)| same(*a, *b)).collect()
    };
    match column {
        // Labels of numbers are ordered by value, without their texts being made.
        Column::Numbers(values) => {
            order = (0..values.len() as u32).collect();
            let value = |row: u32| values.get(row as usize);
            order.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
            let same = |a, b| value(a) == value(b);
            let repeats = repeats(&order, &same);
            (order, repeats)
        }
        Column::Texts { codes, .. } => {
            let labelled = Labelled::of(column);
            let level = Level::new(labelled.names(), std::iter::empty());
            let places: Vec<Option<u32>> = labelled.names().map(|n| level.find(n)).collect();
            let place = |row: u32| places[codes.get(row as usize) as usize];
            order = (0..codes.len() as u32).collect();
            order.sort_by_key(|row| place(*row));
            let same = |a, b| place(a) == place(b);
            let repeats = repeats(&order, &same);
            (order, repeats)
        }
    }
}

/// A key: the place of the label of each of its columns.
pub(super) type Key = SmallVec<[u32; 2]>;

/// The elements of a plate, and which of them a key names.
#[derive(Clone, Debug)]
pub(super) enum Elements {
    /// 1 to this number.
    Numbers(usize),
    /// The keys that occur, in order.
    Keys {
        /// The levels of each column of the key.
        levels: Vec<Level>,
        /// The keys.
        keys: IndexSet<Key>,
    },
}

/// The element in which each row of a table lies.
pub(super) struct Located {
    /// From 0; [`NOWHERE`] for the rows below.
    pub(super) elements: Arc<[u32]>,
    /// Rows with a missing cell in the key.
    pub(super) missing: Vec<usize>,
    /// Rows whose key is no element's.
    pub(super) unknown: Vec<usize>,
}

impl Elements {
    /// The labels of the elements.
    pub(super) fn labels(&self) -> Labels {
        match self {
            Elements::Numbers(n) => Labels::Numbers(*n),
            Elements::Keys { keys, .. } => {
                Labels::Texts((0..keys.len()).map(|i| self.label(i)).collect())
            }
        }
    }

    /// The label of one element: that of its key, the parts of a combination joined by `:`.
    pub(super) fn label(&self, element: usize) -> String {
        match self {
            Elements::Numbers(_) => (element + 1).to_string(),
            Elements::Keys { levels, keys } => {
                let parts = keys[element].iter().zip(levels);
                let parts: Vec<&str> = parts
                    .map(|(place, level)| level.sorted[*place as usize].as_str())
                    .collect();
                parts.join(":")
            }
        }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        match self {
            Elements::Numbers(n) => *n,
            Elements::Keys { keys, .. } => keys.len(),
        }
    }

    /// The element of this label, the parts of a combination joined by `:`.
    pub(super) fn find(&self, label: &str) -> Option<u32> {
        match self {
            Elements::Numbers(n) => label
                .parse::<usize>()
                .ok()
                .filter(|i| (1..=*n).contains(i))
                .map(|i| i as u32 - 1),
            Elements::Keys { levels, keys } => {
                let parts: Vec<&str> = if levels.len() == 1 {
                    vec![label]
                } else {
                    label.split(':').collect()
                };
                let places = levels
                    .iter()
                    .zip(&parts)
                    .map(|(level, part)| level.find(part));
                let key: Option<Key> = places.collect();
                keys.get_index_of(&key.filter(|_| parts.len() == levels.len())?)
                    .map(|i| i as u32)
            }
        }
    }

    /// The element in which each of the rows of a table lies; `columns` are those of the key.
    pub(super) fn locate(&self, rows: usize, columns: &[&Column]) -> Located {
        let labelled: Vec<Labelled> = columns.iter().map(|c| Labelled::of(c)).collect();
        let places: Vec<Vec<Option<u32>>> = labelled
            .iter()
            .enumerate()
            .map(|(k, column)| {
                let place = |label| match self {
                    Elements::Numbers(_) => self.find(label),
                    Elements::Keys { levels, .. } => levels[k].find(label),
                };
                column.names().map(place).collect()
            })
            .collect();
        let element = |key: Key| match self {
            Elements::Numbers(_) => key.first().copied(),
            Elements::Keys { keys, .. } => keys.get_index_of(&key).map(|i| i as u32),
        };
        let (mut missing, mut unknown) = (Vec::new(), Vec::new());
        let mut found_in = |row: usize, element: Option<u32>, is_missing: bool| {
            match element {
                Some(_) => {}
                None if is_missing => missing.push(row),
                None => unknown.push(row),
            }
            element.unwrap_or(NOWHERE)
        };
        // Of a known length, so that the table is written where it stays.
        let elements = if let ([column], [places]) = (&labelled[..], &places[..]) {
            let of = |place: &Option<u32>| element(Key::from_slice(&[(*place)?]));
            let of_code: Vec<Option<u32>> = places.iter().map(of).collect();
            let locate = |row: usize| {
                let code = column.codes.get(row);
                let element = of_code.get(code as usize).copied().flatten();
                found_in(row, element, code == NOWHERE)
            };
            (0..rows).map(locate).collect()
        } else {
            // Rows with the key of the row before, of which sorted tables have many, lie where it does.
            let mut before: (Key, Option<u32>) = (Key::new(), None);
            let locate = |row: usize| {
                let codes = labelled.iter().map(|column| column.codes.get(row));
                if codes.clone().any(|code| code == NOWHERE) {
                    return found_in(row, None, true);
                }
                if !codes.clone().eq(before.0.iter().copied()) {
                    let key: Option<Key> = codes
                        .clone()
                        .zip(&places)
                        .map(|(c, p)| p[c as usize])
                        .collect();
                    before = (codes.collect(), key.and_then(element));
                }
                found_in(row, before.1, false)
            };
            (0..rows).map(locate).collect()
        };
        Located {
            elements,
            missing,
            unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(labels: &[&str]) -> Vec<String> {
        let labels = labels.iter().copied();
        Level::new(labels, std::iter::empty())
            .sorted
            .into_iter()
            .collect()
    }

    #[test]
    fn rows_are_arranged_as_elements_are() {
        for labels in [
            vec!["10", "9", "-1", "0", "9", "1e3"],
            vec!["2.5", "10", "-0.5", "2.5", "2.5"],
            vec!["b10", "b2", "a", "b10", "010", "10"],
            vec!["007", "8", "7", "0"],
        ] {
            let csv = format!("key\n{}\n", labels.join("\n"));
            let table = crate::data::Table::parse("t.csv", csv).expect("a table");
            let column = table.column("key").expect("its column");
            let texts: Vec<String> = (0..table.rows())
                .filter_map(|row| column.text(row))
                .collect();
            let texts = || texts.iter().map(String::as_str);
            let level = Level::new(texts(), std::iter::empty());
            let places: Vec<Option<u32>> = texts().map(|text| level.find(text)).collect();
            let place = |row: &u32| places[*row as usize];
            let (order, repeats) = arranged(column);
            assert!(
                order.is_sorted_by_key(|row| (place(row), *row)),
                "{labels:?}: {order:?}"
            );
            assert!(repeats.iter().all(|(a, b)| place(a) == place(b)));
            assert_eq!(
                repeats.len(),
                labels.len() - level.sorted.len(),
                "{labels:?}"
            );
        }
    }

    #[test]
    fn integers_go_by_value_and_other_text_in_natural_order() {
        assert_eq!(sorted(&["10", "9", "-1", "010"]), ["-1", "9", "10"]);
        assert_eq!(sorted(&["0.5", "10", "2.25"]), ["0.5", "2.25", "10"]);
        assert_eq!(sorted(&["b10", "b2", "a"]), ["a", "b2", "b10"]);
        assert_eq!(sorted(&["10", "9", "x"]), ["9", "10", "x"]);
        assert_eq!(sorted(&["a01", "a1", "a"]), ["a", "a01", "a1"]);
        assert_eq!(sorted(&["é2", "é10", "e"]), ["e", "é2", "é10"]);
    }
}
