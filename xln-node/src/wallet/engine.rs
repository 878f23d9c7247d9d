//! (in work)
use xln_core::types::EntityId;

pub(super) struct Shared {
    pub(super) entity: EntityId,
}

impl Shared {
    pub(super) const fn entity(&self) -> EntityId {
        self.entity
    }
}
