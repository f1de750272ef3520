//! Where a fit by stochastic steps stood when it ended early, as bytes: from there it goes on as if it had not ended.

use super::stochastic::Adam;
use super::stochastic::Progress;
use super::stochastic::Window;

/// Where a fit by stochastic steps stood.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub(super) progress: Progress,
    pub(super) history: Vec<f64>,
}

/// The first number of the bytes, which tells what they are.
const VERSION: f64 = 1.0;

impl State {
    /// The iterations so far.
    pub fn iterations(&self) -> usize {
        self.history.len()
    }

    /// Whether it is that of a fit with so many parameters.
    pub(super) fn fits(&self, len: usize) -> bool {
        let now = &self.progress;
        let windows = now.before.iter().chain([&now.window]);
        let vectors = [&now.x, &now.adam.first, &now.adam.second].into_iter();
        vectors
            .chain(windows.map(|w| &w.mean))
            .all(|v| v.len() == len)
    }

    /// All numbers as 64-bit floating-point numbers in little-endian order, whole ones too.
    pub fn bytes(&self) -> Vec<u8> {
        let now = &self.progress;
        let sizes = [now.x.len(), now.before.len(), self.history.len(), now.tried];
        let mut out = vec![VERSION];
        out.extend(sizes.map(|n| n as f64));
        out.extend([f64::from(now.step), f64::from(now.adam.steps), now.rate]);
        for vector in [&now.x, &now.adam.first, &now.adam.second] {
            out.extend(vector);
        }
        for window in now.before.iter().chain([&now.window]) {
            out.extend([window.count, window.value, window.squares]);
            out.extend(&window.mean);
        }
        out.extend(&self.history);
        out.into_iter().flat_map(f64::to_le_bytes).collect()
    }

    /// The state of these bytes; `None` if they are not of one.
    pub fn from_bytes(bytes: &[u8]) -> Option<State> {
        let numbers = bytes.chunks_exact(8).map(|bytes| {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            f64::from_le_bytes(eight)
        });
        let numbers: Vec<f64> = numbers.collect();
        let (head, rest) = numbers.split_at_checked(8)?;
        let [version, len, before, history, tried, step, steps, rate] = *head else {
            return None;
        };
        let sizes = [len, before, history];
        let whole = sizes
            .iter()
            .all(|n| n.fract() == 0.0 && (0.0..=rest.len() as f64).contains(n));
        let [len, before, history] = sizes.map(|n| n as usize);
        let expected = 3 * len + (before + 1) * (3 + len) + history;
        if version != VERSION || !whole || rest.len() != expected || !bytes.len().is_multiple_of(8)
        {
            return None;
        }
        let (vectors, rest) = rest.split_at(3 * len);
        let (windows, history) = rest.split_at((before + 1) * (3 + len));
        let vector = |k: usize| vectors[k * len..(k + 1) * len].to_vec();
        let mut windows: Vec<Window> = windows
            .chunks_exact(3 + len)
            .map(|w| Window {
                count: w[0],
                value: w[1],
                squares: w[2],
                mean: w[3..].to_vec(),
            })
            .collect();
        let window = windows.pop()?;
        Some(State {
            progress: Progress {
                x: vector(0),
                adam: Adam {
                    first: vector(1),
                    second: vector(2),
                    steps: steps as i32,
                },
                rate,
                before: windows.into(),
                window,
                tried: tried as usize,
                step: step as u32,
            },
            history: history.to_vec(),
        })
    }
}
