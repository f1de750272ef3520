//! Mini-batches of elements: each pass goes over all of them once, in an order of its own.

use crate::num::rng;
use crate::num::rng::Rng;
use rand::RngExt;

/// An endless sequence of mini-batches.
#[derive(Debug)]
pub struct Batches {
    order: Vec<u32>,
    size: usize,
    next: usize,
    rng: Rng,
}

impl Batches {
    /// Mini-batches of `size` of `count` elements, or of all if there are fewer. Every element is in as many as any other on average, and in
    /// exactly one of a pass where `size` divides `count`.
    pub fn new(count: usize, size: usize, seed: u64) -> Batches {
        Batches {
            order: (0..count as u32).collect(),
            size: size.clamp(1, count.max(1)),
            next: count,
            rng: rng::stream(seed),
        }
    }

    /// The next one.
    pub fn next_batch(&mut self) -> &[u32] {
        let count = self.order.len();
        if self.next + self.size > count {
            for i in (1..count).rev() {
                self.order.swap(i, self.rng.random_range(0..=i));
            }
            self.next = 0;
        }
        let first = self.next.min(count);
        self.next += self.size;
        &self.order[first..self.next.min(count)]
    }
}

#[cfg(test)]
mod tests {
    use super::Batches;

    #[test]
    fn a_pass_sees_every_element_once() {
        let mut batches = Batches::new(12, 3, 7);
        let mut orders = Vec::new();
        for _ in 0..3 {
            let pass: Vec<u32> = (0..4).flat_map(|_| batches.next_batch().to_vec()).collect();
            let mut sorted = pass.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..12).collect::<Vec<u32>>());
            orders.push(pass);
        }
        assert_ne!(orders[0], orders[1]);
        assert_ne!(orders[1], orders[2]);
    }

    #[test]
    fn elements_are_seen_equally_often_where_batches_do_not_come_out_even() {
        let mut batches = Batches::new(5, 2, 1);
        let mut seen = [0; 5];
        for _ in 0..10_000 {
            batches
                .next_batch()
                .iter()
                .for_each(|e| seen[*e as usize] += 1);
        }
        // 20,000 places: 4,000 for each, and five standard errors.
        assert!(seen.iter().all(|n| i32::abs(n - 4000) < 300), "{seen:?}");
        assert_eq!(Batches::new(2, 9, 1).next_batch().len(), 2);
    }
}
