//! `hvic`: the command line. It alone reads arguments and the environment, prints and exits.

mod adapt;
mod args;
mod bench;
mod check;
mod clock;
mod doc;
mod emit;
mod explain;
mod fit;
mod fmt;
mod kept;
mod load;
mod memory;
mod posterior;
mod predict;
mod sample;
mod summary;
mod terminal;
mod write;

use args::Cli;
use args::Command;
use clap::CommandFactory;
use clap::Parser;
use hvi::num::simd;
use hvi::num::simd::Isa;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use terminal::Exit;
use terminal::Failure;
use terminal::Terminal;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::new(cli.color, cli.quiet, cli.verbose);
    let exit = run(cli, &terminal).unwrap_or_else(|failure| {
        terminal.fail(&failure);
        failure.exit
    });
    ExitCode::from(exit as u8)
}

/// Bytes of stack of a thread, as many as the main thread has: what is written may be nested.
const STACK: usize = 8 << 20;

/// Runs the command on one of the threads that loops are shared out to: such a thread hands work over without being put to sleep itself.
fn run(cli: Cli, terminal: &Terminal) -> Result<Exit, Failure> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(cli.threads.map_or(0, NonZeroUsize::get))
        .stack_size(STACK)
        .build_global()
        .map_err(|e| Failure::usage(format!("the threads cannot be started: {e}")))?;
    force_isa(cli.isa)?;
    rayon::scope(|_| obey(cli.command, terminal))
}

fn obey(command: Command, terminal: &Terminal) -> Result<Exit, Failure> {
    match command {
        Command::Fit(args) => fit::run(&args, terminal),
        Command::Adapt(args) => adapt::run(&args, terminal),
        Command::Predict(args) => predict::run(&args, terminal),
        Command::Sample(args) => sample::run(&args, terminal),
        Command::Check(args) => check::run(&args, terminal),
        Command::Explain(args) => explain::run(&args, terminal),
        Command::Emit(args) => emit::run(&args, terminal),
        Command::Bench(args) => bench::run(&args, terminal),
        Command::Summary(args) => summary::run(&args, terminal),
        Command::Fmt(args) => fmt::run(&args, terminal),
        Command::Doc(args) => doc::run(&args, terminal),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "hvic", &mut script);
            terminal.result(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
    }
}

/// Puts the instruction set in force that the option asks for, or else the environment.
fn force_isa(option: Option<Isa>) -> Result<(), Failure> {
    let unknown = |why| {
        Failure::hinted(
            format!("`{}` in the environment: {why}", simd::VARIABLE),
            "without it the widest that the processor has is taken",
        )
    };
    let asked = option.map_or_else(simd::asked, |isa| Ok(Some(isa)));
    match asked.map_err(unknown)? {
        Some(isa) if !simd::force(isa) => {
            let had: Vec<String> = (Isa::ALL.into_iter())
                .filter(|isa| isa.available())
                .map(|isa| format!("`{isa}`"))
                .collect();
            Err(Failure::hinted(
                format!("this processor does not have the instructions `{isa}`"),
                format!("it has {}", had.join(", ")),
            ))
        }
        Some(_) | None => Ok(()),
    }
}
