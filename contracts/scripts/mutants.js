#!/usr/bin/env node
// Breaks the contracts in one place at a time; each break must turn its test or invariant red.
// mutants.js [--short] [word]: --short runs those marked short, a word those whose test contains it.
"use strict";
const fs = require("fs");
const os = require("os");
const path = require("path");
const { spawnSync } = require("child_process");
const root = path.resolve(__dirname, "..");

const D = "src/depository/";
const P = "src/provider/";
// [file, what stands there, what is put there, the test that must fail, short]
const mutants = [
  // Invariants first: value, debts, history, owners.
  [D + "Reserves.sol", "_save(slot, word + amount);\n            reserve = (word", "_save(slot, word + amount + 1);\n            reserve = (word", "invariant_valueIsConserved", 1],
  [D + "Reserves.sol", "                --queue.open;\n            }", "            }", "invariant_debtsAreExact", 1],
  [D + "Reserves.sol", "queue.total -= uint160(part);", "", "invariant_debtsAreExact", 0],
  [D + "Channels.sol", "(subject.header & ~DISPUTE) + EPOCH;", "(subject.header & ~DISPUTE);", "invariant_channelsFollowTheirHistory", 1],
  [D + "Disputes.sol", "if (_caller() != (shown.flags & STARTER_IS_LEFT != 0 ? subject.right : subject.left)) revert TooEarly();", "", "invariant_channelsFollowTheirHistory", 1],
  [D + "Channels.sol", "_requireUpdateBy(right, digest, rightSignature, update, 1);", "", "invariant_valueIsConserved", 1],
  [D + "Disputes.sol", "        _requireSignature(peer, digest, proof.signature, IEntityProvider.Permission.States);\n", "digest;", "invariant_channelsFollowTheirHistory", 0],
  [D + "Channels.sol", "if (_load(slot) != 0) _save(slot, 0);", "", "invariant_valueIsConserved", 0],
  // Reserves and debts.
  [D + "Reserves.sol", "if (amount > word) revert InsufficientReserve();", "", "test_eth", 1],
  [D + "Reserves.sol", "if (word & DEBT_MARK != 0) revert DebtsOutstanding(entity, token);", "", "test_rule20_debtBlocksEveryOutflow", 0],
  [D + "Reserves.sol", "seen < max && ", "", "test_enforce_fifoBoundedResumable", 0],
  [D + "Reserves.sol", "if (debt.creditor != creditor) revert NotTheCreditor();", "", "test_forgiveness_onlyByTheCreditor", 1],
  [D + "Reserves.sol", "            queue.head = queue.tail;\n            bytes32", "            bytes32", "test_forgiveness_beforeTheDiffs", 0],
  [D + "Reserves.sol", "if (amount >= LIMIT || reserve >= LIMIT) revert AmountOutOfRange();", "", "test_amountsStayBelow2to127", 0],
  [D + "Channels.sol", "word & DEBT_MARK == 0 && word != 0", "word << 1 != 0", "test_close_queuesWholeBehindTooManyOlder", 0],
  // Channels.
  [D + "Channels.sol", "_payoutWithShortfall(right, left, uint32(head)", "_payoutWithShortfall(left, right, uint32(head)", "test_close_splits", 0],
  [D + "Channels.sol", "uint256 head = (subject.header & ~DISPUTE) + EPOCH;", "uint256 head = subject.header + EPOCH;", "test_close_endsADispute", 0],
  [D + "Channels.sol", "        if (header & DISPUTE != 0) revert DisputeRunning();\n        uint256 diffsEnd", "        uint256 diffsEnd", "test_update_refusedDuringDispute", 0],
  [D + "Channels.sol", "if (rest < 0) revert InsufficientCollateral();", "", "test_update", 0],
  [D + "Channels.sol", "header += SETTLEMENT_NONCE;", "", "test_update_callerIsItsOwnSignature", 1],
  [D + "Channels.sol", "if (block.timestamp > expiry) revert Expired();", "if (block.timestamp >= expiry) revert Expired();", "test_update_needsBothOwners", 0],
  [D + "Channels.sol", "if (receiver < peer) _fund(receiver, peer, token, amount, amount);", "if (receiver > peer) _fund(receiver, peer, token, amount, amount);", "test_rule1_leftAndRightByRawBytes", 0],
  [D + "Channels.sol", "else _fund(peer, receiver, token, amount, 0);", "else _fund(peer, receiver, token, amount, amount);", "test_fund_inFavourOfReceiver", 0],
  [D + "Channels.sol", ">= 2 * LIMIT - 1) revert", "> 2 * LIMIT) revert", "test_update_range", 0],
  [D + "Channels.sol", "if (i != 0 && token <= last) revert MalformedBody();", "", "test_close_malformed", 0],
  // Signatures.
  [D + "Signatures.sol", "if (entity != _caller()) revert Unauthorized(entity);", "", "test_start_neverOnSomeonesBehalf", 0],
  ["src/lib/Ecdsa.sol", "if iszero(gt(s, HALF_ORDER)) {", "if 1 {", "test_signatures_highS", 0],
  ["src/lib/Ecdsa.sol", "if (signature.length != 64) return address(0);", "", "test_signatures_strict", 0],
  ["src/Depository.sol", "block.chainid == CHAIN_ID ? DOMAIN : _buildDomain(address(this))", "DOMAIN", "test_anotherChainHasAnotherDomain", 0],
  [D + "Eip712.sol", "let first := shl(5, gt(node, other))", "let first := 0", "test_longPath", 0],
  // Disputes.
  [D + "Disputes.sol", "if (proof.nonce <= next.nonce)", "if (proof.nonce < next.nonce)", "test_counter_strictlyNewer", 1],
  [D + "Disputes.sol", "if (!_isCaller(answerer, signature)) {", "if (signature.length != 0) {", "test_rule23_starterCannotCounterItself", 0],
  [D + "Disputes.sol", "        _requireSignature(right, digest, rightSignature, IEntityProvider.Permission.States);\n", "rightSignature;", "test_rule23_starterCannotCounterItself", 0],
  [D + "Disputes.sol", "        _requireSignature(starter, digest, proof.signature, IEntityProvider.Permission.States);\n", "", "test_counter_needsTheStartersSignature", 0],
  [D + "Disputes.sol", "if (block.timestamp > _deadline(next.startedAt))", "if (block.timestamp >= _deadline(next.startedAt))", "test_rule9_answerCountsAtTheDeadline", 0],
  [D + "Disputes.sol", "if (block.timestamp <= _deadline(shown.startedAt)", "if (block.timestamp < _deadline(shown.startedAt)", "test_finalize_afterTheDeadlineByAnyone", 1],
  [D + "Disputes.sol", "        next.flags &= ~ANSWERED;\n", "", "test_counterWithBoth_byAnyoneVoidsTheAnswer", 0],
  [D + "Disputes.sol", "            next.starterFillsHash = 0;\n", "", "test_fills_areBoundToTheBody", 0],
  [D + "Disputes.sol", "if (answererFillsHash != shown.answererFillsHash) revert FillsMismatch();", "", "test_fills_mustBeThoseGiven", 0],
  [D + "Disputes.sol", "if (next.flags & ANSWERED != 0) revert AlreadyAnswered();", "", "test_accept_onlyByTheNonStarter", 0],
  [D + "Disputes.sol", "if (proof.nonce == 0) revert NonceNotNewer();", "", "test_rule6_proofsAreChecked", 0],
  [D + "Disputes.sol", "revert BodyMismatch();", "{}", "test_finalize_afterTheDeadlineByAnyone", 0],
  // Clauses.
  [D + "Clauses.sol", "if (gasleft() < GAS_BEFORE_CLAUSE) revert NotEnoughGas();", "", "test_rule28_starvedTransactionReverts", 1],
  [D + "Clauses.sol", "if eq(returndatasize(), size) {", "if 1 {", "test_rule28_failuresChangeNothing", 0],
  [D + "Clauses.sol", "change > int256(allowed.u128(p + 1)) || ", "", "test_rule28_failuresChangeNothing", 0],
  [D + "Clauses.sol", " || -change > int256(allowed.u128(p + 17))", "", "test_rule28_failuresChangeNothing", 0],
  [D + "Clauses.sol", "if (!listed) return false;", "", "test_rule28_failuresChangeNothing", 0],
  [D + "Clauses.sol", "if (pendingUntil > cap) pendingUntil = cap;", "", "test_pendingIsCapped", 0],
  [D + "Clauses.sol", "if (block.timestamp <= pendingUntil)", "if (block.timestamp < pendingUntil)", "test_pendingPaymentDefersEvenTheNonStarter", 1],
  // Instruments.
  [P + "Payments.sol", "if shr(40, sub(last, sload(not(calldataload(item))))) {", "if iszero(sload(not(calldataload(item)))) {", "test_rule9_lateRevealDoesNotPay", 0],
  [P + "Payments.sol", "if (_revealed(tag, hash) == 0) {", "{", "test_rule15_reRevealChangesNothing", 1],
  [P + "Payments.sol", "deltas[i] += int256(toLeft) - int256(toRight);", "deltas[i] += int256(toRight) - int256(toLeft);", "test_payment_revealedInTime", 0],
  [P + "Swaps.sol", "= offer.makerIsLeft\n", "= !offer.makerIsLeft\n", "test_rule19_onlyTheTakerFills", 0],
  [P + "Swaps.sol", "(a - 1) / b + 1", "a / b", "test_swap_roundsForTheMaker", 0],
  [P + "Swaps.sol", "if (payment > uint256(available)) {", "if (false) {", "test_swap_cutToWhatTheTakerMayPay", 0],
  [P + "Swaps.sol", "if (fillsAt > offer.expiry)", "if (fillsAt >= offer.expiry)", "test_swap_takerFillsAtItsEarlyFinalize", 0],
  [P + "Swaps.sol", "if (offerId < next) return 0;", "", "test_swap_malformedFills", 0],
  // Tokens.
  [D + "Tokens.sol", "if (_lock != 0) revert Reentered();\n        _lock = uint256(uint160(where));", "_lock = uint256(uint160(where));", "test_reentrancy", 1],
  [D + "Tokens.sol", "received = _balance20(where) - before;", "received = amount; before;", "test_rule21_feeOnTransferCreditedByBalance", 0],
  [D + "Tokens.sol", "if (left > amount) revert TransferFailed();", "", "test_reentrancy", 0],
  [D + "TokenRegistry.sol", "operator != address(this) || ", "", "test_hooksOnlyDuringOwnDeposit", -1],
  [D + "TokenRegistry.sol", " || uint256(uint160(msg.sender)) != _lock", "", "test_hooksOnlyDuringOwnDeposit", 0],
  [D + "TokenRegistry.sol", "kind != actual || ", "", "test_registry_refusesOtherKinds", 0],
  // Batches, flash, hubs, permits.
  [D + "Channels.sol", "word := lt(owner, left)", "word := gt(owner, left)", "test_batch_byItself", 0],
  [D + "Channels.sol", "if and(and(word, not(old)), 0x8000000000000000000000000000000080000000000000000000000000000000) { break }", "", "test_fund_range", 0],
  [D + "Channels.sol", "            mstore(outflows, n)\n        }\n        _requireSpend(entity, digest, signature, outflows);", "            mstore(outflows, n)\n        }", "test_org_updatesAskToSpend", 1],
  [D + "Channels.sol", "if (leftDiff != 0 && rightDiff < 0) {", "if (false) {", "test_update_eventAfterOlderDebts", 0],
  [D + "Starts.sol", "hash := keccak256(sub(q, 0x20), add(n, 0x20))", "hash := keccak256(q, n)", "invariant_channelsFollowTheirHistory", 0],
  [D + "Batches.sol", "if (_actor != 0) revert Reentered();", "", "test_batch_noBatchInside", 0],
  [D + "Batches.sol", "_actors[entity].nonce++", "_actors[entity].nonce", "test_batch_byRelayerOnce", 1],
  [D + "Batches.sol", "if (!_isCaller(entity, signature)) _authorise", "if (signature.length != 0) _authorise", "test_batch_neverOnSomeonesBehalf", 0],
  [D + "Batches.sol", "if (block.timestamp > expiry) revert Expired();", "", "test_batch_byRelayerOnce", 0],
  [D + "Batches.sol", "if (total != msg.value) revert WrongValue();", "", "test_batch_ethSumsToWhatWasSent", 1],
  [D + "Batches.sol", "if (total > msg.value) revert WrongValue();", "", "test_batch_ethSumsToWhatWasSent", -1],
  [D + "Batches.sol", "if (flags == 1 && gasleft() < GAS_BEFORE_SKIPPABLE) revert NotEnoughGas();", "", "test_batch_starvedReverts", 0],
  [D + "Batches.sol", "if (flags == 0 || !_mayBeSkipped(selector))", "if (flags == 0)", "test_batch_skipsNamedFailuresOnly", 1],
  [D + "Batches.sol", "count == MAX_OPERATIONS || ", "", "test_batch_malformed", 0],
  [D + "Batches.sol", "(flags == 1 && value != 0) || ", "", "test_batch_malformed", 0],
  [D + "Batches.sol", "_debit(entity, token, amount);", "", "test_flash_mustComeBack", 0],
  [D + "Batches.sol", "_setFlashed(token, open + amount);", "_setFlashed(token, amount);", "test_flash_mustComeBack", 0],
  [D + "Batches.sol", "if (token >= _tokenCount) revert UnknownToken();", "", "test_flash_onlyInABatchAndOfKnownTokens", 0],
  [D + "Batches.sol", "if (msg.sender != address(this)) revert OnlyInBatch();", "", "test_flash_onlyInABatchAndOfKnownTokens", 1],
  [D + "Tokens.sol", "if (_flashed(token) != 0) revert FlashOpen(token);", "", "test_flash_nothingLeavesMeanwhile", 0],
  [D + "Tokens.sol", "if (uint256(caller) >> 160 != 0) revert Unauthorized(caller);", "", "test_org_withdrawsWithinWhatItMaySpend", 0],
  [D + "Outflows.sol", "withdraws = true;", "", "test_org_withdrawsWithinWhatItMaySpend", 1],
  [D + "Outflows.sol", "if (arguments.word(0) == entity) continue;", "continue;", "test_org_withdrawsWithinWhatItMaySpend", 0],
  [D + "Outflows.sol", " && _bytes(arguments, 4 + side).length == 0", "", "test_org_updatesAskToSpend", -1],
  [D + "Permits.sol", "_actor = caller;", "_actor = bytes32(uint256(1));", "test_permit", 0],
  [D + "Hubs.sol", "if (actor.hub == 0) {", "if (true) {", "test_hubs", 0],
  [D + "Delegated.sol", "if (address(this) == _self) revert OnlyDelegated();", "", "test_extensionHoldsNothing", 0],
  ["src/Depository.sol", "if (grace < 2 * uint256(disputeWindow_) + GRACE_MARGIN) revert GraceTooShort(grace);", "", "test_graceMustCoverTwoWindows", 0],
  [P + "Payments.sol", "time := sub(sload(not(hash)), tag)\n            if shr(40, time) { time := 0 }", "time := sload(not(hash))", "test_payment_otherWordsAreNoReveals", 0],
  [P + "Payments.sol", "if (i >= deltas.length) revert MalformedBatch();", "if (i >= deltas.length) continue;", "test_payment_malformedIsNone", 0],
  // Operators, old boards, receivers.
  [D + "Channels.sol", "        Updates.boundless(outflows, 0);\n", "", "test_operator_limitedSignsNoClose", 1],
  [D + "Outflows.sol", "                n = Updates.boundless(list, n);\n", "", "test_operator_limitedSignsNoClose", 0],
  [D + "Updates.sol", "int256 loss = side == 0 ? -gain : gain;", "int256 loss;", "test_operator_limitCountsTheChannel", 1],
  [D + "Updates.sol", "if (update.u8(p + 4) == side) return boundless(list, n);", "", "test_operator_limitCountsTheChannel", 0],
  ["src/entity/Verification.sol", "permission == Permission.Dispute ? 3 : ", "", "test_operator_disputeNeedsStates", 1],
  ["src/entity/Actors.sol", "        if (signature[0] == 0x02 && bytes4(call) == IGovernance.recordBoard.selector) revert InvalidSignature(entity);\n", "", "test_operator_cannotReplaceAnAccountsBoard", 0],
  [D + "Batches.sol", "flags == 1 ? SKIPPABLE_GAS : gasleft()", "gasleft()", "test_batch_burnerIsSkipped", 0],
  // Instruments that facts decide; boards, delegations, votes.
  ...require("./mutants-entities.js"),
].filter((m) => m[4] >= 0);

