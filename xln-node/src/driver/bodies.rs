//! Bodies that disputes are to be ended with and that the machine does not hold any more: each is looked up once.

use xln_core::commitment::Evidence;
use xln_core::machine::{Effects, Input, WantedBody};
use xln_core::map::Map;
use xln_core::types::{EntityId, Hash, SubchannelKey};

/// What the machine asks for, and what the store is known not to have. Nothing of it outlives the process: the machine asks
/// again, and what was handed over is in the log.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    due: Vec<WantedBody>,
    /// By subchannel the last one that was not found. It stays so until a state is agreed there.
    missing: Map<(EntityId, SubchannelKey), Hash>,
}

impl Bodies {
    /// What a stored step asks for. All that was asked for before was answered in it.
    pub(crate) fn take(&mut self, effects: &Effects) {
        for (peer, evidence) in effects.agreed() {
            self.missing.remove(&(*peer, evidence.key));
        }
        let missing = |wanted: &WantedBody| self.missing.get(&(wanted.peer, wanted.key)) == Some(&wanted.body_hash);
        self.due = effects.wanted().iter().filter(|wanted| !missing(wanted)).copied().collect();
    }

    /// What the next step looks up.
    pub(crate) fn due(&self) -> &[WantedBody] {
        &self.due
    }

    /// What was found, as an input of the next step. The machine takes no other body than that which the dispute shows.
    pub(crate) fn answer(&mut self, wanted: WantedBody, found: Option<Evidence>) -> Option<Input> {
        let WantedBody { peer, key, body_hash } = wanted;
        if let Some(evidence) = found.filter(|evidence| evidence.body_hash() == body_hash) {
            return Some(Input::Supplied { peer, key, body: evidence.body });
        }
        self.missing.insert((peer, key), body_hash);
        self.due.retain(|other| *other != wanted);
        None
    }
}
