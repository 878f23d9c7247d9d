//! The quick form of `xln-sim kill`, and that it finds a planted fault.

use std::process::{Command, Output};

fn kill(arguments: &[&str]) -> Output {
    let run = Command::new(env!("CARGO_BIN_EXE_xln-sim")).arg("kill").args(arguments).output();
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    run.expect("the program starts")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn survives(backend: &str) {
    let done = kill(&["--backend", backend, "--kills", "15"]);
    let text = text(&done);
    assert!(done.status.success(), "{text}");
    // Each of the mishaps has happened, and each was told by name.
    for mishap in ["a second process: ", "read-only: ", "file size limit: "] {
        assert!(text.contains(mishap), "{text}");
    }
}

#[test]
fn kill_redb() {
    survives("redb");
}

#[test]
fn kill_fjall() {
    survives("fjall");
}

#[test]
fn kill_sled() {
    survives("sled");
}

#[test]
fn kill_finds_writes_that_are_reported_before_they_are_made() {
    let done = kill(&["--kills", "100", "--backend", "redb", "--write-behind", "--keep-nothing"]);
    assert_eq!(done.status.code(), Some(1), "{}", text(&done));
    assert!(text(&done).contains("acknowledged record"), "{}", text(&done));
}

/// A disk that is really full: a small file system of its own, which takes root.
#[test]
fn kill_disk_full() {
    let Ok(folder) = tempfile::tempdir() else { return };
    let mount =
        "mount -t tmpfs -o size=160m tmpfs \"$1\" && exec \"$0\" kill --kills 3 --dir \"$1\" --fill --backend \"$2\"";
    // Both parties' stores are on the one disk; with sled the other party may be the first to find it full.
    for backend in ["redb", "fjall"] {
        let run = Command::new("unshare")
            .args(["--mount", "sh", "-c", mount, env!("CARGO_BIN_EXE_xln-sim")])
            .arg(folder.path())
            .arg(backend)
            .output();
        let Ok(done) = run else { return };
        let text = text(&done);
        if !done.status.success() && (text.contains("Operation not permitted") || text.contains("mount:")) {
            // Without root the limit on file sizes, part of the other tests, has to do.
            #[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
            {
                eprintln!("SKIPPED, no mount namespace: {text}");
            }
            return;
        }
        assert!(done.status.success(), "{text}");
        assert!(text.contains("no space left: "), "{text}");
    }
}
