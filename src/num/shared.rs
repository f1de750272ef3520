//! Numbers that many share; where there are many of them, in memory that asks for large pages.
//!
//! A pass over columns of a hundred megabytes and more spends a fifth of its time on finding their pages when these are small.

use super::Aligned;
use std::ops::Deref;
use std::sync::Arc;

/// The fewest numbers that pay for pages of their own.
const MANY: usize = 1 << 19;
/// Numbers that are moved before the memory of those that have moved is given back.
const MOVED_AT_ONCE: usize = 1 << 20;

/// Numbers that are read by many and written by none.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Memory>);

#[derive(Debug)]
enum Memory {
    Few(Aligned<f64>),
    #[cfg(target_os = "linux")]
    Many(pages::Pages),
}

impl Shared {
    /// So many zeros.
    pub fn zeros(len: usize) -> Shared {
        Shared(Arc::new(Memory::zeros(len)))
    }

    /// The numbers to be written, where nobody else has them.
    pub fn get_mut(&mut self) -> Option<&mut [f64]> {
        Arc::get_mut(&mut self.0).map(Memory::numbers_mut)
    }

    /// The numbers to be written; copied first where others have them too.
    pub fn make_mut(&mut self) -> &mut [f64] {
        if Arc::get_mut(&mut self.0).is_none() {
            let mut copy = Memory::zeros(self.len());
            copy.numbers_mut().copy_from_slice(self);
            self.0 = Arc::new(copy);
        }
        (self.get_mut()).expect("nobody else has a copy just made")
    }

    /// Whether two are the same memory.
    pub fn same(&self, other: &Shared) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Memory {
    fn zeros(len: usize) -> Memory {
        #[cfg(target_os = "linux")]
        if len >= MANY
            && let Some(pages) = pages::Pages::zeros(len)
        {
            return Memory::Many(pages);
        }
        Memory::Few(Aligned::zeros(len))
    }

    fn numbers_mut(&mut self) -> &mut [f64] {
        match self {
            Memory::Few(numbers) => numbers,
            #[cfg(target_os = "linux")]
            Memory::Many(pages) => pages.numbers_mut(),
        }
    }
}

impl Deref for Shared {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        match &*self.0 {
            Memory::Few(numbers) => numbers,
            #[cfg(target_os = "linux")]
            Memory::Many(pages) => pages.numbers(),
        }
    }
}

impl PartialEq for Shared {
    fn eq(&self, other: &Shared) -> bool {
        **self == **other
    }
}

impl From<Vec<f64>> for Shared {
    /// Many numbers move from the last to the first, and their old memory shrinks as they go: they never stand in memory twice.
    fn from(mut numbers: Vec<f64>) -> Shared {
        if numbers.len() < MANY {
            return Shared::from(numbers.as_slice());
        }
        let mut memory = Memory::zeros(numbers.len());
        for part in memory.numbers_mut().rchunks_mut(MOVED_AT_ONCE) {
            let left = numbers.len() - part.len();
            part.copy_from_slice(&numbers[left..]);
            numbers.truncate(left);
            numbers.shrink_to_fit();
        }
        Shared(Arc::new(memory))
    }
}

impl From<&[f64]> for Shared {
    fn from(numbers: &[f64]) -> Shared {
        let mut memory = Memory::zeros(numbers.len());
        memory.numbers_mut().copy_from_slice(numbers);
        Shared(Arc::new(memory))
    }
}

impl FromIterator<f64> for Shared {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Shared {
        Vec::from_iter(numbers).into()
    }
}

#[cfg(target_os = "linux")]
mod pages {
    use memmap2::Advice;
    use memmap2::MmapMut;
    use std::ops::Range;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    /// Bytes of a large page.
    const PAGE: usize = 1 << 21;
    /// How far apart in their pages columns begin, and how many such places there are: numbers of one row would otherwise fall into the
    /// same few places of the caches.
    const APART: usize = 13 * 64;
    const PLACES: usize = 64;

    /// Numbers in memory of their own.
    #[derive(Debug)]
    pub struct Pages {
        map: MmapMut,
        bytes: Range<usize>,
    }

    impl Pages {
        /// So many zeros; `None` where the system does not give the memory in this way.
        pub fn zeros(len: usize) -> Option<Pages> {
            static MADE: AtomicUsize = AtomicUsize::new(0);
            let place = MADE.fetch_add(1, Ordering::Relaxed) % PLACES;
            let bytes = len * size_of::<f64>();
            let map = MmapMut::map_anon(bytes + PLACES * APART + PAGE).ok()?;
            // Large pages are a wish; without them all is the same, and slower.
            let _ = map.advise(Advice::HugePage);
            let start = map.as_ptr().align_offset(PAGE) + place * APART;
            Some(Pages {
                map,
                bytes: start..start + bytes,
            })
        }

        pub fn numbers(&self) -> &[f64] {
            bytemuck::cast_slice(&self.map[self.bytes.clone()])
        }

        pub fn numbers_mut(&mut self) -> &mut [f64] {
            bytemuck::cast_slice_mut(&mut self.map[self.bytes.clone()])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_as_they_went_in() {
        for len in [0, 1, 1000, MANY - 1, MANY, MANY + 7, 2 * MOVED_AT_ONCE + 3] {
            let number = |i: usize| (i as f64).sqrt() - 3.0;
            let numbers: Shared = (0..len).map(number).collect();
            assert_eq!(numbers.len(), len);
            assert!(numbers.iter().enumerate().all(|(i, x)| *x == number(i)));
        }
    }

    #[test]
    fn what_others_have_is_copied_before_it_is_written() {
        for len in [5, MANY] {
            let mut one = Shared::zeros(len);
            let other = one.clone();
            assert!(one.same(&other) && one.get_mut().is_none());
            one.make_mut()[len - 1] = 1.0;
            assert!(!one.same(&other) && one.get_mut().is_some());
            assert_eq!((one[len - 1], other[len - 1]), (1.0, 0.0));
        }
    }
}
