use super::{Fault, FaultKind, Faults, Place, Strictness, Warning, WarningKind};

/// What was found in a document so far.
#[derive(Debug)]
pub(super) struct Findings {
    strictness: Strictness,
    faults: Vec<Fault>,
    warnings: Vec<Warning>,
}

impl Findings {
    pub(super) fn new(strictness: Strictness) -> Self {
        Self {
            strictness,
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn fault(&mut self, place: Place, kind: FaultKind) {
        self.faults.push(Fault { place, kind });
    }

    pub(super) fn warn(&mut self, place: Place, kind: WarningKind) {
        self.warnings.push(Warning { place, kind });
    }

    pub(super) fn is_lenient(&self) -> bool {
        self.strictness == Strictness::GalaxyCompat
    }

    pub(super) fn is_faultless(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }

    pub(super) fn into_faults(self) -> Faults {
        Faults(self.faults)
    }
}
