//! Transports carry the messages of a node to its peers. They accept [`Effects`] only, which exist only once the record
//! that explains them is durable: nothing can be sent too early.

pub mod memory;

use xln_core::machine::Effects;
use xln_core::types::EntityId;

/// Carries messages. Between two entities and in one direction the order is kept; anything may be lost.
pub trait Transport {
    /// Sends all messages of a step of `from`.
    fn send(&mut self, from: EntityId, effects: &Effects);
}
