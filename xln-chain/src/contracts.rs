//! Types of the contracts' calls, events and errors, made by `alloy` from `contracts/artifacts`; and their creation code.
#![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "made by a macro from the contracts")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "made by a macro from the contracts"
)]

macro_rules! contract {
    ($(#[$doc:meta])* $module:ident, $name:ident, $path:literal) => {
        $(#[$doc])*
        pub mod $module {
            alloy_sol_types::sol!(
                #[derive(Debug, PartialEq, Eq)]
                $name,
                $path
            );
        }
    };
}

contract!(
    /// Money and disputes.
    depository, Depository, "../contracts/artifacts/Depository.json"
);
contract!(
    /// Instruments and the registry of secrets.
    subcontract_provider, SubcontractProvider, "../contracts/artifacts/SubcontractProvider.json"
);
contract!(
    /// Who may sign for an entity.
    entity_provider, EntityProvider, "../contracts/artifacts/EntityProvider.json"
);
contract!(
    /// An ERC-20 that anybody may mint.
    test_erc20, TestErc20, "../contracts/artifacts/TestErc20.json"
);
contract!(
    /// An ERC-20 with approvals by signature.
    test_erc20_permit, TestErc20Permit, "../contracts/artifacts/TestErc20Permit.json"
);
contract!(
    /// An ERC-20 whose functions return nothing.
    test_erc20_no_return, TestErc20NoReturn, "../contracts/artifacts/TestErc20NoReturn.json"
);
contract!(
    /// An ERC-20 that keeps a part of each transfer.
    test_erc20_fee, TestErc20Fee, "../contracts/artifacts/TestErc20Fee.json"
);
contract!(
    /// An ERC-721 that anybody may mint.
    test_erc721, TestErc721, "../contracts/artifacts/TestErc721.json"
);
contract!(
    /// An ERC-1155 that anybody may mint.
    test_erc1155, TestErc1155, "../contracts/artifacts/TestErc1155.json"
);
contract!(
    /// A contract wallet that signs by ERC-1271.
    test_wallet, TestWallet, "../contracts/artifacts/TestWallet.json"
);
contract!(
    /// Answers of a world outside, by name: what conditions ask.
    test_answers, TestAnswers, "../contracts/artifacts/TestAnswers.json"
);
contract!(
    /// A price feed that answers what it was told to.
    test_feed, TestFeed, "../contracts/artifacts/TestFeed.json"
);
contract!(
    /// An example of a custom instrument: an option on a price feed.
    price_option, PriceOption, "../contracts/artifacts/PriceOption.json"
);
contract!(
    /// A wallet of several owners that signs by ERC-1271.
    test_multisig, TestMultisig, "../contracts/artifacts/TestMultisig.json"
);
