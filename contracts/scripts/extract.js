#!/usr/bin/env node
// Writes {abi, bytecode, deployedBytecode} of each contract that users deploy or call. Arguments: forge's output folder, target.
"use strict";
const fs = require("fs");
const path = require("path");
const [out, target] = process.argv.slice(2);
const contracts = {
  Depository: "Depository", SubcontractProvider: "SubcontractProvider", EntityProvider: "EntityProvider",
  TestErc20: "TestErc20", TestErc20Fee: "TestErc20", TestErc20NoReturn: "TestErc20",
  TestErc721: "TestNfts", TestErc1155: "TestNfts", TestWallet: "TestWallet",
  TestMultisig: "TestMultisig", TestAnswers: "TestAnswers", TestFeed: "TestFeed", PriceOption: "PriceOption",
};
const LIMIT = 24576; // EIP-170
fs.mkdirSync(target, { recursive: true });
for (const [name, file] of Object.entries(contracts)) {
  const { abi, bytecode, deployedBytecode } = JSON.parse(fs.readFileSync(path.join(out, `${file}.sol`, `${name}.json`)));
  const size = (deployedBytecode.object.length - 2) / 2;
  if (size >= LIMIT) throw new Error(`${name}: ${size} bytes, the limit is ${LIMIT}`);
  const artifact = { abi, bytecode: bytecode.object, deployedBytecode: deployedBytecode.object };
  fs.writeFileSync(path.join(target, `${name}.json`), JSON.stringify(artifact, null, 1) + "\n");
  console.log(`${name}: ${size} bytes`);
}
