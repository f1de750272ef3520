//! What the grammar's rules are called in messages, and which of them are marks without content.

use super::pairs::Rule;

/// What a rule is called in messages; empty when another word says enough.
pub(super) fn words(rule: Rule) -> &'static str {
    match rule {
        Rule::name | Rule::word | Rule::target | Rule::names => "a name",
        Rule::column | Rule::columns => "a column",
        Rule::text => "a text in quotes",
        Rule::source
        | Rule::rows
        | Rule::levels
        | Rule::union
        | Rule::k_rows
        | Rule::k_levels
        | Rule::k_union => "`rows`, `levels(…)`, `union(…)`, a number or a constant",
        Rule::expr
        | Rule::chain
        | Rule::indexed
        | Rule::atom
        | Rule::paren
        | Rule::vector
        | Rule::call
        | Rule::number
        | Rule::slot
        | Rule::choice => "an expression",
        Rule::infix
        | Rule::or
        | Rule::and
        | Rule::eq
        | Rule::ne
        | Rule::le
        | Rule::ge
        | Rule::lt
        | Rule::gt
        | Rule::add
        | Rule::subtract
        | Rule::multiply
        | Rule::divide
        | Rule::product
        | Rule::power => "an operator",
        Rule::distribution => "a distribution",
        Rule::family => "a family such as `mean_field`",
        Rule::statement
        | Rule::plate
        | Rule::data
        | Rule::constant
        | Rule::function
        | Rule::factor
        | Rule::guide
        | Rule::bare
        | Rule::sample
        | Rule::define
        | Rule::k_plate
        | Rule::k_data
        | Rule::k_const
        | Rule::k_fn
        | Rule::k_factor
        | Rule::k_guide => "a statement",
        Rule::guide_rule => "a rule such as `alpha: mean_field`",
        Rule::k_default => "`default`",
        Rule::k_if => "`if`",
        Rule::k_then => "`then`",
        Rule::k_else => "`else`",
        Rule::k_in | Rule::parents => "`in`",
        Rule::k_where | Rule::condition => "`where`",
        Rule::k_order | Rule::order => "`order by`",
        Rule::k_by => "`by`",
        Rule::k_within => "`within`",
        Rule::from | Rule::k_column | Rule::k_columns => "`column(…)` or `columns(…)`",
        Rule::comma => "`,`",
        Rule::colon | Rule::all => "`:`",
        Rule::tilde => "`~`",
        Rule::equal => "`=`",
        Rule::open | Rule::args | Rule::params => "`(`",
        Rule::close => "`)`",
        Rule::lbrack | Rule::shape | Rule::index => "`[`",
        Rule::rbrack => "`]`",
        Rule::lbrace | Rule::block => "`{`",
        Rule::rbrace => "`}`",
        Rule::optional => "`?`",
        Rule::EOI | Rule::end => "the end of the statement",
        Rule::negate
        | Rule::not
        | Rule::prefix
        | Rule::named
        | Rule::over
        | Rule::arg
        | Rule::WHITESPACE
        | Rule::file
        | Rule::body
        | Rule::reserved => "",
    }
}

/// Longer phrases first, marks last.
pub(super) fn rank(words: &str) -> (bool, &str) {
    (words.starts_with('`') && words.len() < 12, words)
}

/// Whether a rule is punctuation or a keyword, which the syntax tree leaves out.
pub(super) fn is_mark(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::end
            | Rule::EOI
            | Rule::comma
            | Rule::colon
            | Rule::tilde
            | Rule::equal
            | Rule::open
            | Rule::close
            | Rule::lbrack
            | Rule::rbrack
            | Rule::lbrace
            | Rule::rbrace
            | Rule::k_plate
            | Rule::k_data
            | Rule::k_const
            | Rule::k_fn
            | Rule::k_factor
            | Rule::k_guide
            | Rule::k_if
            | Rule::k_then
            | Rule::k_else
            | Rule::k_in
            | Rule::k_where
            | Rule::k_rows
            | Rule::k_levels
            | Rule::k_union
            | Rule::k_order
            | Rule::k_by
            | Rule::k_within
    )
}
