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
  [D + "Reserves.sol", "_save(slot, word + amount);\n            emit ReserveUpdated(entity, token, (word", "_save(slot, word + amount + 1);\n            emit ReserveUpdated(entity, token, (word", "invariant_valueIsConserved", 1],
  [D + "Reserves.sol", "                --queue.open;\n            }", "            }", "invariant_debtsAreExact", 1],
  [D + "Reserves.sol", "queue.total -= uint160(part);", "", "invariant_debtsAreExact", 0],
  [D + "Channels.sol", "uint32 epoch = ++ch.epoch;", "uint32 epoch = ch.epoch;", "invariant_channelsFollowTheirHistory", 1],
  [D + "Disputes.sol", "if (_caller() != (dispute.starterIsLeft ? right : left)) revert TooEarly();", "", "invariant_channelsFollowTheirHistory", 1],
  [D + "Channels.sol", "if (!_isCaller(right, rightSignature)) _requireSignature(right, digest, rightSignature, permission);", "", "invariant_valueIsConserved", 1],
  [D + "Disputes.sol", "        _requireSignature(peer, digest, proof.signature, IEntityProvider.Permission.States);\n", "digest;", "invariant_channelsFollowTheirHistory", 0],
  [D + "Channels.sol", "                _save(slot, 0);\n", "", "invariant_valueIsConserved", 0],
  // Reserves and debts.
  [D + "Reserves.sol", "if (amount > word) revert InsufficientReserve();", "", "test_eth", 1],
  [D + "Reserves.sol", "if (word & DEBT_MARK != 0) revert DebtsOutstanding(entity, token);", "", "test_rule20_debtBlocksEveryOutflow", 1],
  [D + "Reserves.sol", "seen < max && ", "", "test_enforce_fifoBoundedResumable", 0],
  [D + "Reserves.sol", "if (debt.creditor != creditor) revert NotTheCreditor();", "", "test_forgiveness_onlyByTheCreditor", 1],
  [D + "Reserves.sol", "            queue.head = queue.tail;\n            bytes32", "            bytes32", "test_forgiveness_beforeTheDiffs", 0],
  [D + "Reserves.sol", "if (amount >= LIMIT || reserve >= LIMIT) revert AmountOutOfRange();", "", "test_amountsStayBelow2to127", 0],
  [D + "Channels.sol", "word & DEBT_MARK == 0 && word != 0", "word << 1 != 0", "test_close_queuesWholeBehindTooManyOlder", 0],
  // Channels.
  [D + "Channels.sol", "_payoutWithShortfall(right, left, token", "_payoutWithShortfall(left, right, token", "test_close_splits", 1],
  [D + "Channels.sol", "if (ch.disputeHash != 0) ch.disputeHash = 0;", "", "test_close_endsADispute", 0],
  [D + "Channels.sol", "        if (_channels[key].disputeHash != 0) revert DisputeRunning();\n", "", "test_update_refusedDuringDispute", 0],
  [D + "Channels.sol", "if (rest < 0) revert InsufficientCollateral();", "", "test_update", 0],
  [D + "Channels.sol", "uint32 settlementNonce = ++ch.settlementNonce;", "uint32 settlementNonce = ch.settlementNonce;", "test_update_callerIsItsOwnSignature", 1],
  [D + "Channels.sol", "if (block.timestamp > expiry) revert Expired();", "if (block.timestamp >= expiry) revert Expired();", "test_update_needsBothOwners", 0],
  [D + "Channels.sol", "receiver < peer ? (receiver, peer)", "receiver > peer ? (receiver, peer)", "test_rule1_leftAndRightByRawBytes", 0],
  [D + "Channels.sol", "if (receiver == left) ondelta", "if (receiver == right) ondelta", "test_fund_inFavourOfReceiver", 0],
  [D + "Channels.sol", ">= 2 * LIMIT - 1) revert", "> 2 * LIMIT) revert", "test_update_range", 0],
  [D + "Channels.sol", "if (i != 0 && token <= last) revert MalformedBody();", "", "test_close_malformed", 0],
  // Signatures.
  [D + "Signatures.sol", "if (entity != _caller()) revert Unauthorized(entity);", "", "test_start_neverOnSomeonesBehalf", 1],
  ["src/lib/Ecdsa.sol", "if iszero(gt(s, HALF_ORDER)) {", "if 1 {", "test_signatures_highS", 0],
  ["src/lib/Ecdsa.sol", "if (signature.length != 64) return address(0);", "", "test_signatures_strict", 0],
  [D + "Eip712.sol", "block.chainid == CHAIN_ID ? DOMAIN : _buildDomain()", "DOMAIN", "test_anotherChainHasAnotherDomain", 0],
  [D + "Eip712.sol", "let first := shl(5, gt(node, other))", "let first := 0", "test_longPath", 0],
  // Disputes.
  [D + "Disputes.sol", "if (proof.nonce <= next.nonce)", "if (proof.nonce < next.nonce)", "test_counter_strictlyNewer", 1],
  [D + "Disputes.sol", "if (!_isCaller(answerer, signature)) {", "if (signature.length != 0) {", "test_rule23_starterCannotCounterItself", 1],
  [D + "Disputes.sol", "        _requireSignature(right, digest, rightSignature, IEntityProvider.Permission.States);\n", "rightSignature;", "test_rule23_starterCannotCounterItself", 0],
  [D + "Disputes.sol", "        _requireSignature(starter, digest, proof.signature, IEntityProvider.Permission.States);\n", "", "test_counter_needsTheStartersSignature", 0],
  [D + "Disputes.sol", "if (block.timestamp > _deadline(next.startedAt))", "if (block.timestamp >= _deadline(next.startedAt))", "test_rule9_answerCountsAtTheDeadline", 0],
  [D + "Disputes.sol", "if (block.timestamp <= _deadline(dispute.startedAt)", "if (block.timestamp < _deadline(dispute.startedAt)", "test_finalize_afterTheDeadlineByAnyone", 1],
  [D + "Disputes.sol", "        next.answered = false;\n", "", "test_counterWithBoth_byAnyoneVoidsTheAnswer", 1],
  [D + "Disputes.sol", "            next.starterFillsHash = 0;\n", "", "test_fills_areBoundToTheBody", 0],
  [D + "Disputes.sol", "if (answererFillsHash != dispute.answererFillsHash) revert FillsMismatch();", "", "test_fills_mustBeThoseGiven", 0],
  [D + "Disputes.sol", "if (next.answered) revert AlreadyAnswered();", "", "test_accept_onlyByTheNonStarter", 0],
  [D + "Disputes.sol", "if (proof.nonce == 0) revert NonceNotNewer();", "", "test_rule6_proofsAreChecked", 0],
  [D + "Disputes.sol", "revert BodyMismatch();", "{}", "test_finalize_afterTheDeadlineByAnyone", 0],
  // Clauses.
  [D + "Clauses.sol", "if (gasleft() < GAS_BEFORE_CLAUSE) revert NotEnoughGas();", "", "test_rule28_starvedTransactionReverts", 1],
  [D + "Clauses.sol", "if eq(returndatasize(), size) {", "if 1 {", "test_rule28_failuresChangeNothing", 1],
  [D + "Clauses.sol", "change > int256(allowed.u128(p + 1)) || ", "", "test_rule28_failuresChangeNothing", 0],
  [D + "Clauses.sol", " || -change > int256(allowed.u128(p + 17))", "", "test_rule28_failuresChangeNothing", 0],
  [D + "Clauses.sol", "if (!listed) return false;", "", "test_rule28_failuresChangeNothing", 0],
  [D + "Clauses.sol", "if (pendingUntil > cap) pendingUntil = cap;", "", "test_pendingIsCapped", 0],
  [D + "Clauses.sol", "if (block.timestamp <= pendingUntil)", "if (block.timestamp < pendingUntil)", "test_pendingPaymentDefersEvenTheNonStarter", 1],
  // Instruments.
  [P + "Payments.sol", "if lt(sub(time, 1), expiry) {", "if time {", "test_rule9_lateRevealDoesNotPay", 1],
  [P + "Payments.sol", "if (known[hash] == 0) known", "known", "test_rule15_reRevealChangesNothing", 1],
  [P + "Payments.sol", "if and(flags, 1) {", "if iszero(and(flags, 1)) {", "test_payment_revealedInTime", 0],
  [P + "Swaps.sol", "= offer.makerIsLeft\n", "= !offer.makerIsLeft\n", "test_rule19_onlyTheTakerFills", 1],
  [P + "Swaps.sol", "(a - 1) / b + 1", "a / b", "test_swap_roundsForTheMaker", 0],
  [P + "Swaps.sol", "if (payment > uint256(available)) {", "if (false) {", "test_swap_cutToWhatTheTakerMayPay", 0],
  [P + "Swaps.sol", "if (fillsAt > offer.expiry)", "if (fillsAt >= offer.expiry)", "test_swap_takerFillsAtItsEarlyFinalize", 0],
  [P + "Swaps.sol", "if (offerId < next) return 0;", "", "test_swap_malformedFills", 0],
  // Tokens.
  [D + "Tokens.sol", "if (_lock != 0) revert Reentered();\n        _lock = uint256(uint160(where));", "_lock = uint256(uint160(where));", "test_reentrancy", 1],
  [D + "Tokens.sol", "received = _balance20(where) - before;", "received = amount; before;", "test_rule21_feeOnTransferCreditedByBalance", 0],
  [D + "Tokens.sol", "if (left > amount) revert TransferFailed();", "", "test_reentrancy", 0],
  [D + "Tokens.sol", "operator != address(this) || ", "", "test_hooksOnlyDuringOwnDeposit", -1],
  [D + "Tokens.sol", " || msg.sender != _lock", "", "test_hooksOnlyDuringOwnDeposit", 0],
  [D + "Tokens.sol", "kind != actual || ", "", "test_registry_refusesOtherKinds", 0],
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
