//! A formula in two hands: plain text with the user's names, and LaTeX.

use std::fmt::Display;

/// A formula, written both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formula {
    /// With the user's names, indices in brackets.
    pub text: String,
    /// For math mode.
    pub latex: String,
}

/// Greek letters that LaTeX knows by name.
const GREEK: &str = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho \
    sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi \
    Psi Omega";

impl Formula {
    /// The same in text, something else in LaTeX.
    pub fn new(text: impl Into<String>, latex: impl Into<String>) -> Formula {
        Formula {
            text: text.into(),
            latex: latex.into(),
        }
    }

    /// The same in both.
    pub fn same(text: impl Display) -> Formula {
        Formula::new(text.to_string(), text.to_string())
    }

    /// A name of the user's: Greek letters become Greek, `b_age` becomes b with index age.
    pub fn name(name: &str) -> Formula {
        Formula::new(name, name_latex(name))
    }

    /// A letter of the derivation itself, such as θ.
    pub fn greek(letter: char, latex: &str) -> Formula {
        Formula::new(letter, format!(r"\{latex}"))
    }

    /// With indices: `alpha[c]`, `b[s, 1]`.
    pub fn at(&self, indices: &[Formula]) -> Formula {
        if indices.is_empty() {
            return self.clone();
        }
        let list = join(indices, ", ", ",");
        let latex = match self.latex.strip_suffix('}').map(|s| s.split_once("_{")) {
            // A name with an index of its own takes the further ones in the same place.
            Some(Some((base, own))) => format!("{base}_{{{own},{}}}", list.latex),
            Some(None) | None => format!("{}_{{{}}}", self.latex, list.latex),
        };
        Formula::new(format!("{}[{}]", self.text, list.text), latex)
    }

    /// Followed by another.
    #[must_use]
    pub fn then(mut self, other: &Formula) -> Formula {
        self.text.push_str(&other.text);
        self.latex.push_str(&other.latex);
        self
    }

    /// Followed by something that is written the same in both hands.
    #[must_use]
    pub fn and(self, other: &str) -> Formula {
        self.then(&Formula::same(other))
    }

    /// Between parentheses.
    pub fn parens(&self) -> Formula {
        Formula::new(
            format!("({})", self.text),
            format!(r"\left({}\right)", self.latex),
        )
    }

    /// A function's name, upright in LaTeX.
    pub fn upright(name: &str) -> Formula {
        Formula::new(name, format!(r"\mathrm{{{}}}", escape(name)))
    }
}

/// Joins formulas.
pub fn join(parts: &[Formula], text: &str, latex: &str) -> Formula {
    let texts: Vec<&str> = parts.iter().map(|p| p.text.as_str()).collect();
    let latexes: Vec<&str> = parts.iter().map(|p| p.latex.as_str()).collect();
    Formula::new(texts.join(text), latexes.join(latex))
}

/// `p(a | b, c)`; without conditions `p(a)`.
pub fn density(letter: &str, of: &Formula, given: &[Formula]) -> Formula {
    let mut inside = of.clone();
    if !given.is_empty() {
        inside = inside
            .then(&Formula::new(" | ", r" \mid "))
            .then(&join(given, ", ", ", "));
    }
    Formula::same(letter).and("(").then(&inside).and(")")
}

/// `KL(q ‖ p)`.
pub fn divergence(q: &Formula, p: &Formula) -> Formula {
    Formula::new("KL(", r"\mathrm{KL}\bigl(")
        .then(q)
        .then(&Formula::new(" ‖ ", r" \,\big\|\, "))
        .then(p)
        .then(&Formula::new(")", r"\bigr)"))
}

/// `E_q(a | b)`, to stand before a bracket.
pub fn expectation(q: &Formula) -> Formula {
    Formula::new(
        format!("E_{}", q.text),
        format!(
            r"\mathbb{{E}}_{{{}}}",
            q.latex.replace(r"\left", "").replace(r"\right", "")
        ),
    )
}

/// `Σ_{c}` or `Π_{c}` over the elements named.
pub fn over(sign: Sign, elements: &Formula) -> Formula {
    let (text, latex) = match sign {
        Sign::Sum => ("Σ", r"\sum"),
        Sign::Product => ("Π", r"\prod"),
    };
    Formula::new(
        format!("{text}_{{{}}} ", elements.text),
        format!(r"{latex}_{{{}}} ", elements.latex),
    )
}

/// What is gone over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sign {
    /// Σ
    Sum,
    /// Π
    Product,
}

/// The characters that LaTeX gives a meaning, taken literally.
pub fn escape(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '_' | '%' | '&' | '#' | '$' | '{' | '}' => format!(r"\{c}"),
            '\\' => r"\textbackslash{}".to_owned(),
            '~' => r"\textasciitilde{}".to_owned(),
            '^' => r"\textasciicircum{}".to_owned(),
            _ => c.to_string(),
        })
        .collect()
}

fn is_greek(word: &str) -> bool {
    GREEK.split_whitespace().any(|letter| letter == word)
}

fn name_latex(name: &str) -> String {
    let whole = |word: &str| {
        if is_greek(word) {
            format!(r"\{word}")
        } else if word.chars().count() == 1 {
            word.to_owned()
        } else {
            format!(r"\mathit{{{}}}", escape(word))
        }
    };
    // Only after a letter does an underscore read as an index: `log_radon` is a word.
    if let Some((head, rest)) = name.split_once('_')
        && !rest.is_empty()
        && (is_greek(head) || head.chars().count() == 1)
    {
        return format!("{}_{{{}}}", whole(head), whole(rest));
    }
    // `theta1` is θ with index 1.
    let head = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if head.len() < name.len() && (is_greek(head) || head.chars().count() == 1) {
        return format!("{}_{{{}}}", whole(head), &name[head.len()..]);
    }
    whole(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_letters_where_they_are() {
        let latex = |name| Formula::name(name).latex;
        assert_eq!(latex("alpha"), r"\alpha");
        assert_eq!(latex("b_age"), r"b_{\mathit{age}}");
        assert_eq!(latex("log_radon"), r"\mathit{log\_radon}");
        assert_eq!(latex("beta2"), r"\beta_{2}");
    }

    #[test]
    fn a_name_has_one_place_for_indices() {
        let b = Formula::name("b_age").at(&[Formula::same("s")]);
        assert_eq!(b.latex, r"b_{\mathit{age},s}");
        assert_eq!(b.text, "b_age[s]");
    }

    #[test]
    fn conditions_stand_behind_a_bar() {
        let p = density("p", &Formula::name("mu"), &[Formula::name("tau")]);
        assert_eq!(p.text, "p(mu | tau)");
        assert_eq!(p.latex, r"p(\mu \mid \tau)");
    }
}
