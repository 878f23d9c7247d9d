//! An anvil process, its control, and connections to it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy::providers::Provider;
use serde_json::{Value, json};
use xln_chain::rpc::{RpcChain, RpcConfig};
use xln_core::types::{Address, ChainId};

pub const CHAIN: ChainId = ChainId(31_337);

/// Where npm put anvil: `npm ci` in `xln-chain/anvil`, or in `contracts`. `None` skips the test, unless `XLN_REQUIRE_ANVIL` is set.
fn binary() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let places = ["anvil/node_modules", "../contracts/node_modules"];
    let found = std::env::var_os("XLN_ANVIL").map(PathBuf::from).or_else(|| {
        let paths = places.iter().map(|p| root.join(p).join("@foundry-rs/anvil-linux-amd64/bin/anvil"));
        paths.into_iter().find(|path| path.exists())
    });
    if found.is_none() {
        assert!(std::env::var_os("XLN_REQUIRE_ANVIL").is_none(), "XLN_REQUIRE_ANVIL is set and anvil is not installed");
        eprintln!("SKIPPED: anvil is not installed. Run `npm ci` in xln-chain/anvil, or set XLN_ANVIL to the binary.");
    }
    found
}

pub struct Anvil {
    binary: PathBuf,
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    arguments: Vec<&'static str>,
}

impl Anvil {
    /// Starts a node that begins at `GENESIS`; `None` if it is not installed.
    pub fn start(arguments: &[&'static str]) -> Option<Self> {
        let binary = binary()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(&binary, port, &folder, arguments);
        let anvil = Self { binary, child, port, folder, arguments: arguments.to_vec() };
        anvil.wait();
        Some(anvil)
    }

    /// Ends the process, which writes its state but not what waits for a block, and starts another one there.
    pub fn restart(&mut self) {
        self.stop();
        self.restart_stopped();
    }

    /// Starts another process where one was stopped.
    pub fn restart_stopped(&mut self) {
        self.child = spawn(&self.binary, self.port, &self.folder, &self.arguments);
        self.wait();
    }

    /// Ends the process; it writes its state.
    pub fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap();
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "anvil does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn config(&self, scheme: &str) -> RpcConfig {
        RpcConfig {
            poll_interval: Duration::from_millis(20),
            confirm_timeout: Duration::from_secs(30),
            backoff: Duration::from_millis(50),
            ..RpcConfig::new(format!("{scheme}://127.0.0.1:{}", self.port), CHAIN)
        }
    }

    pub async fn connect(&self) -> RpcChain {
        RpcChain::connect(self.config("http")).await.unwrap()
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(binary: &PathBuf, port: u16, folder: &tempfile::TempDir, arguments: &[&str]) -> Child {
    let state = folder.path().join("state.json");
    let (port, id, time) = (port.to_string(), CHAIN.0.to_string(), crate::common::GENESIS.0.to_string());
    let mut command = Command::new(binary);
    command
        .args(["--host", "127.0.0.1", "--port", &port, "--chain-id", &id, "--accounts", "0", "--silent", "--state"])
        .arg(&state);
    if !state.exists() {
        command.args(["--timestamp", &time]);
    }
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Any request, anvil's own included.
pub async fn raw(chain: &RpcChain, method: &'static str, parameters: Value) -> Value {
    chain.provider().raw_request(method.into(), parameters).await.unwrap()
}

pub async fn fund(chain: &RpcChain, account: Address) {
    raw(chain, "anvil_setBalance", json!([account.to_string(), "0x3635c9adc5dea00000"])).await;
}

pub async fn mine(chain: &RpcChain, blocks: u64) {
    raw(chain, "anvil_mine", json!([format!("{blocks:#x}")])).await;
}

/// Replaces the last blocks by as many empty ones, and says nothing about removed logs.
pub async fn reorg(chain: &RpcChain, depth: u64) {
    raw(chain, "anvil_reorg", json!([depth, []])).await;
}

/// Runs a test to its end.
pub fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(test);
}
