//! `hvic bench`: what one gradient of a model with its data costs.

use crate::args::Bench as Args;
use crate::clock;
use crate::clock::Timing;
use crate::load;
use crate::load::Data;
use crate::memory;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::joint::Pass;
use hvi::joint::Passes;
use hvi::joint::Site;
use hvi::num::rng;
use hvi::num::simd;
use hvi::report::VERSION;
use hvi::report::table::Align;
use hvi::report::table::decimals_for;
use hvi::report::table::fixed;
use hvi::report::table::lay_out;
use hvi::report::text;
use hvi::report::text::Paint;
use hvi::report::text::Role;
use hvi::shape::PlateId;
use hvi::tape::StageCost;
use rand_distr::Distribution;
use rand_distr::StandardNormal;
use serde_json::Value;
use serde_json::json;
use std::num::NonZeroUsize;
use std::time::Duration;
use std::time::Instant;

/// Bytes of a megabyte, as the system counts.
const MB: f64 = 1_048_576.0;
/// The most Hessian products that are timed.
const MOST_PRODUCTS: usize = 64;
/// How far from the starting point a coordinate is moved, as the standard deviation of a normal draw; the next where the one before leads to no number.
const DISTANCES: [f64; 3] = [0.1, 0.01, 0.0];

/// Measures and prints.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let start = Instant::now();
    let typed = load::checked(&args.input, terminal)?;
    let checked = start.elapsed();
    let data = Data::read(&args.input, args.stream, &typed)?;
    let read = start.elapsed();
    let model = data.bind(&typed, terminal)?;
    let bound = start.elapsed();
    let joint = model.lower(typed.source(), passes(args), joint::lower_bare)?;
    let lowered = start.elapsed();
    let read_mb = memory::peak_mb();
    let apart = memory::forget_peak();
    let (point, timing) = timing(&joint, args.seed)?;
    let run_mb = memory::peak_mb().filter(|_| apart);
    let blocks = Blocks::timed(&joint, &point, &timing);
    let draws = args
        .draws
        .map(|draws| (draws, at_many(&joint, &point, draws)));
    let cost = Cost {
        joint: &joint,
        timing,
        blocks,
        draws,
        read: read - checked,
        bind: bound - read,
        lower: lowered - bound,
        read_mb,
        run_mb,
    };
    let name = load::name(&args.input.model);
    if args.json {
        return terminal
            .result(&format!("{:#}\n", cost.json(&name)))
            .map(|()| Exit::Done);
    }
    let data = args.input.data.as_ref().map(|p| p.display().to_string());
    let paint = terminal.paint();
    let binding = text::binding(&name, data.as_deref(), joint.model().report(), paint);
    terminal.result(&format!("{binding}\n{}", cost.text(paint)))?;
    Ok(Exit::Done)
}

fn passes(args: &Args) -> Passes {
    let every_row = Passes::all().without(Pass::Collapse).without(Pass::Merge);
    match (args.primitive, args.no_collapse) {
        (true, _) => every_row.without(Pass::Fuse),
        (false, true) => every_row,
        (false, false) => Passes::all(),
    }
}

/// Times the log density with its gradient at a point near the start, which it gives too.
fn timing(joint: &Joint, seed: u64) -> Result<(Vec<f64>, Timing), Failure> {
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let mut gradient = vec![0.0; joint.dim()];
    let mut point = Vec::new();
    for distance in DISTANCES {
        point = near_start(joint, seed, distance);
        if evaluator.gradient(&point, &mut gradient).is_finite() {
            let timing = clock::time(|| {
                std::hint::black_box(evaluator.gradient(&point, &mut gradient));
            });
            return Ok((point, timing));
        }
    }
    let why = joint.blame(&point);
    let mut failure = Failure::hinted(
        format!(
            "the log density has no value where a fit would start: {}",
            why.as_deref().unwrap_or("it is not finite")
        ),
        "a fit starts at the centres of the priors: choose priors whose centres the statements allow",
    );
    failure.exit = Exit::Wrong;
    Err(failure)
}

/// Times value and gradient at vectors of parameters near a point, all in one pass over the rows: what one of them takes.
fn at_many(joint: &Joint, point: &[f64], draws: NonZeroUsize) -> Timing {
    let (tape, draws) = (joint.density(), draws.get());
    let near = |draw: usize| point.iter().map(move |x| x + 1e-6 * draw as f64);
    let zs: Vec<f64> = (0..draws).flat_map(near).collect();
    let mut workspace = tape.workspace_of::<f64>(draws);
    let (mut values, mut gradients) = (vec![0.0; draws], vec![0.0; zs.len()]);
    let timing = clock::time(|| {
        tape.gradients(&zs, &mut workspace, &mut values, &mut gradients);
        std::hint::black_box(&gradients);
    });
    Timing {
        cpu: timing.cpu / draws as f64,
        wall: timing.wall / draws as f64,
        ..timing
    }
}

