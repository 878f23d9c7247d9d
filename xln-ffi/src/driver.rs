//! The thread that drives a wallet while no call of the app does: callbacks of Kotlin and Swift take their time, and an answer
//! to a peer must leave although nobody waits for it.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};

use xln_node::wallet::Wallet;

use crate::error::XlnError;

/// Lets the thread go when it is dropped.
pub(crate) struct Driver(Arc<Bell>);

#[derive(Default)]
struct Bell {
    stopped: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Driver {
    pub(crate) fn of(wallet: Wallet) -> Result<Self, XlnError> {
        let bell = Arc::new(Bell::default());
        let driver = Self(Arc::clone(&bell));
        let named = thread::Builder::new().name("xln-wallet".to_owned());
        match named.spawn(move || bell.drive(&wallet)) {
            Ok(_) => Ok(driver),
            Err(error) => Err(XlnError::NotMade { code: "thread".to_owned(), reason: error.to_string() }),
        }
    }
}

impl Bell {
    /// Until the wallet is shut down or let go.
    fn drive(self: Arc<Self>, wallet: &Wallet) {
        self.thread.get_or_init(thread::current);
        let waker = Waker::from(Arc::clone(&self));
        let (mut context, mut running) = (Context::from_waker(&waker), pin!(wallet.run()));
        while !self.stopped.load(Ordering::SeqCst) && running.as_mut().poll(&mut context).is_pending() {
            thread::park();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // A thread that has not said who it is has not looked yet either.
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        Arc::clone(&self.0).wake();
    }
}
