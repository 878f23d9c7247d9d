//! The program as a shell sees it: exit codes, lines, and what errors say.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::str::contains;
use serde_json::Value;

fn xln() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("xln"))
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Writes a scenario of two entities and one token.
fn story(folder: &Path, steps: &str) -> PathBuf {
    let path = folder.join("story.json");
    let head = r#""name": "a story", "tokens": { "usd": { "kind": "erc20" } }, "entities": { "alice": {}, "bob": {} }"#;
    std::fs::write(&path, format!("{{ {head}, \"steps\": [ {steps} ] }}")).unwrap();
    path
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_scenario_prints_a_line_per_step_and_a_summary() {
    let file = repository("examples/scenarios/two_locks_one_block.json");
    let done = xln().args(["scenario", "--json", "--model"]).arg(file).assert().success();
    let lines = lines(&done.get_output().stdout);
    assert_eq!(lines.len(), 8);
    assert_eq!(lines.first().unwrap().get("do").unwrap(), "credit");
    assert!(lines.iter().all(|line| line.get("ok").unwrap() == true));
    assert_eq!(lines.last().unwrap().get("steps").unwrap(), 7);
}

#[test]
fn the_table_shows_the_bar() {
    let file = repository("examples/scenarios/two_locks_one_block.json");
    xln()
        .args(["scenario", "--table"])
        .arg(file)
        .assert()
        .success()
        .stdout(contains("[---"))
        .stdout(contains("alice-bob"));
}

#[test]
fn the_trace_shows_messages() {
    let file = repository("examples/scenarios/two_locks_one_block.json");
    let done = xln().args(["scenario", "--json", "--trace"]).arg(file).assert().success();
    assert!(lines(&done.get_output().stdout).iter().any(|line| line.get("trace").is_some_and(|t| t == "deliver")));
}

#[test]
fn what_does_not_hold_is_said_with_expected_and_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = story(folder.path(), r#"{ "do": "expect", "reserve": { "alice": { "usd": "5" } } }"#);
    let done = xln().args(["scenario", "--json"]).arg(file).assert().code(1);
    let done = done.stderr(contains("step 1 (expect): reserve alice usd: expected 5, found 0"));
    assert_eq!(lines(&done.get_output().stdout).last().unwrap().get("ok").unwrap(), false);
}

#[test]
fn a_refusal_must_come_and_have_the_right_name() {
    let folder = tempfile::tempdir().unwrap();
    let pay = |refused: &str| {
        format!(
            r#"{{ "do": "pay", "by": "alice", "peer": "bob", "token": "usd", "amount": "1", "refused": {refused} }}"#
        )
    };
    let file = story(folder.path(), &pay("\"InsufficientCapacity\""));
    xln().arg("scenario").arg(file).assert().success();
    let file = story(folder.path(), &pay("\"WrongSecret\""));
    xln()
        .arg("scenario")
        .arg(file)
        .assert()
        .code(1)
        .stderr(contains("refused with WrongSecret, was refused with InsufficientCapacity"));
    let file = story(folder.path(), &pay("false"));
    xln().arg("scenario").arg(file).assert().code(1).stderr(contains("expected to work"));
    let deposit = r#"{ "do": "deposit", "by": "alice", "token": "usd", "amount": "1", "refused": true }"#;
    let file = story(folder.path(), deposit);
    xln().arg("scenario").arg(file).assert().code(1).stderr(contains("expected to be refused, worked"));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (r#"{ "do": "pay", "by": "alice", "pear": "bob" }"#, "unknown field `pear`"),
        (r#"{ "do": "pay", "by": "alice", "peer": "bob", "token": "usd" }"#, "missing field `amount`"),
        (r#"{ "do": "fly" }"#, "unknown variant `fly`"),
        (r#"{ "do": "route", "by": "alice" }"#, "missing field `to`"),
        (r#"{ "do": "deposit", "by": "carl", "token": "usd", "amount": "1" }"#, "entity `carl` is not in the scenario"),
        (r#"{ "do": "deposit", "by": "bob", "token": "dm", "amount": "1" }"#, "token `dm` is not in the scenario"),
        (r#"{ "do": "deposit", "by": "bob", "token": "usd", "amount": "1.5" }"#, "`1.5` is no decimal number"),
    ];
    for (step, error) in cases {
        let file = story(folder.path(), step);
        xln().arg("scenario").arg(file).assert().code(1).stderr(contains(error));
    }
    xln().args(["scenario", "/no/such/file"]).assert().code(1).stderr(contains("/no/such/file"));
    xln().arg("scenario").assert().code(2);
}

#[test]
fn vectors_are_checked_and_emitted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("derive_delta.json");
    let emitted = xln().args(["vectors", "--emit", "derive_delta"]).assert().success();
    let text = String::from_utf8(emitted.get_output().stdout.clone()).unwrap();
    std::fs::write(&path, &text).unwrap();
    xln().arg("vectors").arg(&path).assert().success().stdout(contains("35 vectors of derive_delta"));
    std::fs::write(&path, text.replacen("\"inCapacity\": \"100\"", "\"inCapacity\": \"101\"", 1)).unwrap();
    let wrong = xln().arg("vectors").arg(&path).assert().code(1);
    wrong.stderr(contains("expect.left.inCapacity: expected \"101\", found \"100\"")).stdout(contains("FAILED"));
    std::fs::write(&path, "{}").unwrap();
    xln().arg("vectors").arg(&path).assert().code(1).stderr(contains("no vectors"));
    xln().args(["vectors", "--emit", "nothing"]).assert().code(2);
}

#[test]
fn all_golden_files_of_the_project_hold() {
    let folder = repository("xln-core/tests/vectors");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    xln().arg("vectors").args(files.collect::<Vec<_>>()).assert().success();
}
