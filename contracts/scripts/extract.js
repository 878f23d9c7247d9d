#!/usr/bin/env node
// Writes {abi, bytecode, deployedBytecode} of each contract that users deploy or call. Arguments: forge's output folder, target.
"use strict";
const fs = require("fs");
const path = require("path");
const [out, target] = process.argv.slice(2);
const contracts = {
  Depository: "Depository", DepositoryExtension: "DepositoryExtension", SubcontractProvider: "SubcontractProvider", EntityProvider: "EntityProvider",
  TestErc20: "TestErc20", TestErc20Permit: "TestErc20Permit", TestErc20Fee: "TestErc20", TestErc20NoReturn: "TestErc20",
  TestErc721: "TestNfts", TestErc1155: "TestNfts", TestWallet: "TestWallet",
  TestAnswers: "TestAnswers", TestFeed: "TestFeed", PriceOption: "PriceOption", TestMultisig: "TestMultisig",
};
const LIMIT = 24576; // EIP-170
const INIT_LIMIT = 49152; // EIP-3860
const read = (file, name) => JSON.parse(fs.readFileSync(path.join(out, `${file}.sol`, `${name}.json`)));

// The Depository answers for the whole of its interface, in part by delegating to its extension.
function whole(abi) {
  const union = [...abi.filter((e) => ["constructor", "receive"].includes(e.type)), ...read("IDepository", "IDepository").abi];
  return JSON.parse(JSON.stringify(union).replaceAll("IDepositoryTypes.", "IDepository."));
}
fs.mkdirSync(target, { recursive: true });
for (const [name, file] of Object.entries(contracts)) {
  const { abi, bytecode, deployedBytecode } = read(file, name);
  const initSize = (bytecode.object.length - 2) / 2;
  if (initSize > INIT_LIMIT) throw new Error(`${name}: ${initSize} bytes of creation code, the limit is ${INIT_LIMIT}`);
  const size = (deployedBytecode.object.length - 2) / 2;
  if (size >= LIMIT) throw new Error(`${name}: ${size} bytes, the limit is ${LIMIT}`);
  const artifact = { abi: name === "Depository" ? whole(abi) : abi, bytecode: bytecode.object, deployedBytecode: deployedBytecode.object };
  fs.writeFileSync(path.join(target, `${name}.json`), JSON.stringify(artifact, null, 1) + "\n");
  console.log(`${name}: ${size} bytes`);
}
