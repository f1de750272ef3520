//! Functions of whole events: their names, and the shapes that they take and give.

use super::ExprId;
use super::ExprKind;
use super::Function;
use super::check::Checker;
use super::scope::Scope;
use crate::problem::Code;
use crate::shape::Dim;
use crate::shape::Event;
use crate::source::Span;
use crate::tape::elementwise;

/// A function of whole events: its name, and how it is called.
pub(super) struct Row {
    /// Its name in the language.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) function: Function,
    /// The fewest and the most arguments.
    pub(super) args: (usize, usize),
    /// How it is called, with shapes.
    pub(super) usage: &'static str,
}

const fn row(
    name: &'static str,
    function: Function,
    args: (usize, usize),
    usage: &'static str,
) -> Row {
    Row {
        name,
        function,
        args,
        usage,
    }
}

/// The functions of whole events that a model may call.
pub(super) static FUNCTIONS: &[Row] = &[
    row("dot", Function::Dot, (2, 2), "dot(a: [n], b: [n])"),
    row("sum", Function::Sum, (1, 1), "sum(v: [n])"),
    row("mean", Function::Mean, (1, 1), "mean(v: [n])"),
    row("min", Function::Min, (1, 1), "min(v: [n])"),
    row("max", Function::Max, (1, 1), "max(v: [n])"),
    row(
        "log_sum_exp",
        Function::LogSumExp,
        (1, 1),
        "log_sum_exp(v: [n])",
    ),
    row(
        "log_mix",
        Function::LogMix,
        (2, 2),
        "log_mix(weights: [n], v: [n])",
    ),
    row("softmax", Function::Softmax, (1, 1), "softmax(v: [n])"),
    row(
        "log_softmax",
        Function::LogSoftmax,
        (1, 1),
        "log_softmax(v: [n])",
    ),
    row(
        "cumulative_sum",
        Function::CumulativeSum,
        (1, 1),
        "cumulative_sum(v: [n])",
    ),
    row(
        "concat",
        Function::Concat,
        (2, usize::MAX),
        "concat(a: [n], b: [m], …)",
    ),
    row("rep", Function::Rep, (2, 3), "rep(x, n), rep(x, n, m)"),
    row("zeros", Function::Zeros, (1, 2), "zeros(n), zeros(n, m)"),
    row("identity", Function::Identity, (1, 1), "identity(n)"),
    row("outer", Function::Outer, (2, 2), "outer(a: [n], b: [m])"),
    row(
        "transpose",
        Function::Transpose,
        (1, 1),
        "transpose(m: [n, m])",
    ),
    row(
        "diag",
        Function::Diag,
        (1, 1),
        "diag(v: [n]), diag(m: [n, n])",
    ),
    row(
        "lower_triangular",
        Function::LowerTriangular,
        (1, 2),
        "lower_triangular(m: [n, n]), lower_triangular(below: [n (n - 1) / 2], diagonal: [n])",
    ),
    row(
        "cholesky",
        Function::Cholesky,
        (1, 1),
        "cholesky(m: [n, n])",
    ),
    row(
        "solve",
        Function::Solve,
        (2, 2),
        "solve(m: [n, n], b: [n] or [n, k])",
    ),
    row("inverse", Function::Inverse, (1, 1), "inverse(m: [n, n])"),
    row("log_det", Function::LogDet, (1, 1), "log_det(m: [n, n])"),
    row("length", Function::Length, (1, 1), "length(v: [n])"),
];

/// Functions with rules of their own.
pub(super) const SPECIAL: &[&str] = &["log_prob", "log_cdf", "log_ccdf", "center", "standardize"];

/// Functions of the language that are not built yet.
pub(super) const PLANNED: &[&str] = &["sort", "prev", "first"];

/// The function of whole events of this name.
pub(super) fn whole_event(name: &str) -> Option<&'static Row> {
    FUNCTIONS.iter().find(|row| row.name == name)
}

