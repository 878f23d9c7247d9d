//! A node as seen through an endpoint that goes wrong: an HTTP server in front of anvil.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tiny_http::{Request, Response, Server};
use xln_chain::rpc::{RpcChain, RpcConfig};

use crate::node::{Anvil, CHAIN};

/// What is wrong with one answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    Nothing,
    /// HTTP 429.
    TooMany,
    /// JSON-RPC error -32005.
    Limited,
    /// HTTP 503 with a page of text.
    Unavailable,
    /// No answer while the other side waits.
    Stalled,
    /// No JSON.
    Malformed,
    /// JSON that ends too soon.
    Cut,
    /// More bytes than anybody wants.
    Oversized,
    /// `null` where something is.
    Null,
    /// Hashes of blocks are others.
    OtherHash,
    /// Numbers of blocks are others.
    OtherNumber,
    /// The id of another chain.
    OtherChain,
    /// State is forgotten, as full nodes do after a while.
    Pruned,
}

pub struct Proxy {
    pub url: String,
    wrong: Arc<Mutex<VecDeque<Wrong>>>,
    /// After those, for ever.
    always: Arc<Mutex<Wrong>>,
    server: Arc<Server>,
    thread: Option<JoinHandle<()>>,
}

/// How long the endpoints of these tests are waited for.
pub const PATIENCE: Duration = Duration::from_millis(1_500);
/// The longest answer.
pub const BOUND: usize = 1 << 20;

impl Proxy {
    pub fn before(anvil: &Anvil) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let url = format!("http://{}", server.server_addr());
        let (wrong, always) = (Arc::new(Mutex::new(VecDeque::new())), Arc::new(Mutex::new(Wrong::Nothing)));
        let (target, requests) = (anvil.config("http").url, server.clone());
        let (queue, rest) = (wrong.clone(), always.clone());
        let thread = std::thread::spawn(move || {
            let mut stalled = Vec::new();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // As `RpcChain` does, which may not have been used yet.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let client = reqwest::Client::new();
            let node = |body: String| {
                let sent = client.post(&target).header("content-type", "application/json").body(body);
                runtime.block_on(async { sent.send().await?.text().await })
            };
            for request in requests.incoming_requests() {
                let next = queue.lock().unwrap().pop_front().unwrap_or(*rest.lock().unwrap());
                // Held, not answered: the connection stays open until the end.
                if next == Wrong::Stalled { stalled.push(request) } else { answer(request, &node, next) }
            }
        });
        Self { url, wrong, always, server, thread: Some(thread) }
    }

    pub fn next(&self, wrong: impl IntoIterator<Item = Wrong>) {
        self.wrong.lock().unwrap().extend(wrong);
    }

    pub fn always(&self, wrong: Wrong) {
        *self.always.lock().unwrap() = wrong;
    }

    pub fn config(&self) -> RpcConfig {
        RpcConfig {
            request_timeout: PATIENCE,
            retries: 2,
            backoff: Duration::from_millis(5),
            poll_interval: Duration::from_millis(20),
            confirm_timeout: Duration::from_secs(30),
            max_answer_bytes: BOUND,
            ..RpcConfig::new(self.url.clone(), CHAIN)
        }
    }

    pub async fn connect(&self) -> RpcChain {
        RpcChain::connect(self.config()).await.unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.unblock();
        let _ = self.thread.take().unwrap().join();
    }
}

fn answer(mut request: Request, node: &dyn Fn(String) -> reqwest::Result<String>, wrong: Wrong) {
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body).unwrap();
    let asked: Value = serde_json::from_str(&body).unwrap();
    let error = |code: i64, text: &str| {
        json!({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": code, "message": text}}).to_string()
    };
    let (status, text) = match wrong {
        Wrong::TooMany => (429, "slow down".to_owned()),
        Wrong::Unavailable => (503, "<html>back soon</html>".to_owned()),
        Wrong::Limited => (200, error(-32_005, "limit exceeded")),
        Wrong::Malformed => (200, "what?".to_owned()),
        Wrong::Oversized => (200, format!("{{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":\"{}\"}}", "0".repeat(4 * BOUND))),
        Wrong::Pruned if asked["method"] == "eth_call" => (200, error(-32_000, "missing trie node abc")),
        _ => {
            let Ok(found) = node(body.clone()) else { return };
            let mut found: Value = serde_json::from_str(&found).unwrap();
            let chain = asked["method"] == "eth_chainId";
            match wrong {
                Wrong::Null => found["result"] = Value::Null,
                Wrong::OtherChain if chain => found["result"] = json!("0x5"),
                Wrong::OtherHash => {
                    replace(&mut found["result"], &["hash", "blockHash"], &format!("0x{}", "ab".repeat(32)))
                }
                Wrong::OtherNumber => replace(&mut found["result"], &["number", "blockNumber"], "0x3"),
                _ => {}
            }
            let mut text = found.to_string();
            if wrong == Wrong::Cut {
                text.truncate(text.len() / 2);
            }
            (200, text)
        }
    };
    let json = "Content-Type: application/json".parse::<tiny_http::Header>().unwrap();
    // Who has stopped to listen hears nothing.
    let _ = request.respond(Response::from_string(text).with_status_code(status).with_header(json));
}

/// Sets some fields of an object, or of each in a list.
fn replace(found: &mut Value, names: &[&str], with: &str) {
    match found {
        Value::Array(list) => list.iter_mut().for_each(|one| replace(one, names, with)),
        Value::Object(fields) => {
            fields.iter_mut().filter(|(name, _)| names.contains(&name.as_str())).for_each(|(_, v)| *v = json!(with));
        }
        _ => {}
    }
}
