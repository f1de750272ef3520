//! Numbers that begin at a cache line: a vector that lies across two lines takes two goes to read or write.

use num_traits::Zero;
use std::fmt;
use std::fmt::Debug;
use std::ops::Deref;
use std::ops::DerefMut;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Numbers of which the first lies at the start of a cache line.
pub struct Aligned<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Zero> Aligned<T> {
    /// So many zeros.
    pub fn zeros(len: usize) -> Aligned<T> {
        let spare = LINE / size_of::<T>();
        let memory = vec![T::zero(); len + spare];
        let start = memory.as_ptr().align_offset(LINE).min(spare);
        Aligned { memory, start, len }
    }
}

impl<T: Debug> Debug for Aligned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

impl<T> Default for Aligned<T> {
    fn default() -> Aligned<T> {
        Aligned {
            memory: Vec::new(),
            start: 0,
            len: 0,
        }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..][..self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Dual;

    #[test]
    fn numbers_begin_at_a_line_wherever_they_go() {
        fn check<T: Copy + Zero>() {
            for len in [1, 7, 100, 5000] {
                let moved = vec![Aligned::<T>::zeros(len), Aligned::zeros(len)];
                for numbers in &moved {
                    assert_eq!((numbers.as_ptr() as usize % LINE, numbers.len()), (0, len));
                }
            }
        }
        check::<f64>();
        check::<Dual>();
        assert!(Aligned::<f64>::default().is_empty());
        assert_eq!(format!("{:?}", Aligned::<f64>::zeros(2)), "[0.0, 0.0]");
    }
}
