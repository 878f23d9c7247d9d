// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IInstrument} from "../interfaces/IInstrument.sol";
import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";
import {BodyCodec} from "../depository/BodyCodec.sol";
import {Reader} from "../lib/Reader.sol";

interface IPriceFeed {
    function latestAnswer() external view returns (int256);
}

/// An example of a custom instrument: an option on a price feed, settled in cash in one token.
///
///     terms    = u8 flags || u128 strike || u128 multiplier || u128 cap || u40 expiry || u40 notBefore || feed (20 bytes)
///     question = feed (20 bytes); its value is the feed's price, above 0 and below 2^128
///
/// flags bit 0: the payer is left; bit 1: a put, else a call; other bits zero. `multiplier` and `cap` are not 0,
/// `cap` is below 2^127, `notBefore <= expiry`. Maturity is `notBefore`: from then on anyone records the price, and the first record decides, if it is
/// made at `<= min(expiry, deadline)`. The payer then owes
/// `min(cap, floor(max(price - strike, 0) * multiplier / 10^8))`, a put's `strike - price`; without a record nothing. So with a
/// feed of 8 decimals, `multiplier` is what one whole unit of price costs, and `cap` is all that must be held.
contract PriceOption is IInstrument {
    using BodyCodec for bytes;
    using Reader for bytes;

    error MalformedTerms();
    error NotEnoughGas();

    uint256 private constant TERMS = 79;
    uint256 private constant FEED_GAS = 100_000;
    uint256 private constant AMOUNT_LIMIT = 1 << 127;
    uint256 private constant PRICE_UNIT = 10 ** 8;

    function observe(bytes calldata question) external view returns (bool yes, uint128 value) {
        if (question.length != 20) return (false, 0);
        // A feed that is starved must not answer something else than it would.
        if (gasleft() < FEED_GAS * 64 / 63 + 5_000) revert NotEnoughGas();
        bytes memory data = abi.encodeCall(IPriceFeed.latestAnswer, ());
        address feed = question.addr(0);
        uint256 price;
        // Assembly: one word of the answer is read, however long it is.
        assembly ("memory-safe") {
            mstore(0, 0)
            yes := staticcall(FEED_GAS, feed, add(data, 0x20), mload(data), 0, 0x20)
            yes := and(yes, gt(returndatasize(), 31))
            price := mload(0)
        }
        // A negative price is a large word.
        yes = yes && price != 0 && price <= type(uint128).max;
        if (yes) value = uint128(price);
    }

    function settle(uint16 instrument, bytes calldata terms, uint256 tokens, uint40, uint40 deadline)
        external
        view
        returns (int256[] memory moves, uint40 undecidedUntil)
    {
        if (terms.length != TERMS || tokens != 1) revert MalformedTerms();
        (uint40 bound, uint40 notBefore) = _times(terms, deadline);
        moves = new int256[](1);
        bytes32 key = keccak256(abi.encodePacked(instrument, notBefore, terms[59:]));
        (uint40 recordedAt, uint128 price) = ISubcontractProvider(msg.sender).fact(key);
        if (recordedAt == 0) return (moves, block.timestamp <= bound ? bound : 0);
        if (recordedAt > bound) return (moves, 0);
        // Safe: at most cap.
        moves[0] = int256(_payout(terms, price));
        if (terms.u8(0) & 1 != 0) moves[0] = -moves[0];
    }

    /// Until when a record counts, and from when on it is made.
    function _times(bytes calldata terms, uint40 deadline) private pure returns (uint40 bound, uint40 notBefore) {
        uint256 cap = terms.u128(33);
        bound = terms.u40(49);
        notBefore = terms.u40(54);
        if (terms.u8(0) > 3 || terms.u128(17) == 0 || cap == 0 || cap >= AMOUNT_LIMIT || notBefore > bound) {
            revert MalformedTerms();
        }
        if (deadline < bound) bound = deadline;
    }

    function _payout(bytes calldata terms, uint256 price) private pure returns (uint256 pays) {
        uint256 strike = terms.u128(1);
        bool put = terms.u8(0) & 2 != 0;
        (uint256 high, uint256 low) = put ? (strike, price) : (price, strike);
        if (high <= low) return 0;
        // Two values below 2^128.
        pays = (high - low) * terms.u128(17) / PRICE_UNIT;
        uint256 cap = terms.u128(33);
        if (pays > cap) pays = cap;
    }
}