const args = process.argv.slice(2);
const word = args.find((a) => !a.startsWith("--"));
const chosen = mutants.filter((m) => (!args.includes("--short") || m[4]) && (!word || m[3].includes(word)));

// A copy, so that the sources are never broken and the caches of the build stay.
const work = fs.mkdtempSync(path.join(os.tmpdir(), "mutants-"));
for (const name of ["src", "test", "scripts", "foundry.toml"]) {
  fs.cpSync(path.join(root, name), path.join(work, name), { recursive: true });
}
fs.symlinkSync(path.join(root, "node_modules"), path.join(work, "node_modules"));
const forge = (test) =>
  spawnSync("forge", ["test", "--skip", "script", "--skip", "Deploy.t.sol", "--skip", "Gas.t.sol", "--match-test", `^${test}\\(|^${test}$`], {
    cwd: work, encoding: "utf8", env: { ...process.env, FOUNDRY_PROFILE: "fast" },
  });
let survived = 0;
try {
  const clean = forge("(" + [...new Set(chosen.map((m) => m[3]))].join("|") + ")");
  if (clean.status !== 0) throw new Error("the tests must pass first:\n" + clean.stdout + clean.stderr);
  for (const [file, from, to, test] of chosen) {
    const target = path.join(work, file);
    const text = fs.readFileSync(target, "utf8");
    if (text.split(from).length !== 2) throw new Error(`${file}: not exactly once: ${from}`);
    fs.writeFileSync(target, text.replace(from, () => to));
    const run = forge(test);
    fs.writeFileSync(target, text);
    const compiled = !run.stdout.includes("Compiler error") && !run.stderr.includes("Compiler run failed") && !run.stdout.includes("Compiler run failed");
    const red = run.status !== 0 && compiled && /\[FAIL/.test(run.stdout);
    if (!red) ++survived;
    console.log(`${red ? "red     " : compiled ? "SURVIVED" : "BROKEN  "} ${test}: ${from.trim().split("\n")[0]}`);
    if (!compiled) console.log(run.stdout.slice(-600), run.stderr.slice(-600));
  }
} finally {
  fs.rmSync(work, { recursive: true, force: true });
}
console.log(`${chosen.length - survived} of ${chosen.length} mutants were seen`);
process.exitCode = survived ? 1 : 0;
