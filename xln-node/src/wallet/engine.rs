//! What turns the wallet: requests are taken one after another, and whoever waits for anything of the wallet turns the crank.
//! Neither the step that is being stored nor a message on its way belongs to the future that began it, so that dropping one
//! loses nothing, and none that is no longer polled holds up the others.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use xln_core::machine::{Action, Command, EffectId, Effects, Input, InputOutcome};
use xln_core::types::EntityId;

use super::error::WalletError;
use super::event::WalletEvent;
use super::host::{BoxFuture, HostError, Movable};
use super::keeper::{Keeper, KeeperRead, KeeperWork, Step, StepError};
use super::outside::{Done, Outside};
use super::waiters::{Place, Waiters};

/// Inputs that share one write at most.
const MERGED_INPUTS: usize = 256;

/// What a handle holds.
pub(super) struct Shared {
    entity: EntityId,
    waiters: Arc<Waiters>,
    state: Mutex<State>,
}

/// The machine's whereabouts, what is asked of it, and what came of it.
pub(super) struct State {
    slot: Slot,
    cranking: bool,
    queue: VecDeque<Request>,
    pub(super) outside: Outside,
}

enum Slot {
    Idle(Box<Keeper>),
    /// A step is being stored, or the store is read.
    Busy(BoxFuture<(Box<Keeper>, Option<Stepped>)>),
    /// It is with whoever turns the crank.
    Away,
    /// Nothing is done any more, for this reason.
    Ended(WalletError),
}

enum Request {
    Step { step: Step, part: Part },
    Read(KeeperRead),
    Work(KeeperWork),
    Close(Reply<()>),
}

/// Where a caller finds its answer.
pub(super) struct Reply<T>(Arc<Mutex<ReplyState<T>>>);

struct ReplyState<T> {
    answer: Option<Result<T, WalletError>>,
    /// Nobody waits for it any more.
    dropped: bool,
}

impl<T> Clone for Reply<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Reply<T> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(ReplyState { answer: None, dropped: false })))
    }

    pub(super) fn give(&self, answer: Result<T, WalletError>) {
        lock(&self.0).answer = Some(answer);
    }

    fn take(&self) -> Option<Result<T, WalletError>> {
        lock(&self.0).answer.take()
    }
}

/// Marks a reply as unwanted when its caller goes.
struct Caller<T>(Reply<T>);

impl<T> Drop for Caller<T> {
    fn drop(&mut self) {
        lock(&self.0.0).dropped = true;
    }
}

/// One caller's part of a step.
struct Part {
    reply: Option<Reply<Vec<InputOutcome>>>,
    /// How many inputs are its own.
    inputs: usize,
    /// The remote signer's answer that it brings.
    signs: Option<EffectId>,
}

impl Part {
    /// Not begun, and not wanted any more.
    fn is_withdrawn(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| lock(&reply.0).dropped)
    }
}

