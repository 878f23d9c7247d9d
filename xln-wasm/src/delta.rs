//! Capacities and the bar.

use alloy_primitives::{I256, U256};
use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use xln_core::delta;

use crate::convert::{i256, object, plain, side, u256};
use crate::error::{Thrown, XlnError, coded};

macro_rules! mirror {
    ($(#[$meta:meta])* $name:ident of $core:path { $($(#[$doc:meta])* $field:ident: $type:ty, $with:literal;)* }) => {
        $(#[$meta])*
        #[derive(Tsify)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$doc])* #[serde(with = $with)] #[tsify(type = "bigint")] $field: $type,)*
        }
        impl From<$core> for $name {
            fn from(core: $core) -> Self { Self { $($field: core.$field),* } }
        }
        impl From<$name> for $core {
            fn from(own: $name) -> Self { Self { $($field: own.$field),* } }
        }
    };
}

mirror! {
    /// What the capacity formulae take: one token of one subchannel, in its base unit.
    #[derive(Deserialize)]
    Delta of delta::Delta {
        /// Reserves locked into the subchannel.
        collateral: U256, "u256";
        /// Left's share of the collateral as the chain recorded it.
        ondelta: I256, "i256";
        /// The off-chain shift on top of it.
        offdelta: I256, "i256";
        /// How far left may owe right beyond collateral.
        left_credit_limit: U256, "u256";
        /// How far right may owe left beyond collateral.
        right_credit_limit: U256, "u256";
        /// The most by which pending subcontracts may still lower left's position.
        left_allowance: U256, "u256";
        /// The most by which pending subcontracts may still lower right's position.
        right_allowance: U256, "u256";
    }
}

mirror! {
    /// The zones of the axis and the capacities as one side sees them.
    #[derive(Serialize)]
    DerivedDelta of delta::DerivedDelta {
        /// `ondelta + offdelta`: left's allocation. It does not flip with the side.
        delta: I256, "i256";
        /// Reserves locked into the subchannel. It does not flip with the side.
        collateral: U256, "u256";
        /// Collateral that the other side holds.
        in_collateral: U256, "u256";
        /// Collateral that this side holds.
        out_collateral: U256, "u256";
        /// What this side owes beyond collateral, within its limit.
        in_own_credit: U256, "u256";
        /// What the other side owes beyond collateral, within its limit.
        out_peer_credit: U256, "u256";
        /// Hold on what this side can receive: the other side's allowance.
        in_allowance: U256, "u256";
        /// Hold on what this side can pay: its own allowance.
        out_allowance: U256, "u256";
        /// Collateral and both limits together.
        total_capacity: U256, "u256";
        /// Limit of this side's debt.
        own_credit_limit: U256, "u256";
        /// Limit of the other side's debt.
        peer_credit_limit: U256, "u256";
        /// The most that this side can receive.
        in_capacity: U256, "u256";
        /// The most that this side can pay.
        out_capacity: U256, "u256";
        /// This side's limit that is not drawn.
        out_own_credit: U256, "u256";
        /// The other side's limit that is not drawn.
        in_peer_credit: U256, "u256";
    }
}

fn overflow(error: delta::DeltaError) -> XlnError {
    coded("delta_overflow", &error)
}

/// Who can still pay how much, as `side` sees it. Throws `delta_overflow` if a sum does not fit 256 bits.
#[wasm_bindgen(js_name = deriveDelta, unchecked_return_type = "DerivedDelta")]
pub fn derive_delta(
    #[wasm_bindgen(unchecked_param_type = "Delta")] input: JsValue,
    #[wasm_bindgen(js_name = side, unchecked_param_type = "Side")] of: &str,
) -> Thrown<JsValue> {
    let input = object::<Delta>("input", input)?.into();
    plain(&DerivedDelta::from(delta::derive_delta(&input, side(of)?).map_err(overflow)?))
}

/// Two lines of text: credit, collateral and credit between brackets, and a marker at the balance. `width` counts
/// columns, brackets included, and is brought into 5 to 1024.
#[wasm_bindgen]
pub fn bar(
    #[wasm_bindgen(unchecked_param_type = "Delta")] input: JsValue,
    #[wasm_bindgen(js_name = side, unchecked_param_type = "Side")] of: &str,
    width: u16,
) -> Thrown<String> {
    let input = object::<Delta>("input", input)?.into();
    delta::bar(&input, side(of)?, width.into()).map_err(overflow)
}
