//! The arguments of every command.

use crate::load;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
use clap::ValueHint;
use hvi::ast;
use hvi::guide::GuideSpec;
use hvi::num::simd::Isa;
use hvi::problem::did_you_mean;
use hvi::source::Source;
use hvi::typed::GuideFamily;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The heading of options that every command has.
const EVERY: &str = "Every command";

/// Fit hierarchical Bayesian models written as plate diagrams.
#[derive(Parser, Debug)]
#[command(name = "hvic", version, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 fitted · 1 the model or the data are wrong · 2 usage · \
    3 not to be trusted (with --strict) · 4 not converged · 130 interrupted"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Colour the output: on a terminal unless NO_COLOR is set
    #[arg(long, global = true, help_heading = EVERY, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
    /// Say nothing but the result and errors
    #[arg(short, long, global = true, help_heading = EVERY, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more on the way
    #[arg(short, long, global = true, help_heading = EVERY)]
    pub verbose: bool,
    /// Number of threads [default: one per core]; the result does not depend on it
    #[arg(short = 'j', long, global = true, help_heading = EVERY, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Vector instructions to run with: portable, neon, avx2 or avx512 [default: HVI_ISA, or the widest of the processor]
    #[arg(long, global = true, help_heading = EVERY, value_name = "NAME")]
    pub isa: Option<Isa>,
}

/// When the output is coloured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Fit a model to data: the posterior, the bound and whether to trust them
    Fit(Fit),
    /// Learn the variables of new elements from their data, everything else held as a fit has learned it
    Adapt(Adapt),
    /// Predict the outcome of new rows, with intervals
    Predict(Predict),
    /// Draw from the posterior with NUTS: the reference that a fit can be held against
    Sample(Sample),
    /// Report every problem of a model, and with data how they bind to it
    Check(Check),
    /// Derive the joint density, the guide and the hierarchical ELBO of a model, step by step
    Explain(Explain),
    /// Print a stage of the compiler
    Emit(Emit),
    /// Measure what one gradient of a model with its data costs, before a long fit
    Bench(Bench),
    /// Print the summary of a stored fit
    Summary(Summary),
    /// Format model files in place
    Fmt(Fmt),
    /// Look up a distribution, a function, a problem code or a word of the language
    Doc(Doc),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// A model with its data.
#[derive(Args, Clone, Debug)]
pub struct Input {
    /// The model
    #[arg(value_name = "MODEL.hvi", value_hint = ValueHint::FilePath)]
    pub model: PathBuf,
    /// The main table: CSV, TSV, either with .gz; .parquet and .arrow where built with the feature `parquet`
    #[arg(value_name = "DATA.csv", value_hint = ValueHint::FilePath)]
    pub data: Option<PathBuf>,
    /// A further table, such as `county=county.csv`
    #[arg(long = "table", value_name = "NAME=FILE")]
    pub tables: Vec<String>,
    /// A constant or top-level data: `K=5`, `v=[1,2]`, or `@FILE.json` with several by name
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Rules of a guide block that is not in the model's file.
    #[arg(skip)]
    pub rules: Option<String>,
}

impl Input {
    /// The same with the rules that `--guide` gives, if it gives such.
    pub fn guided(&self, guide: Option<&Guide>) -> Input {
        let mut input = self.clone();
        if let Some(Guide::Rules(rules)) = guide {
            input.rules = Some(rules.clone());
        }
        input
    }
}

/// What `--guide` asks for.
#[derive(Clone, Debug)]
pub enum Guide {
    /// A family for everything that has no rule of its own.
    Family(GuideFamily),
    /// The text of rules.
    Rules(String),
}

impl Guide {
    /// What is asked for where there is no rule.
    pub fn spec(asked: Option<&Guide>) -> GuideSpec {
        let default = match asked {
            Some(Guide::Family(family)) => Some(*family),
            Some(Guide::Rules(_)) | None => None,
        };
        GuideSpec { default }
    }
}

