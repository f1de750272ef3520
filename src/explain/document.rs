//! A derivation as paragraphs, formulas and tables; written as plain text, Markdown or LaTeX.

use super::formula::Formula;
use super::formula::escape;
use crate::report::table::Align;
use crate::report::table::lay_out;
use crate::report::table::wrapped;

/// A derivation, section by section.
#[derive(Clone, Debug, Default)]
pub struct Derivation {
    blocks: Vec<Block>,
}

/// A part of a derivation.
#[derive(Clone, Debug)]
pub(super) enum Block {
    /// The title of all.
    Title(String),
    /// The heading of a section.
    Heading(String),
    /// Prose.
    Paragraph(Prose),
    /// Items, each indented by its depth.
    Items(Vec<(usize, Prose)>),
    /// A formula of several lines, each indented by its depth.
    Equation(Vec<(usize, Formula)>),
    /// A heading and rows.
    Table(Vec<String>, Vec<Vec<Prose>>),
}

/// Words with formulas among them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Prose(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Words(String),
    Math(Formula),
}

impl Prose {
    /// Words.
    pub(super) fn words(words: impl Into<String>) -> Prose {
        Prose(vec![Piece::Words(words.into())])
    }

    /// A formula.
    pub(super) fn math(formula: Formula) -> Prose {
        Prose(vec![Piece::Math(formula)])
    }

    /// Followed by words.
    #[must_use]
    pub(super) fn and(mut self, words: impl Into<String>) -> Prose {
        self.0.push(Piece::Words(words.into()));
        self
    }

    /// Followed by a formula.
    #[must_use]
    pub(super) fn formula(mut self, formula: Formula) -> Prose {
        self.0.push(Piece::Math(formula));
        self
    }

    /// Followed by more prose.
    #[must_use]
    pub(super) fn more(mut self, other: Prose) -> Prose {
        self.0.extend(other.0);
        self
    }

    /// `a`, `a and b`, `a, b and c`.
    pub(super) fn list(items: Vec<Prose>) -> Prose {
        let last = items.len().saturating_sub(1);
        let mut out = Prose::default();
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                out = out.and(if i == last { " and " } else { ", " });
            }
            out = out.more(item);
        }
        out
    }

    fn write(&self, words: impl Fn(&str) -> String, math: impl Fn(&Formula) -> String) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Words(text) => words(text),
                Piece::Math(formula) => math(formula),
            })
            .collect()
    }

    fn plain(&self) -> String {
        self.write(str::to_owned, |f| f.text.clone())
    }

    fn markdown(&self) -> String {
        self.write(str::to_owned, |f| format!("${}$", f.latex))
    }

    fn latex(&self) -> String {
        self.write(words_latex, |f| format!("${}$", f.latex))
    }
}