/// The names of all functions of the language.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    let rows = elementwise::catalogue().filter(|op| op.callable);
    FUNCTIONS
        .iter()
        .map(|row| row.name)
        .chain(SPECIAL.iter().copied())
        .chain(PLANNED.iter().copied())
        .chain(rows.map(|op| op.name))
}

/// Whether the language has a function of this name.
pub(super) fn is_function(name: &str) -> bool {
    all().any(|known| known == name)
}

impl Checker<'_> {
    /// A function of whole events; `at` is its name in the text.
    pub(super) fn whole(
        &mut self,
        function: Function,
        name: &str,
        args: Vec<ExprId>,
        own: Span,
        at: Span,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        for &arg in &args {
            self.key_as_value(arg, own, scope)?;
        }
        let events: Vec<Event> = args
            .iter()
            .map(|&arg| self.typed.expr(arg).event.clone())
            .collect();
        let Some(event) = shape(function, &events) else {
            let found: Vec<String> = events.iter().map(|event| self.describe(event)).collect();
            let message = format!("`{name}` does not take {}", found.join(" and "));
            let problem = scope.problem(Code::FunctionShape, at, message);
            let hint = match function {
                Function::MatrixProduct if events.iter().all(|e| e.len() == 1) => {
                    "`dot(a, b)` is the product of two vectors".to_owned()
                }
                Function::MatrixProduct => {
                    "`m @ v`, `v @ m` and `m @ n` with equal inner dimensions; `*` multiplies element by element".to_owned()
                }
                Function::Sum | Function::Mean | Function::Min | Function::Max | Function::LogSumExp
                    if events.iter().all(|e| e.is_empty()) =>
                {
                    format!("over the elements of a plate: `{name}(plate: x)`")
                }
                Function::Dot
                | Function::Sum
                | Function::Mean
                | Function::Min
                | Function::Max
                | Function::LogSumExp
                | Function::LogMix
                | Function::Softmax
                | Function::LogSoftmax
                | Function::CumulativeSum
                | Function::Concat
                | Function::Rep
                | Function::Zeros
                | Function::Identity
                | Function::Outer
                | Function::Transpose
                | Function::Diag
                | Function::LowerTriangular
                | Function::Cholesky
                | Function::Solve
                | Function::Inverse
                | Function::LogDet
                | Function::Length => {
                    let usage = whole_event(name).map_or(name, |row| row.usage);
                    format!("it is called `{usage}`")
                }
            };
            return self.fail(problem.label(found.join(" and ")).hint(hint));
        };
        if function == Function::Length {
            let span = scope.span(own);
            return match events[0][0] {
                Dim::Fixed(n) => self.constant(vec![n as f64], event, span),
                Dim::Size(id, plus) => {
                    let kind = ExprKind::Size(id, plus);
                    self.add(kind, span, [], event, super::Depends::Data)
                }
            };
        }
        let kind = ExprKind::Function(function, args.clone());
        self.combine(kind, &args, event, scope.span(own))
    }
}