/// A step that came to its end.
struct Stepped {
    result: Result<Effects, StepError>,
    parts: Vec<Part>,
    /// For each input that is a command: whether its end comes later.
    waits: Vec<bool>,
    ticked: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    #[cfg_attr(
        target_arch = "wasm32",
        expect(clippy::arc_with_non_send_sync, reason = "a page has one thread; the same code serves many elsewhere")
    )]
    pub(super) fn new(entity: EntityId, keeper: Keeper, outside: Outside) -> Arc<Self> {
        let slot = Slot::Idle(Box::new(keeper));
        let state = State { slot, cranking: false, queue: VecDeque::new(), outside };
        Arc::new(Self { entity, waiters: Arc::default(), state: Mutex::new(state) })
    }

    pub(super) const fn entity(&self) -> EntityId {
        self.entity
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Looks at what has become of things, without waiting.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Outside) -> T) -> T {
        look(&mut self.lock().outside)
    }

    /// Turns the crank until there is an answer.
    pub(super) async fn wait<T>(&self, mut answer: impl FnMut() -> Option<T>) -> T {
        let place = self.waiters.place();
        poll_fn(move |cx| {
            if let Some(found) = answer() {
                return Poll::Ready(found);
            }
            place.wait(cx.waker());
            self.crank(&place);
            answer().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Why nothing is done any more, if so.
    pub(super) fn ended(&self) -> Option<WalletError> {
        match &self.lock().slot {
            Slot::Ended(error) => Some(error.clone()),
            _ => None,
        }
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, WalletError> {
        if let Some(error) = self.ended() {
            return Err(error);
        }
        let reply = Reply::new();
        let _caller = Caller(reply.clone());
        self.lock().queue.push_back(request(reply.clone()));
        self.wait(|| reply.take().or_else(|| self.ended().map(|error| reply.take().unwrap_or(Err(error))))).await
    }

    /// Makes a step.
    pub(super) async fn step(&self, step: Step) -> Result<Vec<InputOutcome>, WalletError> {
        let inputs = step.inputs.len();
        self.ask(|reply| Request::Step { step, part: Part { reply: Some(reply), inputs, signs: None } }).await
    }

    /// Reads between two steps.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, WalletError>
    where
        T: Movable + 'static,
        F: FnOnce(&Keeper) -> Result<T, WalletError> + Movable + 'static,
    {
        self.ask(|reply| Request::Read(Box::new(move |keeper| reply.give(read(keeper))))).await
    }

    /// Waits for the store between two steps.
    pub(super) async fn work<T>(&self, work: impl FnOnce(Reply<T>) -> KeeperWork) -> Result<T, WalletError> {
        self.ask(|reply| Request::Work(work(reply))).await
    }

    /// Ends the wallet after all that was asked before.
    pub(super) async fn close(&self) -> Result<(), WalletError> {
        match self.ask(Request::Close).await {
            Err(WalletError::Closed) => Ok(()),
            closed => closed,
        }
    }

    /// Does what can be done now. Only one does it at a time; who comes meanwhile makes it go round once more. What is not
    /// ready wakes all who wait, when it is: it is not asked again in here, since it may want its turn of the executor.
    fn crank(&self, place: &Place) {
        {
            let mut state = self.lock();
            if state.cranking {
                self.waiters.ask_again();
                return;
            }
            state.cranking = true;
        }
        let turning = Turning(self);
        let waker = Waker::from(Arc::clone(&self.waiters));
        let mut cx = Context::from_waker(&waker);
        let mut moved = false;
        loop {
            self.waiters.take_again();
            let turned = self.turn(&mut cx);
            let went = self.go_outside(&mut cx);
            let told = self.tell();
            if turned || went || told {
                moved = true;
                continue;
            }
            let mut state = self.lock();
            if !self.waiters.take_again() {
                state.cranking = false;
                break;
            }
        }
        std::mem::forget(turning);
        if moved {
            self.waiters.wake_others(Some(place));
        }
    }

    /// The machine's next request, or the one that it is at. Whether anything has moved.
    fn turn(&self, cx: &mut Context<'_>) -> bool {
        let mut work = {
            let mut state = self.lock();
            match std::mem::replace(&mut state.slot, Slot::Away) {
                Slot::Busy(work) => work,
                Slot::Idle(keeper) => match state.next_request() {
                    None => {
                        state.slot = Slot::Idle(keeper);
                        return false;
                    }
                    Some(Next::Read(read)) => {
                        drop(state);
                        read(&keeper);
                        self.lock().slot = Slot::Idle(keeper);
                        return true;
                    }
                    Some(Next::Close(reply)) => {
                        drop(state);
                        drop(keeper);
                        self.end(WalletError::Closed);
                        reply.give(Ok(()));
                        return true;
                    }
                    Some(Next::Work(work)) => {
                        let reading = work(keeper);
                        Box::pin(async move { (reading.await, None) })
                    }
                    Some(Next::Step(step, parts)) => begin(keeper, step, parts),
                },
                other => {
                    state.slot = other;
                    return false;
                }
            }
        };
        match work.as_mut().poll(cx) {
            Poll::Pending => {
                self.lock().slot = Slot::Busy(work);
                false
            }
            Poll::Ready((keeper, None)) => {
                self.lock().slot = Slot::Idle(keeper);
                true
            }
            Poll::Ready((keeper, Some(stepped))) => {
                self.stepped(keeper, stepped);
                true
            }
        }
    }

    fn stepped(&self, keeper: Box<Keeper>, stepped: Stepped) {
        let Stepped { result, parts, waits, ticked } = stepped;
        match result {
            Ok(effects) => {
                let mut state = self.lock();
                state.outside.take(&keeper, &effects, &waits, ticked);
                let mut outcomes = effects.outcomes().iter().copied();
                for part in parts {
                    let own = outcomes.by_ref().take(part.inputs).collect();
                    if let Some(effect) = part.signs {
                        state.outside.answered(effect);
                    }
                    if let Some(reply) = part.reply {
                        reply.give(Ok(own));
                    }
                }
                if keeper.is_due() {
                    let part = Part { reply: None, inputs: 0, signs: None };
                    state.queue.push_back(Request::Step { step: Step::default(), part });
                }
                state.slot = Slot::Idle(keeper);
            }
            Err(StepError::Undone(error)) => {
                let mut state = self.lock();
                for part in parts {
                    if let Some(effect) = part.signs {
                        state.outside.answered(effect);
                        let reason = HostError::new(&error);
                        state.outside.event(WalletEvent::SignFailed { effect, reason });
                    }
                    if let Some(reply) = part.reply {
                        reply.give(Err(error.clone()));
                    }
                }
                state.slot = Slot::Idle(keeper);
            }
            Err(StepError::Fatal(error)) => {
                drop(keeper);
                let reason = HostError::new(&error);
                for reply in parts.into_iter().filter_map(|part| part.reply) {
                    reply.give(Err(error.clone()));
                }
                self.look(|outside| outside.event(WalletEvent::Poisoned { reason: reason.clone() }));
                self.end(WalletError::Poisoned(reason));
            }
        }
    }

    /// Nothing is done any more. What is dropped with it is dropped without the lock.
    fn end(&self, error: WalletError) {
        let mut state = self.lock();
        state.slot = Slot::Ended(error);
        let queue = std::mem::take(&mut state.queue);
        let jobs = state.outside.stop();
        drop(state);
        drop((queue, jobs));
    }

    /// Messages and questions that are on their way. Whether anything has moved.
    fn go_outside(&self, cx: &mut Context<'_>) -> bool {
        let (mut jobs, started) = self.look(Outside::take_jobs);
        let mut done = Vec::new();
        jobs.retain_mut(|job| match job.as_mut().poll(cx) {
            Poll::Ready(end) => {
                done.push(end);
                false
            }
            Poll::Pending => true,
        });
        let mut state = self.lock();
        if matches!(state.slot, Slot::Ended(_)) {
            drop(state);
            return false;
        }
        state.outside.put_jobs(jobs);
        let moved = started || !done.is_empty();
        for end in done {
            match end {
                Done::Sent { to, result } => state.outside.sent(to, result),
                Done::Signed { effect, result: Ok(signature) } => {
                    let input = Input::Signed { request: effect, signature };
                    let step = Step { inputs: vec![input], ..Step::default() };
                    let part = Part { reply: None, inputs: 1, signs: Some(effect) };
                    state.queue.push_back(Request::Step { step, part });
                }
                Done::Signed { effect, result: Err(reason) } => {
                    state.outside.answered(effect);
                    state.outside.event(WalletEvent::SignFailed { effect, reason });
                }
            }
        }
        moved
    }

    /// Tells the listener, in order, without the lock.
    fn tell(&self) -> bool {
        let mut told = false;
        while let Some((listener, event)) = self.look(Outside::next_for_listener) {
            listener.on_event(event);
            told = true;
        }
        told
    }
}

/// If the host's code panics while the crank is turned, nothing is known of the machine any more.
struct Turning<'a>(&'a Shared);

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        let reason = HostError::new("the app's code panicked in the middle of a step");
        self.0.end(WalletError::Poisoned(reason));
        self.0.lock().cranking = false;
        self.0.waiters.wake_all();
    }
}