impl Derivation {
    pub(super) fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// As plain text of at most 96 columns, where formulas allow it.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for block in &self.blocks {
            if !out.is_empty() {
                out.push('\n');
            }
            match block {
                Block::Title(title) => out.push_str(&underlined(title, "=")),
                Block::Heading(title) => out.push_str(&underlined(title, "-")),
                Block::Paragraph(prose) => out.push_str(&wrapped(&prose.plain(), 0, "")),
                Block::Items(items) => {
                    for (depth, prose) in items {
                        out.push_str(&wrapped(&prose.plain(), 2 * depth + 2, "- "));
                    }
                }
                Block::Equation(lines) => {
                    for (depth, formula) in lines {
                        let indent = " ".repeat(4 + 2 * depth);
                        out.push_str(&format!("{indent}{}\n", formula.text));
                    }
                }
                Block::Table(heading, rows) => {
                    let mut cells = vec![heading.clone()];
                    cells.extend(rows.iter().map(|r| r.iter().map(Prose::plain).collect()));
                    for line in lay_out(&cells, &vec![Align::Left; heading.len()]) {
                        out.push_str(&format!("    {line}\n"));
                    }
                }
            }
        }
        out
    }

    /// As Markdown, formulas in LaTeX between dollar signs.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for block in &self.blocks {
            if !out.is_empty() {
                out.push('\n');
            }
            match block {
                Block::Title(title) => out.push_str(&format!("# {title}\n")),
                Block::Heading(title) => out.push_str(&format!("## {title}\n")),
                Block::Paragraph(prose) => out.push_str(&format!("{}\n", prose.markdown())),
                Block::Items(items) => {
                    for (depth, prose) in items {
                        out.push_str(&format!("{}- {}\n", "  ".repeat(*depth), prose.markdown()));
                    }
                }
                Block::Equation(lines) => out.push_str(&format!(
                    "$$\n\\begin{{aligned}}\n{}\\end{{aligned}}\n$$\n",
                    aligned(lines)
                )),
                Block::Table(heading, rows) => {
                    out.push_str(&format!("| {} |\n", heading.join(" | ")));
                    out.push_str(&format!("|{}\n", " --- |".repeat(heading.len())));
                    for row in rows {
                        // A bar inside a formula would end the cell.
                        let cells: Vec<String> = row
                            .iter()
                            .map(|c| c.markdown().replace(r"\|", r"\Vert "))
                            .collect();
                        out.push_str(&format!("| {} |\n", cells.join(" | ")));
                    }
                }
            }
        }
        out
    }

    /// As a LaTeX document.
    pub fn latex(&self) -> String {
        let mut out = String::from(
            "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n\
             \\usepackage{amsmath,amssymb}\n\\usepackage[margin=2cm]{geometry}\n\
             \\allowdisplaybreaks\n\\sloppy\n\\begin{document}\n",
        );
        for block in &self.blocks {
            out.push('\n');
            match block {
                Block::Title(title) => {
                    out.push_str(&format!("\\section*{{{}}}\n", words_latex(title)));
                }
                Block::Heading(title) => {
                    out.push_str(&format!("\\subsection*{{{}}}\n", words_latex(title)));
                }
                Block::Paragraph(prose) => out.push_str(&format!("{}\n", prose.latex())),
                Block::Items(items) => out.push_str(&items_latex(items)),
                Block::Equation(lines) => out.push_str(&format!(
                    "\\begin{{align*}}\n{}\\end{{align*}}\n",
                    aligned(lines)
                )),
                Block::Table(heading, rows) => out.push_str(&table_latex(heading, rows)),
            }
        }
        out.push_str("\n\\end{document}\n");
        out
    }
}

fn underlined(title: &str, line: &str) -> String {
    format!("{title}\n{}\n", line.repeat(title.chars().count()))
}

fn aligned(lines: &[(usize, Formula)]) -> String {
    let last = lines.len().saturating_sub(1);
    lines
        .iter()
        .enumerate()
        .map(|(i, (depth, formula))| {
            let end = if i == last { "" } else { r" \\" };
            format!("& {}{}{end}\n", r"\quad ".repeat(*depth), formula.latex)
        })
        .collect()
}

/// Words between backticks are set as code.
fn words_latex(words: &str) -> String {
    words
        .split('`')
        .enumerate()
        .map(|(i, part)| {
            if i % 2 == 0 {
                unicode_latex(&escape(part))
            } else {
                format!(r"\texttt{{{}}}", unicode_latex(&escape(part)))
            }
        })
        .collect()
}

fn unicode_latex(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '≥' => r"$\geq$".to_owned(),
            '×' => r"$\times$".to_owned(),
            '–' => "--".to_owned(),
            '…' => r"\dots{}".to_owned(),
            'Σ' => r"$\Sigma$".to_owned(),
            '‖' => r"$\Vert$".to_owned(),
            _ => c.to_string(),
        })
        .collect()
}

fn items_latex(items: &[(usize, Prose)]) -> String {
    let mut out = String::new();
    let mut open = 0;
    for (depth, prose) in items {
        // LaTeX nests lists four deep at most.
        let depth = (*depth).min(3) + 1;
        while open < depth {
            out.push_str("\\begin{itemize}\n");
            open += 1;
        }
        while open > depth {
            out.push_str("\\end{itemize}\n");
            open -= 1;
        }
        out.push_str(&format!("\\item {}\n", prose.latex()));
    }
    out.push_str(&"\\end{itemize}\n".repeat(open));
    out
}

fn table_latex(heading: &[String], rows: &[Vec<Prose>]) -> String {
    let mut out = format!(
        "\\noindent\\begin{{tabular}}{{{}p{{0.6\\linewidth}}}}\n",
        "l".repeat(heading.len().saturating_sub(1))
    );
    let heads: Vec<String> = heading.iter().map(|h| words_latex(h)).collect();
    out.push_str(&format!("{} \\\\ \\hline\n", heads.join(" & ")));
    for row in rows {
        let cells: Vec<String> = row.iter().map(Prose::latex).collect();
        out.push_str(&format!("{} \\\\\n", cells.join(" & ")));
    }
    out.push_str("\\end{tabular}\n");
    out
}