/// The point from which a fit starts, every coordinate moved by a normal draw.
fn near_start(joint: &Joint, seed: u64, distance: f64) -> Vec<f64> {
    let mut stream = rng::stream(seed);
    joint
        .sites()
        .iter()
        .flat_map(|site| &site.start)
        .map(|start| {
            let draw: f64 = StandardNormal.sample(&mut stream);
            start + distance * draw
        })
        .collect()
}

/// What second derivatives cost: for each element of each plate the block of its own coordinates and its block with the top level, by
/// one Hessian product for each coordinate of an element, all elements at once, and for each coordinate of the top level.
struct Blocks {
    products: usize,
    /// Their processor time, in gradients.
    gradients: f64,
}

impl Blocks {
    /// Times them; `None` where there are no plates, or too many coordinates, or where rows are read for every product.
    fn timed(joint: &Joint, point: &[f64], gradient: &Timing) -> Option<Blocks> {
        let sites = || joint.sites().iter();
        let top = |site: &&Site| site.plate == PlateId::TOP;
        let locals: usize = sites().filter(|s| !top(s)).map(|s| s.width).sum();
        let products = locals + sites().filter(top).map(|s| s.width).sum::<usize>();
        if locals == 0 || products > MOST_PRODUCTS || joint.reads_rows() {
            return None;
        }
        let places = sites().flat_map(|s| (0..s.width).map(|k| (s.offset + k * s.len, s.len)));
        let direction = |(first, len): (usize, usize)| {
            let mut direction = vec![0.0; point.len()];
            direction[first..][..len].fill(1.0);
            direction
        };
        let directions: Vec<Vec<f64>> = places.map(direction).collect();
        let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
        let mut product = vec![0.0; point.len()];
        let mut z = point.to_vec();
        let timing = clock::time(|| {
            // Nothing that was worked out for the point before is of use.
            z[0] = point[0] + if z[0] == point[0] { 1e-6 } else { 0.0 };
            for direction in &directions {
                evaluator.hessian_product(&z, direction, &mut product);
                std::hint::black_box(&product);
            }
        });
        Some(Blocks {
            products,
            gradients: timing.cpu / gradient.cpu,
        })
    }
}

/// What was measured of a log density.
struct Cost<'a> {
    joint: &'a Joint,
    timing: Timing,
    blocks: Option<Blocks>,
    /// At so many vectors of parameters in one pass over the rows, for one of them.
    draws: Option<(NonZeroUsize, Timing)>,
    read: Duration,
    bind: Duration,
    lower: Duration,
    /// Peak memory until the model was lowered, in MB.
    read_mb: Option<f64>,
    /// Peak memory of the runs, in MB; `None` where it cannot be told apart.
    run_mb: Option<f64>,
}