enum Next {
    Step(Step, Vec<Part>),
    Read(KeeperRead),
    Work(KeeperWork),
    Close(Reply<()>),
}

impl State {
    /// The next request; steps that wait together become one.
    fn next_request(&mut self) -> Option<Next> {
        loop {
            match self.queue.pop_front()? {
                Request::Read(read) => return Some(Next::Read(read)),
                Request::Work(work) => return Some(Next::Work(work)),
                Request::Close(reply) => return Some(Next::Close(reply)),
                Request::Step { part, .. } if part.is_withdrawn() => {}
                Request::Step { step, part } => return Some(self.merged(step, part)),
            }
        }
    }

    fn merged(&mut self, mut step: Step, part: Part) -> Next {
        let alone = |step: &Step, part: &Part| step.whole || part.signs.is_some();
        let mut parts = vec![part];
        if parts.iter().any(|part| alone(&step, part)) {
            return Next::Step(step, parts);
        }
        while let Some(Request::Step { step: next, part }) = self.queue.front() {
            let fits = step.inputs.len().saturating_add(next.inputs.len()) <= MERGED_INPUTS;
            if alone(next, part) || !fits {
                break;
            }
            let Some(Request::Step { step: next, part }) = self.queue.pop_front() else { break };
            if !part.is_withdrawn() {
                step.inputs.extend(next.inputs);
                step.keep.extend(next.keep);
                parts.push(part);
            }
        }
        Next::Step(step, parts)
    }
}

fn begin(mut keeper: Box<Keeper>, step: Step, parts: Vec<Part>) -> BoxFuture<(Box<Keeper>, Option<Stepped>)> {
    let waits = step.inputs.iter().map(waits).collect();
    let ticked = step.inputs.contains(&Input::Tick);
    Box::pin(async move {
        let result = keeper.step(step).await;
        (keeper, Some(Stepped { result, parts, waits, ticked }))
    })
}

/// Whether an input is a command whose end comes later.
const fn waits(input: &Input) -> bool {
    matches!(input, Input::Command(Command { action: Action::Propose { .. } | Action::CrossSwap(_), .. }))
}
