//! The corpora in the repository, and damaged copies of what they hold: the quick form of fuzzing, on a stable toolchain.

use std::path::PathBuf;

/// Where the inputs of one target are kept.
fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "corpus", target].iter().collect()
}

/// All inputs of one target.
pub fn inputs(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder(target)).unwrap_or_else(|error| panic!("corpus of {target}: {error}"));
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a folder of files").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// Runs every input of a target, then `damaged` copies of them with something wrong. `XLN_RUNS` asks for more of these.
pub fn replay(target: &str, damaged: u64, run: impl Fn(&[u8])) {
    let inputs = inputs(target);
    assert!(!inputs.is_empty(), "{target} has no corpus");
    for input in &inputs {
        run(input);
    }
    let damaged = std::env::var("XLN_RUNS").ok().map_or(damaged, |runs| runs.parse().expect("a number"));
    for seed in 0..damaged {
        let mut random = Seeded(seed);
        let mut bytes = inputs[random.below(inputs.len())].clone();
        for _ in 0..=random.below(4) {
            damage(&mut bytes, &inputs, &mut random);
        }
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&bytes))).is_err() {
            panic!("{target}, seed {seed}: {bytes:02x?}");
        }
    }
}

fn damage(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], random: &mut Seeded) {
    let at = random.below(bytes.len() + 1);
    let end = (at + 1 + random.below(8)).min(bytes.len());
    match random.below(7) {
        0 | 1 => bytes[at..end].iter_mut().for_each(|byte| *byte = random.byte()),
        2 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << random.below(8)),
        3 => bytes.insert(at, random.byte()),
        4 => drop(bytes.drain(at..end)),
        5 => bytes.truncate(at),
        _ => {
            let other = &inputs[random.below(inputs.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[at.min(other.len())..]);
        }
    }
}

/// Keeps a real encoding as a seed, if `XLN_FUZZ_SEEDS` is set; `cargo fuzz cmin` throws away what teaches nothing.
pub fn seed(target: &str, name: &str, bytes: &[u8]) {
    if std::env::var_os("XLN_FUZZ_SEEDS").is_some() {
        std::fs::create_dir_all(folder(target)).expect("a folder");
        std::fs::write(folder(target).join(name), bytes).expect("a file");
    }
}

/// SplitMix64.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        const TELLING: [u8; 10] = [0, 1, 2, 127, 128, 250, 251, 252, 253, 255];
        if self.below(2) == 0 { TELLING[self.below(10)] } else { self.next() as u8 }
    }
}
