//! The instruments that a node knows. What it does not know it refuses by name.

use alloc::sync::Arc;
use core::fmt;

use super::{Condition, CreditDefaultSwap, Instrument, PaymentSchedule};
use crate::map::Map;
use crate::types::{Address, ChainId};

/// Ids below are built in; custom ones are given by a SubcontractProvider on chain.
pub const FIRST_CUSTOM: u16 = 256;

/// The built-in instruments that have a file of their own. Payments (1) and swaps (2) have transitions of their own.
static BUILT_IN: &[(u16, &dyn Instrument)] = &[(3, &CreditDefaultSwap), (4, &PaymentSchedule), (5, &Condition)];

static ONLY_BUILT_IN: Instruments = Instruments::built_in();

/// Instruments by provider and id.
#[derive(Clone)]
pub struct Instruments {
    built_in: &'static [(u16, &'static dyn Instrument)],
    custom: Map<(ChainId, Address, u16), Arc<dyn Instrument>>,
}

/// Why an instrument cannot be registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegisterError {
    /// Ids below [`FIRST_CUSTOM`] are built in.
    #[error("id {0} is reserved for built-in instruments")]
    Reserved(u16),
    /// The provider has another instrument with this id.
    #[error("instrument {0} of this provider is registered already")]
    Duplicate(u16),
}

impl Instruments {
    /// The built-in ones, which every SubcontractProvider has.
    #[must_use]
    pub const fn built_in() -> Self {
        Self { built_in: BUILT_IN, custom: Map::new() }
    }

    /// None at all.
    #[must_use]
    pub const fn none() -> Self {
        Self { built_in: &[], custom: Map::new() }
    }

    /// The built-in ones, for callers that have no custom ones.
    #[must_use]
    pub fn default_ref() -> &'static Self {
        &ONLY_BUILT_IN
    }

    /// Adds an instrument under the id that one provider on one chain gave its contract: the same id of another provider is
    /// other code. Registering says that this node trusts the two to agree.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing changes then.
    pub fn register(
        &mut self,
        chain: ChainId,
        provider: Address,
        id: u16,
        instrument: Arc<dyn Instrument>,
    ) -> Result<(), RegisterError> {
        if id < FIRST_CUSTOM {
            return Err(RegisterError::Reserved(id));
        }
        if self.custom.contains_key(&(chain, provider, id)) {
            return Err(RegisterError::Duplicate(id));
        }
        self.custom.insert((chain, provider, id), instrument);
        Ok(())
    }

    /// The instrument with an id of one provider.
    #[must_use]
    pub fn get(&self, chain: ChainId, provider: &Address, id: u16) -> Option<&dyn Instrument> {
        if id < FIRST_CUSTOM {
            return self.built_in.iter().find(|(of, _)| *of == id).map(|(_, instrument)| *instrument);
        }
        self.custom.get(&(chain, *provider, id)).map(|instrument| &**instrument)
    }
}

impl Default for Instruments {
    fn default() -> Self {
        Self::built_in()
    }
}

impl fmt::Debug for Instruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let built_in = self.built_in.iter().map(|(id, instrument)| (*id, instrument.name()));
        f.debug_map().entries(built_in).entries(self.custom.iter().map(|(key, i)| (key, i.name()))).finish()
    }
}
