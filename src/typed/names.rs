//! The names of a file: one flat namespace of declarations, each with the block that it stands in.

use crate::ast;
use crate::ast::Ast;
use crate::ast::ExprKind;
use crate::ast::Name;
use crate::ast::Statement;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::source::Span;
use indexmap::IndexMap;

/// A plate's braces in the text, by place in [`Names::blocks`]; the first is the top level.
pub(super) type Block = usize;

/// What a file declares.
#[derive(Debug)]
pub(super) struct Names<'a> {
    /// The declarations, by name, in the order of the text (sizes that data bind come last).
    pub(super) map: IndexMap<&'a str, Declared<'a>>,
    /// Every block: its plate (none for the top level) and the block around it.
    pub(super) blocks: Vec<(Option<&'a ast::Plate>, Block)>,
    /// The declarations of data.
    pub(super) data: Vec<(Block, &'a ast::Data)>,
    /// Statements about data or definitions.
    pub(super) observed: Vec<(&'a ast::Sample, &'a ast::Target)>,
    /// The `factor` statements.
    pub(super) factors: Vec<(Block, &'a ast::Factor)>,
    /// The `guide` blocks.
    pub(super) guides: Vec<(Block, &'a ast::Guide)>,
}

/// One declaration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared<'a> {
    /// The declared name in the text.
    pub(super) span: Span,
    /// Where it stands.
    pub(super) block: Block,
    /// What it is.
    pub(super) kind: Kind<'a>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'a> {
    /// A plate, by its block.
    Plate(Block),
    /// A data column.
    Column,
    /// A constant.
    Const(&'a ast::Const),
    /// A function.
    Function(&'a ast::Function),
    /// A latent variable.
    Latent(&'a ast::Sample, &'a ast::Target),
    /// A definition.
    Definition(&'a ast::Define),
    /// A size that the shape of a data column binds.
    Size,
}

impl Kind<'_> {
    /// What messages call it.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Kind::Plate(_) => "a plate",
            Kind::Column => "data",
            Kind::Const(_) => "a constant",
            Kind::Function(_) => "a function",
            Kind::Latent(..) => "a latent variable",
            Kind::Definition(_) => "a definition",
            Kind::Size => "a size",
        }
    }
}

impl<'a> Names<'a> {
    /// Collects the declarations of a file.
    pub(super) fn collect(
        ast: &'a Ast,
        function_of_the_language: impl Fn(&str) -> bool,
        problems: &mut Problems,
    ) -> Names<'a> {
        let mut names = Names {
            map: IndexMap::new(),
            blocks: vec![(None, 0)],
            data: Vec::new(),
            observed: Vec::new(),
            factors: Vec::new(),
            guides: Vec::new(),
        };
        let mut samples = Vec::new();
        names.statements(&ast.statements, 0, &mut samples, problems);
        for (block, sample) in samples {
            for target in &sample.targets {
                names.target(block, sample, target, problems);
            }
        }
        names.bound_sizes();
        for (name, declared) in &names.map {
            if matches!(declared.kind, Kind::Function(_)) && function_of_the_language(name) {
                let message = format!("`{name}` is a function of the language");
                problems.push(
                    Problem::at(Code::DuplicateName, declared.span, message)
                        .label("declared again here")
                        .hint("choose another name"),
                );
            }
        }
        names
    }

    fn statements(
        &mut self,
        statements: &'a [Statement],
        block: Block,
        samples: &mut Vec<(Block, &'a ast::Sample)>,
        problems: &mut Problems,
    ) {
        for statement in statements {
            match statement {
                Statement::Plate(plate) => {
                    let inner = self.blocks.len();
                    self.blocks.push((Some(plate), block));
                    self.declare(&plate.name, block, Kind::Plate(inner), problems);
                    self.statements(&plate.body, inner, samples, problems);
                }
                Statement::Data(data) => {
                    self.data.push((block, data));
                    for name in &data.names {
                        self.declare(name, block, Kind::Column, problems);
                    }
                }
                Statement::Const(constant) => {
                    self.declare(&constant.name, block, Kind::Const(constant), problems);
                }
                Statement::Function(function) => {
                    self.declare(&function.name, block, Kind::Function(function), problems);
                    for (i, param) in function.params.iter().enumerate() {
                        if let Some(first) =
                            function.params[..i].iter().find(|p| p.text == param.text)
                        {
                            problems.push(twice(param, "a parameter", first.span));
                        }
                    }
                }
                Statement::Define(define) => {
                    self.declare(&define.name, block, Kind::Definition(define), problems);
                }
                Statement::Sample(sample) => samples.push((block, sample)),
                Statement::Factor(factor) => self.factors.push((block, factor)),
                Statement::Guide(guide) => self.guides.push((block, guide)),
            }
        }
    }

    fn declare(&mut self, name: &'a Name, block: Block, kind: Kind<'a>, problems: &mut Problems) {
        match self.map.get(name.text.as_str()) {
            Some(first) => problems.push(twice(name, first.kind.noun(), first.span)),
            None => {
                let span = name.span;
                self.map.insert(&name.text, Declared { span, block, kind });
            }
        }
    }

    /// A target of `~`: a statement about data or a definition, else the declaration of a latent variable.
    fn target(
        &mut self,
        block: Block,
        sample: &'a ast::Sample,
        target: &'a ast::Target,
        problems: &mut Problems,
    ) {
        let name = target.name.text.as_str();
        let earlier = self.observed.iter().find(|(_, t)| t.name.text == name);
        let first = match (self.map.get(name), earlier) {
            (_, Some((_, earlier))) => earlier.span,
            (Some(declared), None) => match declared.kind {
                Kind::Column | Kind::Definition(_) => {
                    self.observed.push((sample, target));
                    return;
                }
                Kind::Latent(..) => declared.span,
                Kind::Plate(_) | Kind::Const(_) | Kind::Function(_) | Kind::Size => {
                    problems.push(twice(&target.name, declared.kind.noun(), declared.span));
                    return;
                }
            },
            (None, None) => {
                let kind = Kind::Latent(sample, target);
                self.declare(&target.name, block, kind, problems);
                return;
            }
        };
        let message = format!("`{name}` has a distribution already");
        let problem = Problem::at(Code::SecondStatement, target.span, message)
            .label("a second statement for the same name")
            .other(first, "the first");
        problems.push(if target.shape.is_empty() {
            problem.hint("one `~` for each name; `factor` adds a further term to the log joint")
        } else {
            problem.hint(format!(
                "brackets left of `~` are a shape; one statement per vector: `{name}[2] ~ Normal([3, 10], 1)`"
            ))
        });
    }

    /// Names in the shapes of data that nothing declares: data bind them.
    fn bound_sizes(&mut self) {
        for &(block, data) in &self.data {
            for expr in data.shape.iter().chain(&data.kind_args) {
                if let ExprKind::Name(name) = &expr.kind {
                    let kind = Kind::Size;
                    let span = expr.span;
                    self.map
                        .entry(name)
                        .or_insert(Declared { span, block, kind });
                }
            }
        }
    }
}

fn twice(name: &Name, noun: &str, first: Span) -> Problem {
    let message = format!("`{}` is declared already, as {noun}", name.text);
    Problem::at(Code::DuplicateName, name.span, message)
        .label("declared again here")
        .other(first, "first declared here")
        .hint("all names of a file are different; choose another one (`column(\"…\")` reads a column of any name)")
}
