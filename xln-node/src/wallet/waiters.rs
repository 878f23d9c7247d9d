//! Whoever waits is woken by whatever moves, since nobody knows which of them will be polled: then any of them drives on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use xln_core::map::Map;

/// Those who wait, and whether one of them came while another was at it.
#[derive(Default)]
pub(super) struct Waiters {
    wakers: Mutex<(u64, Map<u64, Waker>)>,
    again: AtomicBool,
}

impl Waiters {
    /// A place for one future. It gives it up when it is dropped.
    pub(super) fn place(self: &Arc<Self>) -> Place {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.0 = wakers.0.wrapping_add(1);
        Place { waiters: Arc::clone(self), number: wakers.0 }
    }

    /// Something has moved: let all look.
    pub(super) fn wake_all(&self) {
        self.wake_others(None);
    }

    /// Something has moved: let all look but the one who moved it, and looks anyway.
    pub(super) fn wake_others(&self, mover: Option<&Place>) {
        let wakers = {
            let mut waiting = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            let own = mover.and_then(|place| Some((place.number, waiting.1.remove(&place.number)?)));
            std::mem::replace(&mut waiting.1, own.into_iter().collect())
        };
        for waker in wakers.into_values() {
            waker.wake();
        }
    }

    /// Whoever is at it shall go round once more.
    pub(super) fn ask_again(&self) {
        self.again.store(true, Ordering::Release);
    }

    /// Whether that was asked since this was called last.
    pub(super) fn take_again(&self) -> bool {
        self.again.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}

/// One who waits.
pub(super) struct Place {
    waiters: Arc<Waiters>,
    number: u64,
}

impl Place {
    /// Wakes this one, too, when something moves.
    pub(super) fn wait(&self, waker: &Waker) {
        let mut wakers = self.waiters.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.1.insert(self.number, waker.clone());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiters.wakers.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.number);
    }
}
