//! What each reserved or contextual word of the language means, in a line with an example.

/// A word of the language.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// The word.
    pub name: &'static str,
    /// What it says.
    pub doc: &'static str,
    /// How it is written.
    pub example: &'static str,
}

macro_rules! keywords {
    ($($name:literal $example:literal $doc:literal;)*) => {
        /// Every word of the language.
        pub static KEYWORDS: &[Keyword] = &[$(Keyword { name: $name, doc: $doc, example: $example }),*];
    };
}

keywords! {
    "~" "alpha ~ Normal(mu, tau)"
        "Gives a name its distribution, once for each element of the plate that it stands in. A name declared as data is observed, any other is a latent variable. Brackets left of it are a shape: `b[2] ~ Normal(0, 1)`.";
    "=" "rate = exp(eta)"
        "Defines a name; a definition outside `rows` plates is reported with the posterior.";
    "plate" "plate house = rows in county { … }"
        "A set of elements: what stands in its braces holds for each of them, independently given what it names. Without a source it has one element per distinct value of the column of its name.";
    "data" "data floor: real"
        "Declares columns of the plate that it stands in: `real`, `positive`, `unit`, `count`, `binary`, `category`, `ordinal(…)`, or a plate's name for a column that holds its labels.";
    "const" "const K = 3"
        "A value known from the text; `--set K=5` overrides it.";
    "fn" "fn line(x) = a + b * x"
        "A function of one expression; it sees what its block sees.";
    "factor" "factor w * log_prob(Normal(m, s), y)"
        "Adds its value to the log joint density, once for each element of its plate.";
    "guide" "guide { default structured; alpha: mean_field }"
        "Overrides the guide that is derived from the plates, by default, for a variable or for a plate.";
    "if" "if x > 0 then a else b"
        "One of two values; the condition is of data, and the branch not taken is not evaluated.";
    "then" "if x > 0 then a else b" "The value where the condition of an `if` holds.";
    "else" "if x > 0 then a else b" "The value where the condition of an `if` does not hold.";
    "in" "plate answer = rows in student, item { … }"
        "Each element of the plate lies in exactly one element of each plate named; nesting a plate in another says the same.";
    "where" "y ~ Normal(m, s) where weight > 0"
        "For which elements an observed statement or a factor counts; of data.";
    "rows" "plate visit = rows { … }"
        "One element per row of the main table; `rows(T)` takes the rows of table T, given by `--table T=FILE`.";
    "levels" "plate cell = levels(school, year) { … }"
        "One element per distinct combination of the columns' values.";
    "union" "plate team = union(home, away) { … }"
        "One element per distinct value of any of the columns.";
    "order" "plate week = rows order by t within site { … }"
        "The elements follow each other by a column.";
    "by" "plate week = rows order by t { … }" "Names the column that orders.";
    "within" "plate week = rows order by t within site { … }"
        "The elements follow each other within each element of another plate.";
    "column" "data level: real = column(\"Floor level\")"
        "Reads a column of another name.";
    "columns" "data x: real[D] = columns(\"x_*\")"
        "Reads several columns as a vector; its length is known in the whole file.";
    "default" "guide { default mean_field }"
        "The guide of everything that no other rule names.";
}

/// The word of this name.
pub fn named(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|k| k.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_shows_its_word() {
        for keyword in KEYWORDS {
            assert!(keyword.example.contains(keyword.name), "{}", keyword.name);
        }
    }
}