impl Cost<'_> {
    /// Rows of the main table; `None` without any.
    fn rows(&self) -> Option<usize> {
        Some(self.joint.model().report().rows).filter(|rows| *rows > 0)
    }

    /// A figure for all rows, for one of them.
    fn per_row(&self, all: f64) -> Option<f64> {
        self.rows().map(|rows| all / rows as f64)
    }

    /// What messages call the plate of a stage.
    fn plate_name(&self, stage: &StageCost) -> &str {
        if stage.plate == PlateId::TOP {
            return "top level";
        }
        if stage.rewritten {
            return "rows taken together";
        }
        let plates = self.joint.model().typed().plates();
        (plates.get(stage.plate.index())).map_or("pairs for an aggregate", |plate| &plate.name)
    }

    fn json(&self, name: &str) -> Value {
        let report = self.joint.model().report();
        let plates: serde_json::Map<String, Value> = (report.plates.iter())
            .map(|plate| (plate.name.clone(), json!(plate.len)))
            .collect();
        let stages: Vec<Value> = (self.joint.density().stages())
            .map(|stage| {
                json!({
                    "plate": self.plate_name(&stage),
                    "elements": stage.len,
                    "block": stage.block,
                    "nodes": stage.nodes,
                })
            })
            .collect();
        let rewritings: Vec<Value> = (self.joint.rewritings().into_iter())
            .map(|(name, what)| json!({"name": name, "what": what}))
            .collect();
        let fused: Vec<Value> = (self.joint.forms().into_iter())
            .map(|(term, form)| json!({"term": self.joint.terms()[term].name, "form": form}))
            .collect();
        let bytes = self.joint.density().column_bytes() as f64;
        let seconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e6;
        json!({
            "version": VERSION,
            "model": name,
            "rows": report.rows,
            "plates": plates,
            "parameters": self.joint.dim(),
            "threads": rayon::current_num_threads(),
            "isa": simd::in_force().name(),
            "path": self.joint.path(),
            "passes": self.joint.passes().iter().map(Pass::name).collect::<Vec<_>>(),
            "rewritings": rewritings,
            "ns_per_row": self.per_row(self.timing.cpu),
            "wall_ns_per_row": self.per_row(self.timing.wall),
            "ns_per_gradient": self.timing.cpu,
            "wall_ns_per_gradient": self.timing.wall,
            "spread": self.timing.spread,
            "gradients": self.timing.runs,
            "blocks_per_gradient": self.blocks.as_ref().map(|blocks| blocks.gradients),
            "blocks_products": self.blocks.as_ref().map(|blocks| blocks.products),
            "draws": self.draws.map_or(1, |(draws, _)| draws.get()),
            "ns_per_row_and_draw": self.draws.and_then(|(_, timing)| self.per_row(timing.cpu)),
            "nodes": self.joint.density().nodes().len(),
            "stages": stages,
            "fused": fused,
            "bytes_per_row": self.per_row(bytes),
            "column_mb": (bytes / MB * 10.0).round() / 10.0,
            "peak_rss_mb": self.peak_mb(),
            "peak_rss_mb_read": self.read_mb,
            "peak_rss_mb_run": self.run_mb,
            "time": {
                "read": seconds(self.read),
                "bind": seconds(self.bind),
                "lower": seconds(self.lower),
            },
        })
    }

    fn text(&self, paint: Paint) -> String {
        let mut out = lay_out(&self.times(), &[Align::Left; 3]);
        out[0] = paint.paint(Role::Heading, &out[0]);
        out.push(paint.paint(
            Role::Faint,
            &format!(
                "  medians of {} on {} with {} instructions, steady to {:.0}%",
                text::count(self.timing.runs, "run", "runs"),
                text::count(rayon::current_num_threads(), "thread", "threads"),
                simd::in_force(),
                100.0 * self.timing.spread
            ),
        ));
        if let Some((draws, timing)) = &self.draws {
            out.push(format!(
                "at {draws} vectors of parameters in one pass, for each: {}",
                duration(timing.cpu)
            ));
        }
        if let Some(Blocks {
            products,
            gradients,
        }) = &self.blocks
        {
            out.push(format!(
                "second derivatives of all elements: {} gradients, by {}",
                fixed(*gradients, decimals_for(*gradients, 2)),
                text::count(*products, "product", "products"),
            ));
        }
        let density = self.joint.density();
        out.push(String::new());
        out.push(format!(
            "{}, {}",
            text::count(self.joint.dim(), "parameter", "parameters"),
            text::count(density.nodes().len(), "node", "nodes"),
        ));
        let stages: Vec<Vec<String>> = density.stages().map(|s| self.stage_cells(&s)).collect();
        for line in lay_out(&stages, &[Align::Left; 4]) {
            out.push(format!("  {line}"));
        }
        for (name, what) in self.joint.rewritings() {
            out.push(format!("  {name}: {what}"));
        }
        out.push(String::new());
        out.push(self.memory());
        let [read, bind, lower] =
            [self.read, self.bind, self.lower].map(|time| duration(time.as_secs_f64() * 1e9));
        out.push(format!(
            "read in {read}, bound in {bind}, lowered in {lower}"
        ));
        out.join("\n") + "\n"
    }

    /// What one run and one row take, under a heading.
    fn times(&self) -> Vec<Vec<String>> {
        let Timing { cpu, wall, .. } = self.timing;
        let per_row = self.per_row(cpu).zip(self.per_row(wall));
        let heading = ["value and gradient", "processor", "clock"].map(str::to_owned);
        let row = |name: &str, cpu: f64, wall: f64| {
            vec![format!("  {name}"), duration(cpu), duration(wall)]
        };
        [heading.to_vec(), row("a run", cpu, wall)]
            .into_iter()
            .chain(per_row.map(|(cpu, wall)| row("a row", cpu, wall)))
            .collect()
    }

    fn stage_cells(&self, stage: &StageCost) -> Vec<String> {
        vec![
            self.plate_name(stage).to_owned(),
            text::count(stage.nodes, "node", "nodes"),
            text::count(stage.len, "element", "elements"),
            format!("in blocks of {}", stage.block),
        ]
    }

    /// The most memory held at any time, in MB.
    fn peak_mb(&self) -> Option<f64> {
        self.read_mb
            .map(|read| self.run_mb.map_or(read, |run| run.max(read)))
    }

    fn memory(&self) -> String {
        let bytes = self.joint.density().column_bytes() as f64;
        let columns = match self.per_row(bytes) {
            Some(per_row) => format!("{} bytes a row", fixed(per_row, decimals_for(per_row, 3))),
            None => format!("{bytes} bytes"),
        };
        let mb =
            |mb: Option<f64>, of: &str| mb.map_or(String::new(), |mb| format!(", {mb} MB {of}"));
        format!(
            "columns take {columns}{}{}",
            mb(self.read_mb, "at most until lowered"),
            mb(self.run_mb, "in a run")
        )
    }
}

/// Nanoseconds as a number of three digits with its unit.
fn duration(nanoseconds: f64) -> String {
    let units = [("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0)];
    let (unit, size) = (units.into_iter())
        .find(|(_, size)| nanoseconds >= *size)
        .unwrap_or(("ns", 1.0));
    let number = nanoseconds / size;
    format!("{} {unit}", fixed(number, decimals_for(number, 3)))
}
