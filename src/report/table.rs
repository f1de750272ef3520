//! Numbers rounded to what is known of them, in columns whose decimal points stand below each other; prose in lines.

/// Columns of plain text.
const WIDTH: usize = 96;

/// A number with this many decimals; very large and very small ones in powers of ten.
pub fn fixed(x: f64, decimals: usize) -> String {
    if !x.is_finite() {
        return if x.is_nan() {
            "–".to_owned()
        } else if x > 0.0 {
            "∞".to_owned()
        } else {
            "−∞".to_owned()
        };
    }
    if x.abs() >= 1e9 || (x != 0.0 && decimals > 7) {
        return format!("{x:.2e}");
    }
    let text = format!("{x:.decimals$}");
    // A rounded −0.00 says nothing but 0.00.
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| b == b'0' || b == b'.') => rest.to_owned(),
        Some(_) | None => text,
    }
}

/// How many decimals show `x` to `digits` significant ones.
pub fn decimals_for(x: f64, digits: i32) -> usize {
    if x == 0.0 || !x.is_finite() {
        return 0;
    }
    let exponent = x.abs().log10().floor() as i32;
    usize::try_from(digits - 1 - exponent).unwrap_or(0)
}

/// How a column's cells stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// At the left.
    Left,
    /// With their decimal points (or their ends) below each other.
    Point,
}

/// Lays out rows of cells: two blanks between columns, no blanks at the ends of lines.
pub fn lay_out(rows: &[Vec<String>], aligns: &[Align]) -> Vec<String> {
    let after_point = |cell: &str| match cell.split_once('.') {
        Some((_, rest)) => rest.chars().count() + 1,
        None => 0,
    };
    let columns: Vec<(usize, usize)> = (0..aligns.len())
        .map(|k| {
            let cells = || rows.iter().filter_map(|row| row.get(k));
            // A heading (no digit in it) stands at the column's end, whatever its decimals.
            let after = cells().map(|c| after_point(c)).max().unwrap_or(0);
            let width = cells()
                .map(|cell| match aligns[k] {
                    Align::Left => cell.chars().count(),
                    Align::Point if is_number(cell) => {
                        cell.chars().count() - after_point(cell) + after
                    }
                    Align::Point => cell.chars().count(),
                })
                .max()
                .unwrap_or(0);
            (width, after)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (k, cell) in row.iter().enumerate() {
                let (width, after) = columns[k];
                let (mut left, mut right) = (width - cell.chars().count(), 0);
                match aligns[k] {
                    Align::Left => (left, right) = (0, left),
                    Align::Point if is_number(cell) => {
                        right = after - after_point(cell);
                        left -= right;
                    }
                    Align::Point => {}
                }
                line.push_str(if k > 0 { "  " } else { "" });
                line.push_str(&" ".repeat(left));
                line.push_str(cell);
                line.push_str(&" ".repeat(right));
            }
            line.trim_end().to_owned()
        })
        .collect()
}

/// Breaks text into lines; the first starts with `mark`, the others stand below its text.
pub fn wrapped(text: &str, indent: usize, mark: &str) -> String {
    let hanging = indent + mark.chars().count();
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let full = lines.last().is_some_and(|line| {
            !line.is_empty() && hanging + line.chars().count() + word.chars().count() >= WIDTH
        });
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
        .iter()
        .enumerate()
        .map(|(i, line)| {
            let start = if i == 0 {
                format!("{}{mark}", " ".repeat(indent))
            } else {
                " ".repeat(hanging)
            };
            format!("{start}{line}\n")
        })
        .collect()
}

fn is_number(cell: &str) -> bool {
    cell.bytes().any(|b| b.is_ascii_digit())
        && cell
            .bytes()
            .all(|b| b.is_ascii_digit() || b"-.e".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_points_stand_below_each_other() {
        let rows = [
            ["name", "mean"],
            ["mu", "1.465"],
            ["tau", "-12.3"],
            ["n", "7"],
        ]
        .map(|row| row.map(str::to_owned).to_vec());
        let lines = lay_out(&rows, &[Align::Left, Align::Point]);
        assert_eq!(
            lines,
            ["name     mean", "mu      1.465", "tau   -12.3", "n       7"]
        );
    }

    #[test]
    fn significant_digits_become_decimals() {
        assert_eq!(decimals_for(0.0123, 2), 3);
        assert_eq!(decimals_for(123.0, 2), 0);
        assert_eq!(fixed(1.464_65, decimals_for(0.039, 2)), "1.465");
        assert_eq!(fixed(-0.0001, 2), "0.00");
        assert_eq!(fixed(f64::NAN, 2), "–");
    }
}
