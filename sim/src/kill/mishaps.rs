//! What else happens to a process and its disk: a second process on the same store, a read-only disk, a full one. Each must
//! give an error by name and lose nothing that was acknowledged.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use xln_core::machine::Input;

use super::child::WENT_ON;
use super::frames::Said;
use super::party::{Party, Under};
use super::run::{Tally, World};

const PATIENCE: Duration = Duration::from_secs(60);
/// Payments after which a disk that is to be full must be.
const MAX_PAYMENTS: u32 = 20_000;

/// How an open under difficulties ended.
enum Opening {
    Opened,
    Failed(String),
    /// The process never ran: this system has no such place.
    Nowhere,
}

impl World<'_> {
    /// Goes through all mishaps with the first party.
    ///
    /// # Errors
    /// The first finding.
    pub(super) fn mishaps(&mut self, rng: &mut ChaCha8Rng, tally: &mut Tally) -> Result<(), String> {
        if self.plan.fill {
            let filler = self.plan.dir.join("filler");
            fill(&filler)?;
            let told = self.pay_until_failure(tally)?;
            std::fs::remove_file(&filler).map_err(|e| e.to_string())?;
            tally.mishaps.push(format!("  no space left: {told}"));
            return self.come_back(rng, tally);
        }
        let told = self.intrude()?;
        tally.mishaps.push(format!("  a second process: {told}"));
        self.end(tally)?;
        self.begin(Under::ReadOnly)?;
        let told = match self.opening(tally)? {
            Opening::Failed(told) => format!("  read-only: {told}"),
            Opening::Nowhere => "  read-only: SKIPPED, no mount namespace without root".to_owned(),
            Opening::Opened => return Err("a store on a read-only disk was opened".into()),
        };
        tally.mishaps.push(told);
        self.come_back(rng, tally)?;
        let told = self.outgrow(tally)?;
        tally.mishaps.push(format!("  file size limit: {told}"));
        self.come_back(rng, tally)
    }

    /// A second process on the store of a living one.
    fn intrude(&self) -> Result<String, String> {
        let Some(owner) = self.parties.first() else { return Err("no such party".into()) };
        let (ear, heard) = std::sync::mpsc::channel();
        let mut intruder = Party::new(owner.who, owner.side, owner.dir.clone());
        intruder.start((self.plan.backend, self.snapshot_every, false), Under::Nothing, &ear)?;
        match heard.recv_timeout(PATIENCE).map(|heard| heard.said) {
            Ok(Some(Said::Failed(error))) if error.contains("is open elsewhere") => Ok(error),
            other => Err(format!("a second process on a store in use: {other:?}")),
        }
    }

    /// Lets the first party pay until its files may not grow any more.
    fn outgrow(&mut self, tally: &mut Tally) -> Result<String, String> {
        // Where an engine needs more than it has only to open, the limit is moved on until it opens.
        for slack in (0..24).map(|n| 64_u64 << n) {
            self.end(tally)?;
            let largest = self.parties.first().map_or(0, |party| largest_file(&party.dir));
            self.begin(Under::FileSize(largest.div_ceil(512).saturating_add(slack)))?;
            match self.opening(tally)? {
                Opening::Opened => {}
                Opening::Failed(_) => continue,
                Opening::Nowhere => return Err("no shell to set a limit with".into()),
            }
            self.connect_all(tally)?;
            return self.pay_until_failure(tally);
        }
        Err("it never opened under a limit".into())
    }

    fn pay_until_failure(&mut self, tally: &mut Tally) -> Result<String, String> {
        self.to_fail = Some(0);
        self.failure = None;
        for _ in 0..MAX_PAYMENTS {
            self.pay(0);
            while !self.is_quiet() && self.failure.is_none() {
                self.hear(PATIENCE, tally)?;
            }
            if let Some(error) = self.failure.clone() {
                while self.parties.first().is_some_and(|p| p.running.is_some()) {
                    self.hear(PATIENCE, tally)?;
                }
                self.to_fail = None;
                return if error.starts_with(WENT_ON) { Err(error) } else { Ok(error) };
            }
        }
        Err("the disk never was full".into())
    }

    /// Ends the first party's process.
    fn end(&mut self, tally: &mut Tally) -> Result<(), String> {
        self.set_linked(false);
        self.kill(0, tally)
    }

    fn begin(&mut self, under: Under) -> Result<(), String> {
        (self.to_fail, self.failure) = (Some(0), None);
        let how = (self.plan.backend, self.snapshot_every, self.plan.write_behind);
        let Some(party) = self.parties.first_mut() else { return Err("no such party".into()) };
        party.start(how, under, &self.ear)
    }

    /// Waits for the open to end.
    fn opening(&mut self, tally: &mut Tally) -> Result<Opening, String> {
        while !self.parties.first().is_none_or(Party::is_idle) && self.failure.is_none() {
            // A process that could not even be started says nothing: only its end is heard.
            if self.hear(PATIENCE, tally).is_err() {
                return Ok(Opening::Nowhere);
            }
        }
        if self.failure.is_some() {
            while self.parties.first().is_some_and(|p| p.running.is_some()) {
                self.hear(PATIENCE, tally)?;
            }
        }
        self.to_fail = None;
        Ok(self.failure.take().map_or(Opening::Opened, Opening::Failed))
    }

    fn connect_all(&mut self, tally: &mut Tally) -> Result<(), String> {
        self.tell(1, |peer| Input::Disconnected { peer });
        while !self.is_quiet() {
            self.hear(PATIENCE, tally)?;
        }
        self.set_linked(true);
        for who in [0, 1] {
            self.tell(who, |peer| Input::Connected { peer });
        }
        self.settle_down(tally)
    }

    /// The first party starts again where nothing is wrong; both must have everything.
    fn come_back(&mut self, rng: &mut ChaCha8Rng, tally: &mut Tally) -> Result<(), String> {
        self.to_fail = None;
        self.end(tally)?;
        self.restart(&[0], rng, tally)?;
        self.settle_down(tally)
    }
}

/// Writes a file until nothing more fits.
fn fill(path: &Path) -> Result<(), String> {
    let mut file = std::fs::File::create(path).map_err(|e| e.to_string())?;
    let mut size = 1 << 16;
    while size > 0 {
        if file.write_all(&vec![1; size]).is_err() {
            size >>= 1;
        }
    }
    Ok(())
}

fn largest_file(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => largest_file(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.max().unwrap_or(0)
}
