//! A delegation: a board lets an operator key sign for its organisation, for some purposes and some time.

use alloc::vec::Vec;

use super::digest::delegation_digest;
use crate::proof::bytes::{Reader, time_bytes};
use crate::types::{Address, ChainId, EntityId, EntityIdError, Hash, SubchannelKey, TokenId, UnixSeconds};

/// What a signature is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Permission {
    /// Channel states, and refusals of blocks: what the other side relies on.
    States,
    /// Starts and answers of disputes.
    Dispute,
    /// Settlements, closes and batches.
    Withdraw,
    /// What an organisation decides about itself.
    Govern,
}

/// A set of permissions, not empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permissions(u8);

impl Permissions {
    /// These permissions. An empty list gives none, which no delegation may have.
    #[must_use]
    pub fn of(list: &[Permission]) -> Self {
        Self(list.iter().fold(0, |bits, permission| bits | permission.bit()))
    }

    /// Whether it contains this one.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether it is enough for this one. A start or an answer shows a state that only the other side has signed, so that who
    /// disputes consents to states: Dispute needs States, too.
    #[must_use]
    pub const fn allow(self, permission: Permission) -> bool {
        let needed = match permission {
            Permission::Dispute => Permission::Dispute.bit() | Permission::States.bit(),
            other => other.bit(),
        };
        self.0 & needed == needed
    }

    /// As encoded: bit 0 States, 1 Dispute, 2 Withdraw, 3 Govern.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl Permission {
    const fn bit(self) -> u8 {
        match self {
            Self::States => 1,
            Self::Dispute => 2,
            Self::Withdraw => 4,
            Self::Govern => 8,
        }
    }
}

/// How much of one token may leave one Depository's entity by a delegation in all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Which Depository.
    pub key: SubchannelKey,
    /// Which token.
    pub token: TokenId,
    /// How much, in the token's base unit, over the delegation's whole life.
    pub amount: u128,
}

/// What a board delegates. Valid by construction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delegation {
    operator: EntityId,
    permissions: Permissions,
    expiry: UnixSeconds,
    serial: u32,
    limits: Vec<Limit>,
}

/// Why something is no delegation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DelegationError {
    /// Cut short, or bytes left over.
    #[error("bytes are no delegation")]
    Malformed,
    /// No permission, or one that does not exist.
    #[error("permissions {0:#04x} are empty or unknown")]
    Permissions(u8),
    /// Limits are not strictly ascending by chain, Depository and token, or there are too many.
    #[error("limits are not strictly ascending")]
    Limits,
    /// Later than 40 bits can say.
    #[error("expiry is out of range")]
    Expiry,
    /// The operator is no account.
    #[error(transparent)]
    Operator(#[from] EntityIdError),
}

impl Delegation {
    /// A delegation to the account `operator` until `expiry`, its last second. `serial` tells two equal ones apart. Without
    /// limits it is unlimited; with limits, a token that is not listed has limit 0.
    ///
    /// # Errors
    /// [`DelegationError`] names what is wrong.
    pub fn new(
        operator: Address,
        permissions: Permissions,
        expiry: UnixSeconds,
        serial: u32,
        mut limits: Vec<Limit>,
    ) -> Result<Self, DelegationError> {
        limits.sort_unstable_by_key(|limit| (limit.key, limit.token));
        Self { operator: EntityId::account(operator)?, permissions, expiry, serial, limits }.checked()
    }

    fn checked(self) -> Result<Self, DelegationError> {
        if self.permissions.0 == 0 || self.permissions.0 > 0x0f {
            return Err(DelegationError::Permissions(self.permissions.0));
        }
        let ordered =
            self.limits.iter().zip(self.limits.iter().skip(1)).all(|(a, b)| (a.key, a.token) < (b.key, b.token));
        if !ordered || u8::try_from(self.limits.len()).is_err() {
            return Err(DelegationError::Limits);
        }
        if time_bytes(self.expiry).is_none() {
            return Err(DelegationError::Expiry);
        }
        Ok(self)
    }

    /// Reads exactly one delegation.
    ///
    /// # Errors
    /// [`DelegationError`] names what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DelegationError> {
        let mut reader = Reader(bytes);
        let delegation = Self::read(&mut reader)?;
        if reader.is_empty() { Ok(delegation) } else { Err(DelegationError::Malformed) }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DelegationError> {
        let (operator, permissions, expiry, serial, count) =
            Self::read_head(reader).ok_or(DelegationError::Malformed)?;
        let limits = (0..count).map(|_| Self::read_limit(reader)).collect::<Option<Vec<_>>>();
        let limits = limits.ok_or(DelegationError::Malformed)?;
        let operator = EntityId::account(Address(operator))?;
        Self { operator, permissions: Permissions(permissions), expiry, serial, limits }.checked()
    }

    fn read_head(reader: &mut Reader<'_>) -> Option<([u8; 20], u8, UnixSeconds, u32, u8)> {
        Some((reader.array()?, reader.u8()?, reader.time()?, reader.u32()?, reader.u8()?))
    }

    fn read_limit(reader: &mut Reader<'_>) -> Option<Limit> {
        let key = SubchannelKey { chain: ChainId(reader.u64()?), depository: Address(reader.array()?) };
        Some(Limit { key, token: TokenId(reader.u32()?), amount: reader.u128()? })
    }

    /// `operator || u8 permissions || u40 expiry || u32 serial || u8 nLimits || limits`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.operator.address().unwrap_or_default().0.to_vec();
        bytes.push(self.permissions.0);
        bytes.extend_from_slice(&time_bytes(self.expiry).unwrap_or_default());
        bytes.extend_from_slice(&self.serial.to_be_bytes());
        bytes.push(u8::try_from(self.limits.len()).unwrap_or(u8::MAX));
        for limit in &self.limits {
            bytes.extend_from_slice(&limit.key.chain.0.to_be_bytes());
            bytes.extend_from_slice(&limit.key.depository.0);
            bytes.extend_from_slice(&limit.token.0.to_be_bytes());
            bytes.extend_from_slice(&limit.amount.to_be_bytes());
        }
        bytes
    }

    /// keccak256 of its encoding, the name by which it is revoked.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash(xln_merkle::keccak256(&self.encode()))
    }

    /// What `entity`'s board signs to give it.
    #[must_use]
    pub fn digest(&self, entity: &EntityId) -> Hash {
        delegation_digest(entity, &self.encode())
    }

    /// The account that signs.
    #[must_use]
    pub const fn operator(&self) -> EntityId {
        self.operator
    }

    /// For what.
    #[must_use]
    pub const fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// Its last second.
    #[must_use]
    pub const fn expiry(&self) -> UnixSeconds {
        self.expiry
    }

    /// Tells equal delegations apart.
    #[must_use]
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// What may leave by it, ascending; none means no limit.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// What may leave of one token of one Depository in all; `None` without limits.
    #[must_use]
    pub fn limit(&self, key: &SubchannelKey, token: TokenId) -> Option<u128> {
        if self.limits.is_empty() {
            return None;
        }
        let found = self.limits.iter().find(|limit| limit.key == *key && limit.token == token);
        Some(found.map_or(0, |limit| limit.amount))
    }
}
