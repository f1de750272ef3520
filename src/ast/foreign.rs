//! Signs, numbers and names as other languages and typefaces write them, with what is written here.

/// Signs of other languages and typefaces, with what is written here; longer ones first.
pub(super) const FOREIGN: [(&str, &str); 20] = [
    ("%*%", "@"),
    ("**", "^"),
    (":=", "="),
    (".*", "*"),
    ("./", "/"),
    (".^", "^"),
    ("&", "&&"),
    ("\u{d7}", "*"),
    ("\u{b7}", "*"),
    ("\u{22c5}", "*"),
    ("\u{f7}", "/"),
    ("\u{2212}", "-"),
    ("\u{2013}", "-"),
    ("\u{2264}", "<="),
    ("\u{2265}", ">="),
    ("\u{2260}", "!="),
    ("\u{223c}", "~"),
    ("\u{2190}", "="),
    ("\u{ff08}", "("),
    ("\u{ff09}", ")"),
];

const GREEK: [(char, &str); 24] = [
    ('α', "alpha"),
    ('β', "beta"),
    ('γ', "gamma"),
    ('δ', "delta"),
    ('ε', "epsilon"),
    ('ζ', "zeta"),
    ('η', "eta"),
    ('θ', "theta"),
    ('ι', "iota"),
    ('κ', "kappa"),
    ('λ', "lambda"),
    ('μ', "mu"),
    ('ν', "nu"),
    ('ξ', "xi"),
    ('π', "pi"),
    ('ρ', "rho"),
    ('σ', "sigma"),
    ('τ', "tau"),
    ('υ', "upsilon"),
    ('φ', "phi"),
    ('χ', "chi"),
    ('ψ', "psi"),
    ('ω', "omega"),
    ('Σ', "Sigma"),
];

/// Quotes that are not straight double ones.
pub(super) fn is_foreign_quote(c: char) -> bool {
    matches!(
        c,
        '\'' | '`'
            | '\u{201c}'
            | '\u{201d}'
            | '\u{201e}'
            | '\u{2018}'
            | '\u{2019}'
            | '\u{ab}'
            | '\u{bb}'
    )
}

/// What to write instead, when `written` is not a number.
pub(super) fn instead_of_number(written: &str) -> Option<String> {
    let digits = written.bytes().take_while(u8::is_ascii_digit).count();
    let (head, tail) = written.split_at(digits);
    let dots = written.matches('.').count();
    if dots == 1 && tail == "." {
        return Some(format!("write `{head}` or `{head}.0`"));
    }
    if head.is_empty() && dots == 1 && instead_of_number(&format!("0{tail}")).is_none() {
        return Some(format!("write `0{tail}`"));
    }
    let well_formed = dots <= 1 && !written.ends_with('.') && !written.contains(".e");
    match written.parse::<f64>() {
        Ok(value) if well_formed && value.is_finite() => None,
        Ok(value) if well_formed && value.is_infinite() => {
            Some("numbers end near `1.8e308`; `inf` is infinity".to_owned())
        }
        _ if matches!(tail, "L" | "f" | "d") => Some(format!("write `{head}`")),
        _ if tail.starts_with(|c: char| c.is_ascii_alphabetic())
            && !tail.contains('.')
            && !tail.starts_with(['e', 'E']) =>
        {
            Some(format!(
                "write `{head} * {tail}` for a product; a name begins with a letter"
            ))
        }
        _ => Some("numbers are written like `1`, `1.5` or `1e-3`".to_owned()),
    }
}

/// The same name in the letters that names may have.
pub(super) fn ascii_name(written: &str) -> Option<String> {
    let mut name = String::new();
    for c in written.chars() {
        match GREEK.iter().find(|(letter, _)| *letter == c) {
            Some((_, spelled)) => name.push_str(spelled),
            None if c == '.' => name.push('_'),
            None if c.is_ascii() => name.push(c),
            None => return None,
        }
    }
    Some(name)
}
