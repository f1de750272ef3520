//! Where a fit by stochastic steps stood when it ended early, as bytes: from there it goes on as if it had not ended.

use super::stochastic::Adam;
use super::stochastic::Progress;
use super::stochastic::Window;
use super::tail::Moments;

/// Where a fit by stochastic steps stood.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub(super) progress: Progress,
    pub(super) history: Vec<f64>,
}

/// The first number of the bytes, which tells what they are.
const VERSION: f64 = 2.0;

impl State {
    /// The iterations so far.
    pub fn iterations(&self) -> usize {
        self.history.len()
    }

    /// Whether it is that of a fit with so many parameters, of which so much is looked at.
    pub(super) fn fits(&self, len: usize, features: usize) -> bool {
        let now = &self.progress;
        let mut windows = now.before.iter().chain([&now.window]);
        let mut vectors = [&now.x, &now.adam.first, &now.adam.second].into_iter();
        vectors.all(|v| v.len() == len)
            && windows.all(|w| w.mean.len() == len && w.seen.mean.len() == features)
    }

    /// All numbers as 64-bit floating-point numbers in little-endian order, whole ones too.
    pub fn bytes(&self) -> Vec<u8> {
        let now = &self.progress;
        let features = now.window.seen.mean.len();
        let sizes = [now.x.len(), features, now.before.len(), self.history.len()];
        let mut out = vec![VERSION];
        out.extend(sizes.map(|n| n as f64));
        out.extend([now.tried as f64, f64::from(now.step)]);
        out.extend([f64::from(now.adam.steps), now.rate]);
        for vector in [&now.x, &now.adam.first, &now.adam.second] {
            out.extend(vector);
        }
        for window in now.before.iter().chain([&now.window]) {
            out.push(window.seen.count);
            for vector in [&window.mean, &window.seen.mean, &window.seen.squares] {
                out.extend(vector);
            }
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
        let (head, rest) = numbers.split_at_checked(9)?;
        let [
            version,
            len,
            features,
            before,
            history,
            tried,
            step,
            steps,
            rate,
        ] = *head
        else {
            return None;
        };
        let sizes = [len, features, before, history];
        let whole = sizes
            .iter()
            .all(|n| n.fract() == 0.0 && (0.0..=rest.len() as f64).contains(n));
        let [len, features, before, history] = sizes.map(|n| n as usize);
        let window = 1 + len + 2 * features;
        let expected = 3 * len + (before + 1) * window + history;
        if version != VERSION || !whole || rest.len() != expected || !bytes.len().is_multiple_of(8)
        {
            return None;
        }
        let (vectors, rest) = rest.split_at(3 * len);
        let (windows, history) = rest.split_at((before + 1) * window);
        let vector = |k: usize| vectors[k * len..(k + 1) * len].to_vec();
        let mut windows: Vec<Window> = windows
            .chunks_exact(window)
            .map(|w| {
                let (mean, seen) = w[1..].split_at(len);
                let (seen, squares) = seen.split_at(features);
                Window {
                    mean: mean.to_vec(),
                    seen: Moments {
                        count: w[0],
                        mean: seen.to_vec(),
                        squares: squares.to_vec(),
                    },
                }
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
