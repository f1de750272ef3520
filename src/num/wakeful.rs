//! Threads that look out for work for a while before they go to sleep: waking one takes long beside a gradient.

use rayon::Yield;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// How long a thread without work looks out for some.
const PATIENCE: Duration = Duration::from_micros(100);

/// How many threads are looking out, or are asked to.
static LOOKING: AtomicUsize = AtomicUsize::new(0);

/// Whether so many parts are to be shared out to the threads of the current pool, and not gone through by this one; if so the others are
/// kept awake until nothing has been shared out for a while.
pub fn shares_out(parts: usize) -> bool {
    let threads = rayon::current_num_threads();
    let shares = parts > 1 && threads > 1;
    if shares {
        let own = rayon::current_thread_index();
        let others = threads - usize::from(own.is_some());
        let none = LOOKING.compare_exchange(0, others, Ordering::Relaxed, Ordering::Relaxed);
        if none.is_ok() {
            rayon::spawn_broadcast(move |thread| {
                if Some(thread.index()) != own {
                    look_out();
                    LOOKING.fetch_sub(1, Ordering::Relaxed);
                }
            });
        }
    }
    shares
}

/// Does what work there is until there has been none for a while.
fn look_out() {
    let mut since = Instant::now();
    while since.elapsed() < PATIENCE {
        match rayon::yield_now() {
            Some(Yield::Executed) => since = Instant::now(),
            Some(Yield::Idle) | None => thread::yield_now(),
        }
    }
}