/// What is reported of a posterior, and where it goes.
#[derive(Args, Debug)]
#[command(next_help_heading = "The result")]
pub struct Reporting {
    /// The seed of all random numbers: the same seed gives the same result
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Where the result is written [default: a fit to MODEL.fit in the current folder, an adapted one to FIT.adapted.fit, a sample nowhere]
    #[arg(short, long, visible_alias = "out", value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// Replace an existing folder
    #[arg(long)]
    pub force: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// List every group effect
    #[arg(long)]
    pub all: bool,
    /// Report these variables and definitions only, also definitions of `rows` plates
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub vars: Vec<String>,
    /// Central intervals in percent; 90 gives q5 and q95
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "90", value_parser = percent)]
    pub ci: Vec<f64>,
    /// Exit with code 3 when the result is not to be trusted
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `hvic fit`.
#[derive(Args, Debug)]
pub struct Fit {
    /// Model and data.
    #[command(flatten)]
    pub input: Input,
    /// The guide, instead of the model's: marginal, structured, mean_field, full_rank, low_rank(K), laplace or point; or rules as in a guide block, such as 'default point; task: amortized(sgd, steps = 5, rate = 1)'
    #[arg(long, value_name = "FAMILY|RULES", value_parser = guide)]
    pub guide: Option<Guide>,
    /// Read the main table in chunks of rows, again whenever rows are needed, so that it may be larger than memory; where a plate is amortised
    /// the rows of the elements of each step, from a copy beside the output folder that is gone in the end
    #[arg(long)]
    pub stream: bool,
    /// Elements of a plate that a step of the fit sees, such as `task=32`, where the guide is amortised or over all coordinates, such as `structured`
    #[arg(long, value_name = "PLATE=N", value_parser = batch)]
    pub batch: Option<(String, NonZeroUsize)>,
    /// Go on with the fit in the output folder, which was interrupted or ran out of iterations
    #[arg(long)]
    pub resume: bool,
    /// Fit so many times from different starts, where a fit goes by stochastic steps, and keep the best
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "resume")]
    pub restarts: NonZeroUsize,
    /// Hold the fit against another method, side by side
    #[arg(long, value_name = "METHOD")]
    pub against: Option<Method>,
    /// Show beside the sds of the globals those by linear response, which have in them what the guide leaves out
    #[arg(long)]
    pub linear_response: bool,
    /// Stop after this many iterations
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub max_iterations: usize,
    /// What is reported.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// A method that a fit is held against.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Method {
    /// The No-U-Turn Sampler over all coordinates.
    Nuts,
}

/// Arguments of `hvic sample`.
#[derive(Args, Debug)]
pub struct Sample {
    /// Model and data.
    #[command(flatten)]
    pub input: Input,
    /// Chains
    #[arg(long, value_name = "N", default_value = "4")]
    pub chains: NonZeroUsize,
    /// Iterations of each chain that adapt it and are thrown away
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub warmup: usize,
    /// Draws of each chain
    #[arg(long, value_name = "N", default_value = "1000")]
    pub draws: NonZeroUsize,
    /// The mean acceptance that steps are tuned to; nearer to 1 they are smaller, and diverge less
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = share)]
    pub accept: f64,
    /// Integrate group effects out where that is possible, and sample what is left
    #[arg(long)]
    pub marginal: bool,
    /// What is reported.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// A stored fit with new data.
#[derive(Args, Clone, Debug)]
pub struct New {
    /// A folder that `hvic fit`, `hvic sample` or `hvic adapt` wrote
    #[arg(value_name = "FIT", value_hint = ValueHint::DirPath)]
    pub fit: PathBuf,
    /// The new rows of the main table, with the columns that the model reads
    #[arg(value_name = "NEW.csv", value_hint = ValueHint::FilePath)]
    pub data: Option<PathBuf>,
    /// A further table, such as `county=county.csv`
    #[arg(long = "table", value_name = "NAME=FILE")]
    pub tables: Vec<String>,
}

/// Arguments of `hvic adapt`.
#[derive(Args, Debug)]
pub struct Adapt {
    /// The fit and the data of new elements.
    #[command(flatten)]
    pub new: New,
    /// What is reported.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// Arguments of `hvic predict`.
#[derive(Args, Debug)]
pub struct Predict {
    /// The fit and the new rows.
    #[command(flatten)]
    pub new: New,
    /// What to do about elements that the fit has not seen
    #[arg(long, value_name = "WHAT", default_value = "population")]
    pub new_levels: Unseen,
    /// The seed of all random numbers: the same seed gives the same result
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Central intervals in percent; 90 gives q5 and q95
    #[arg(long, visible_alias = "interval", value_name = "PERCENT", value_delimiter = ',', default_value = "90", value_parser = percent)]
    pub ci: Vec<f64>,
    /// Write to a file instead of standard output
    #[arg(short, long, visible_alias = "out", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
    /// JSON instead of CSV
    #[arg(long)]
    pub json: bool,
}

/// What to do about elements that a fit has not seen.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Unseen {
    /// Draw their variables from the population that the fit has learned.
    Population,
    /// Refuse them.
    Error,
}

/// Arguments of `hvic check`.
#[derive(Args, Debug)]
pub struct Check {
    /// Model and data.
    #[command(flatten)]
    pub input: Input,
    /// Print the problems as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hvic explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// Model and data.
    #[command(flatten)]
    pub input: Input,
    /// The guide, instead of the model's: marginal, structured, mean_field, full_rank, low_rank(K), laplace or point; or rules as in a guide block, such as 'default point; task: amortized(sgd, steps = 5, rate = 1)'
    #[arg(long, value_name = "FAMILY|RULES", value_parser = guide)]
    pub guide: Option<Guide>,
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
}

/// How a derivation is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Format {
    /// Plain text.
    Text,
    /// Markdown with formulas between dollar signs.
    #[value(alias = "markdown")]
    Md,
    /// A LaTeX document.
    #[value(alias = "tex")]
    Latex,
}

