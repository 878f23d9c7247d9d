//! One party as the parent sees it: its process, what is asked and not answered, and what it has acknowledged.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;

use xln_core::types::{Hash, Nonce, Side};
use xln_storage::Backend;

use super::frames::{self, Ask, Durable, Open, Said};
use super::ledger::Name;

/// Something that a process said, or its end.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Which party.
    pub(crate) who: usize,
    /// Which of its processes.
    pub(crate) life: u64,
    /// What; `None` once, when its stdout has ended.
    pub(crate) said: Option<Said>,
}

/// What a process is started under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Under {
    /// Nothing unusual.
    Nothing,
    /// No file may grow beyond so many blocks of 512 bytes; the signal for it is ignored, so that writes fail.
    FileSize(u64),
    /// Its store's folder is mounted read-only, in a mount namespace of its own. Needs root.
    ReadOnly,
}

impl Under {
    /// The command that starts a child.
    fn command(self, program: &Path, dir: &Path) -> Command {
        let limit = "trap '' XFSZ; ulimit -f \"$1\"; exec \"$0\" kill --child";
        let mount = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && exec \"$0\" kill --child";
        match self {
            Self::Nothing => {
                let mut command = Command::new(program);
                command.args(["kill", "--child"]);
                command
            }
            Self::FileSize(blocks) => {
                let mut command = Command::new("sh");
                command.args(["-c", limit]).arg(program).arg(blocks.to_string());
                command
            }
            Self::ReadOnly => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", mount]).arg(program).arg(dir);
                command
            }
        }
    }
}

/// A process that runs.
#[derive(Debug)]
pub(crate) struct Running {
    process: Child,
    stdin: ChildStdin,
    /// What was asked and not answered, oldest first, with the commands of each.
    pub(crate) asked: VecDeque<Vec<Name>>,
    /// What it has said so far.
    pub(crate) said: u64,
}

/// What a party has acknowledged in all its lives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acknowledged {
    /// The last record and the root after it.
    pub(crate) now: Option<(u64, Hash)>,
    /// What the store's guard held then.
    pub(crate) signed: Option<(Nonce, Hash)>,
    /// The body of the last agreed state.
    pub(crate) agreed: Option<Hash>,
}

/// One party.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) who: usize,
    pub(crate) side: Side,
    pub(crate) dir: PathBuf,
    pub(crate) running: Option<Running>,
    pub(crate) acknowledged: Acknowledged,
    life: u64,
}

impl Party {
    pub(crate) fn new(who: usize, side: Side, dir: PathBuf) -> Self {
        Self { who, side, dir, running: None, acknowledged: Acknowledged::default(), life: 0 }
    }

    /// Starts its process on its store; whatever it says goes to `ear`.
    pub(crate) fn start(
        &mut self,
        (backend, snapshot_every, write_behind): (Backend, u64, bool),
        under: Under,
        ear: &Sender<Heard>,
    ) -> Result<(), String> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut process = under
            .command(&program, &self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("a process does not start: {error}"))?;
        let (Some(stdin), Some(mut stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("a process has no pipes".into());
        };
        self.life = self.life.saturating_add(1);
        let (who, life, ear) = (self.who, self.life, ear.clone());
        std::thread::spawn(move || {
            while let Some(said) = frames::read(&mut stdout) {
                if ear.send(Heard { who, life, said: Some(said) }).is_err() {
                    return;
                }
            }
            // Nobody listens any more if the run is over.
            let _ = ear.send(Heard { who, life, said: None });
        });
        self.running = Some(Running { process, stdin, asked: VecDeque::new(), said: 0 });
        let open = Open {
            backend: backend.name().to_owned(),
            dir: self.dir.display().to_string(),
            who: u8::try_from(self.who).map_err(|e| e.to_string())?,
            snapshot_every,
            acknowledged: self.acknowledged.now.map_or(0, |(seq, _)| seq),
            agreed: self.acknowledged.agreed,
            write_behind,
        };
        self.ask(&Ask::Open(open), Vec::new());
        Ok(())
    }

    /// Asks its process for something. A process that was killed hears nothing, and that is no error.
    pub(crate) fn ask(&mut self, ask: &Ask, commands: Vec<Name>) {
        if let Some(running) = &mut self.running {
            running.asked.push_back(commands);
            let _ = frames::write(&mut running.stdin, ask);
        }
    }

    /// Whether this comes from the process that runs now.
    pub(crate) const fn is_current(&self, heard: &Heard) -> bool {
        self.life == heard.life
    }

    /// Whether it answered everything.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.asked.is_empty())
    }

    /// SIGKILL. Its pipe still holds what it said before.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        let Some(running) = &mut self.running else { return Ok(()) };
        running.process.kill().and_then(|()| running.process.wait()).map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Acknowledges a step: records follow each other without a gap, and the guard never goes back.
    pub(crate) fn acknowledge(&mut self, now: &Durable, agreed: &[Hash]) -> Result<(), String> {
        let before = self.acknowledged.now.map_or(0, |(seq, _)| seq);
        if now.seq <= before || now.signed.map(|s| s.0) < self.acknowledged.signed.map(|s| s.0) {
            return Err(format!("party {} went back from record {before} to {now:?}", self.who));
        }
        let agreed = agreed.last().copied().or(self.acknowledged.agreed);
        self.acknowledged = Acknowledged { now: Some((now.seq, now.root)), signed: now.signed, agreed };
        Ok(())
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        // What cannot be killed has ended already.
        let _ = self.kill();
    }
}
