//! Which vector instructions loops run with: chosen at run time, or forced.
//!
//! A loop is a [`Task`], written once over plain numbers; [`run`] compiles it for each [`Isa`] and calls the one in force,
//! where the compiler turns it into vector code. On every instruction set with a fused multiply-add the results are the
//! same bits; [`Isa::Portable`] does without and differs by rounding.

use super::elementary::Fma;
#[cfg(target_arch = "aarch64")]
use super::elementary::Fused;
#[cfg(target_arch = "x86_64")]
use super::elementary::FusedByEight;
#[cfg(target_arch = "x86_64")]
use super::elementary::FusedByFour;
use super::elementary::Unfused;
#[cfg(target_arch = "x86_64")]
use std::marker::PhantomData;
use std::sync::OnceLock;

/// A set of vector instructions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Isa {
    /// What every processor of the target has.
    Portable,
    /// Fused multiply-add without further choice: aarch64 with NEON.
    Neon,
    /// x86-64-v3: 4 numbers at a time.
    Avx2,
    /// x86-64-v4: 8 numbers at a time.
    Avx512,
}

impl Isa {
    /// Every set, from narrow to wide.
    pub const ALL: [Isa; 4] = [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512];

    /// Whether this processor has it.
    pub fn available(self) -> bool {
        Level::of(self).is_some()
    }

    /// The widest that this processor has.
    pub fn best() -> Isa {
        Isa::ALL
            .into_iter()
            .rfind(|isa| isa.available())
            .unwrap_or(Isa::Portable)
    }

    /// Its name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

impl std::fmt::Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Isa {
    type Err = String;

    fn from_str(name: &str) -> Result<Isa, String> {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| format!("`{name}` is not an instruction set; there are `portable`, `neon`, `avx2` and `avx512`"))
    }
}

/// Proof that the processor has an instruction set.
#[derive(Clone, Copy, Debug)]
enum Level {
    Portable,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
}

impl Level {
    fn of(isa: Isa) -> Option<Level> {
        match isa {
            Isa::Portable => Some(Level::Portable),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Some(Level::Neon),
            #[cfg(not(target_arch = "aarch64"))]
            Isa::Neon => None,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => pulp::x86::V3::try_new().map(Level::Avx2),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => pulp::x86::V4::try_new().map(Level::Avx512),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => None,
        }
    }

    fn isa(self) -> Isa {
        match self {
            Level::Portable => Isa::Portable,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => Isa::Neon,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(_) => Isa::Avx2,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(_) => Isa::Avx512,
        }
    }

    #[inline(always)]
    fn run<K: Task>(self, task: K) -> K::Output {
        match self {
            Level::Portable => task.run::<Unfused>(),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => task.run::<Fused>(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(level) => level.vectorize(Call::<K, FusedByFour>(task, PhantomData)),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(level) => level.vectorize(Call::<K, FusedByEight>(task, PhantomData)),
        }
    }
}

/// A loop to run with vector instructions.
pub trait Task {
    /// What it gives back.
    type Output;

    /// Runs it; to be marked `#[inline(always)]`, as all that it calls, or it is not compiled for the instruction set.
    fn run<F: Fma>(self) -> Self::Output;
}

/// A task as the dispatcher takes it.
#[cfg(target_arch = "x86_64")]
struct Call<K, F>(K, PhantomData<F>);

#[cfg(target_arch = "x86_64")]
impl<K: Task, F: Fma> pulp::NullaryFnOnce for Call<K, F> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.0.run::<F>()
    }
}

static IN_FORCE: OnceLock<Level> = OnceLock::new();

/// The environment variable that names the instruction set to put in force.
pub const VARIABLE: &str = "HVI_ISA";

/// The instruction set that the environment asks for, if it asks.
///
/// # Errors
/// Why what it asks for is none.
pub fn asked() -> Result<Option<Isa>, String> {
    match std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) {
        Some(name) => name.to_string_lossy().parse().map(Some),
        None => Ok(None),
    }
}

fn level() -> Level {
    *IN_FORCE.get_or_init(|| {
        (asked().ok().flatten().and_then(Level::of))
            .or_else(|| Level::of(Isa::best()))
            .unwrap_or(Level::Portable)
    })
}

/// Puts an instruction set in force for the rest of the process; to be called before anything runs.
///
/// False where the processor lacks it or another is in force.
pub fn force(isa: Isa) -> bool {
    Level::of(isa).is_some_and(|level| IN_FORCE.get_or_init(|| level).isa() == isa)
}

/// The instruction set in force: the forced one, or else the one that [`VARIABLE`] names, or else the best.
pub fn in_force() -> Isa {
    level().isa()
}

/// Runs a loop with the instruction set in force.
#[inline]
pub fn run<K: Task>(task: K) -> K::Output {
    level().run(task)
}

/// Runs a loop with the instruction set in force, but with vectors of 4 numbers at most: the same bits in less code.
#[inline]
pub fn run_narrow<K: Task>(task: K) -> K::Output {
    match level() {
        Level::Portable => task.run::<Unfused>(),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => task.run::<Fused>(),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2(level) => level.vectorize(Call::<K, FusedByFour>(task, PhantomData)),
        // What has the wider vectors has these too.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(level) => {
            let level: &pulp::x86::V3 = &level;
            level.vectorize(Call::<K, FusedByFour>(task, PhantomData))
        }
    }
}

/// Runs a loop with this instruction set; `None` where the processor lacks it.
#[inline]
pub fn run_on<K: Task>(isa: Isa, task: K) -> Option<K::Output> {
    Level::of(isa).map(|level| level.run(task))
}