/// Arguments of `hvic emit`.
#[derive(Args, Debug)]
pub struct Emit {
    /// The stage
    pub stage: Stage,
    /// Model and data.
    #[command(flatten)]
    pub input: Input,
    /// The guide, instead of the model's: marginal, structured, mean_field, full_rank, low_rank(K), laplace or point; or rules as in a guide block, such as 'default point; task: amortized(sgd, steps = 5, rate = 1)'
    #[arg(long, value_name = "FAMILY|RULES", value_parser = guide)]
    pub guide: Option<Guide>,
}

/// A stage of the compiler.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Stage {
    /// The syntax tree.
    Ast,
    /// The checked model: names, plates, shapes.
    Typed,
    /// The model with its data.
    Model,
    /// Sites, terms and reported quantities of the log joint density.
    Joint,
    /// The factors of the guide.
    Guide,
    /// The terms of the bound.
    Elbo,
    /// The program that computes the log joint density.
    Tape,
}

/// Arguments of `hvic bench`.
#[derive(Args, Debug)]
pub struct Bench {
    /// Model and data.
    #[command(flatten)]
    pub input: Input,
    /// Read the main table in chunks of rows, again whenever rows are needed, so that it may be larger than memory
    #[arg(long)]
    pub stream: bool,
    /// Keep every row: no sufficient statistics, no identical rows run once
    #[arg(long)]
    pub no_collapse: bool,
    /// Keep every row and run one operation at a time: no fused forms
    #[arg(long)]
    pub primitive: bool,
    /// Measure also value and gradient at this many vectors of parameters in one pass over the rows
    #[arg(long, value_name = "N", conflicts_with = "stream")]
    pub draws: Option<NonZeroUsize>,
    /// The seed of the point at which it is measured, near where a fit starts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hvic summary`.
#[derive(Args, Debug)]
pub struct Summary {
    /// A folder that `hvic fit` wrote
    #[arg(value_name = "FIT", value_hint = ValueHint::DirPath)]
    pub fit: PathBuf,
    /// List every group effect
    #[arg(long)]
    pub all: bool,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hvic fmt`.
#[derive(Args, Debug)]
pub struct Fmt {
    /// The files; none, or `-`, formats standard input to standard output
    #[arg(value_name = "MODEL.hvi", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Change nothing; list the files that are not formatted and exit with code 1
    #[arg(long)]
    pub check: bool,
}

/// Arguments of `hvic doc`.
#[derive(Args, Debug)]
pub struct Doc {
    /// What to look up; without it, everything is listed
    pub name: Option<String>,
    /// Print a page of the documentation
    #[arg(long, value_name = "PAGE", conflicts_with = "name")]
    pub page: Option<Page>,
}

/// A generated page of the documentation.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Page {
    /// `docs/distributions.md`
    Distributions,
    /// `docs/problems.md`
    Problems,
}

/// A guide: the name of a family, `low_rank` with its rank; or the rules of a guide block.
fn guide(text: &str) -> Result<Guide, String> {
    if let Some(family) = GuideFamily::parse(text) {
        return Ok(Guide::Family(family));
    }
    if !text.contains(':') && !text.trim_start().starts_with("default ") {
        let names: Vec<&str> = GuideFamily::ALL.iter().map(|f| f.name()).collect();
        return Err(match did_you_mean(text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "there are {} and low_rank(K), and rules such as `NAME: point`",
                names.join(", ")
            ),
        });
    }
    let block = Source::new("--guide", &load::guide_block(text));
    let tree = ast::parse(&block).map_err(|problems| {
        let first = problems.sorted().first().map(|p| p.message.clone());
        first.unwrap_or_default()
    })?;
    match tree.statements.as_slice() {
        [ast::Statement::Guide(_)] => Ok(Guide::Rules(text.to_owned())),
        _ => Err("only rules of one guide block are expected".to_owned()),
    }
}

/// A plate and a number of its elements.
fn batch(text: &str) -> Result<(String, NonZeroUsize), String> {
    let (name, count) = text.split_once('=').ok_or("write for instance `task=32`")?;
    let count = count.trim().parse();
    let count =
        count.map_err(|_| "the number of elements is a whole number from 1 on".to_owned())?;
    Ok((name.trim().to_owned(), count))
}

/// A share between 0 and 1.
fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number < 1.0 {
        Ok(number)
    } else {
        Err("a share is more than 0 and less than 1".to_owned())
    }
}

/// A share in percent; numbers below 1 are taken as fractions.
fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .trim_end_matches('%')
        .parse()
        .map_err(|_| "not a number".to_owned())?;
    let percent = if number < 1.0 { number * 100.0 } else { number };
    if percent > 0.0 && percent < 100.0 {
        Ok(percent)
    } else {
        Err("an interval holds more than 0 and less than 100 percent".to_owned())
    }
}