/// The shape of the result; `None` when the arguments' shapes do not fit.
fn shape(function: Function, args: &[Event]) -> Option<Event> {
    let scalar = Event::new;
    let vector = |n: Dim| Event::from_slice(&[n]);
    let matrix = |n: Dim, m: Dim| Event::from_slice(&[n, m]);
    match (function, args) {
        (Function::Dot, [a, b]) if a.len() == 1 && a == b => Some(scalar()),
        (Function::LogMix, [a, b]) if a.len() == 1 && a == b => Some(scalar()),
        (
            Function::Sum | Function::Mean | Function::Min | Function::Max | Function::LogSumExp,
            [a],
        ) if !a.is_empty() => Some(scalar()),
        (Function::Softmax | Function::LogSoftmax | Function::CumulativeSum, [a])
            if a.len() == 1 =>
        {
            Some(a.clone())
        }
        (Function::Concat, parts) => {
            let mut total = Dim::Fixed(0);
            for part in parts {
                total = match (total, part.as_slice()) {
                    (Dim::Fixed(n), []) => Dim::Fixed(n + 1),
                    (Dim::Size(id, plus), []) => Dim::Size(id, plus + 1),
                    (Dim::Fixed(n), &[Dim::Fixed(m)]) => Dim::Fixed(n + m),
                    (Dim::Fixed(n), &[Dim::Size(id, plus)])
                    | (Dim::Size(id, plus), &[Dim::Fixed(n)]) => Dim::Size(id, plus + n as i64),
                    // The sum of two sizes that data fix is no size that can be named.
                    (_, _) => return None,
                };
            }
            Some(vector(total))
        }
        (Function::Outer, [a, b]) => match (a.as_slice(), b.as_slice()) {
            ([n], [m]) => Some(matrix(*n, *m)),
            _ => None,
        },
        (Function::Transpose, [a]) => match a.as_slice() {
            [n, m] => Some(matrix(*m, *n)),
            _ => None,
        },
        (Function::Diag, [a]) => match a.as_slice() {
            [n] => Some(matrix(*n, *n)),
            [n, m] if n == m => Some(vector(*n)),
            _ => None,
        },
        (Function::LowerTriangular | Function::Cholesky | Function::Inverse, [a]) => {
            square(a).map(|n| matrix(n, n))
        }
        (Function::LowerTriangular, [below, diagonal]) => {
            match (below.as_slice(), diagonal.as_slice()) {
                ([Dim::Fixed(m)], [Dim::Fixed(n)]) if 2 * m + n == n * n => {
                    Some(matrix(Dim::Fixed(*n), Dim::Fixed(*n)))
                }
                _ => None,
            }
        }
        (Function::LogDet, [a]) => square(a).map(|_| scalar()),
        (Function::Solve, [a, b]) => {
            let n = square(a)?;
            matches!(b.as_slice(), [m] | [m, _] if *m == n).then(|| b.clone())
        }
        (Function::Length, [a]) if !a.is_empty() => Some(scalar()),
        (Function::MatrixProduct, [a, b]) => match (a.as_slice(), b.as_slice()) {
            ([n], [m, k]) if n == m => Some(vector(*k)),
            ([k, n], [m]) if n == m => Some(vector(*k)),
            ([k, n], [m, l]) if n == m => Some(matrix(*k, *l)),
            _ => None,
        },
        (
            Function::Dot
            | Function::Sum
            | Function::Mean
            | Function::Min
            | Function::Max
            | Function::LogSumExp
            | Function::LogMix
            | Function::Softmax
            | Function::LogSoftmax
            | Function::CumulativeSum
            | Function::Rep
            | Function::Zeros
            | Function::Identity
            | Function::Outer
            | Function::Transpose
            | Function::Diag
            | Function::LowerTriangular
            | Function::Cholesky
            | Function::Solve
            | Function::Inverse
            | Function::LogDet
            | Function::Length
            | Function::MatrixProduct,
            _,
        ) => None,
    }
}

/// Where the entries of `lower_triangular(below, diagonal)` with n rows are, row by row, in the numbers below the diagonal followed by
/// those on it; `None` above the diagonal, for 0.
pub fn lower_places(n: usize) -> Vec<Option<usize>> {
    let below = n * n.saturating_sub(1) / 2;
    let place = |k: usize| match (k / n, k % n) {
        (i, j) if j < i => Some(i * (i - 1) / 2 + j),
        (i, j) if j == i => Some(below + i),
        (_, _) => None,
    };
    (0..n * n).map(place).collect()
}

/// The dimension of a square matrix.
fn square(event: &Event) -> Option<Dim> {
    match event.as_slice() {
        [n, m] if n == m => Some(*n),
        _ => None,
    }
}
