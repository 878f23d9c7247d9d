//! HTTP to a node, as alloy's own transport does it, but no answer is read beyond a bound: who asks a lying endpoint must not
//! run out of memory.

use std::task;
use std::time::Duration;

use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut, TransportResult};
use reqwest::header::RETRY_AFTER;
use tower::Service;

/// A reqwest client at one address.
#[derive(Clone, Debug)]
pub(super) struct Bounded {
    client: reqwest::Client,
    url: reqwest::Url,
    max_bytes: usize,
}

impl Bounded {
    pub(super) const fn new(client: reqwest::Client, url: reqwest::Url, max_bytes: usize) -> Self {
        Self { client, url, max_bytes }
    }

    async fn post(self, request: RequestPacket) -> TransportResult<ResponsePacket> {
        let sent = self.client.post(self.url.clone()).json(&request).headers(request.headers()).send();
        let mut response = sent.await.map_err(TransportErrorKind::custom)?;
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let wait = wait.map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(TransportErrorKind::custom)? {
            if body.len().saturating_add(part.len()) > self.max_bytes {
                return Err(TransportErrorKind::custom_str("the node's answer is longer than the configured bound"));
            }
            body.extend_from_slice(&part);
        }
        if !status.is_success() {
            // An error of the node says more than the status that came with it.
            if let Some(packet) = serde_json::from_slice::<ResponsePacket>(&body).ok().filter(ResponsePacket::is_error)
            {
                return Ok(packet);
            }
            let text = String::from_utf8_lossy(&body).into_owned();
            return Err(TransportErrorKind::http_error_with_retry_after(status.as_u16(), text, wait));
        }
        serde_json::from_slice(&body).map_err(|error| TransportError::deser_err(error, String::from_utf8_lossy(&body)))
    }
}

impl Service<RequestPacket> for Bounded {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), TransportError>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().post(request))
    }
}
