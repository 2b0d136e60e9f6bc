//! Replays the corpora: a file that once was a finding never becomes one again.

#![expect(
    clippy::print_stdout,
    reason = "the last file named is the one that failed"
)]

use std::path::Path;
use std::{fs, io};

use floatingip_fuzz::TARGETS;

/// Runs a target on every file of its corpus; says how many there are.
fn replay(name: &str) -> io::Result<usize> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files = 0;
    for (_, check) in TARGETS.iter().filter(|(target, _)| *target == name) {
        for entry in fs::read_dir(root.join(name))? {
            let path = entry?.path();
            println!("{}", path.display());
            check(&fs::read(path)?);
            files += 1;
        }
    }
    Ok(files)
}

macro_rules! replayed {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                let files = replay(stringify!($target)).expect("a readable corpus");
                assert!(files > 0, "the corpus is empty");
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            assert_eq!(TARGETS.map(|(target, _)| target), [$(stringify!($target)),*]);
        }
    };
}

replayed!(annotations backup cni config engine_ops extender networks owner_keys queries ranges requests);
