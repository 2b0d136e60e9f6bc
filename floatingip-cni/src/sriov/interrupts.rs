//! Which processors serve a function's interrupts: one each, in turns, as galaxy has it.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use super::card::on_bus;
use crate::state::Record;

/// Where the kernel takes it.
const INTERRUPTS: &str = "/proc/irq";

/// Gives each interrupt of a record's functions a processor. As well as it can be done: without it one processor may
/// serve them all, and containers are connected all the same. It is not set back, as the next pod's ends likewise.
pub(super) fn spread(record: &Record) {
    let Ok(processors) = available_parallelism() else {
        return;
    };
    let functions = record
        .endpoints
        .iter()
        .filter_map(|it| it.function.as_ref());
    for device in functions.filter_map(|function| on_bus(&function.bus)) {
        spread_device(&device, Path::new(INTERRUPTS), processors.get());
    }
}

fn spread_device(device: &Path, interrupts: &Path, processors: usize) {
    let listed = fs::read_dir(device.join("msi_irqs"));
    for entry in listed.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.parse::<usize>().ok());
        let Some(processor) = number.and_then(|number| number.checked_rem(processors)) else {
            continue;
        };
        let file = interrupts.join(&name).join("smp_affinity_list");
        // The kernel refuses it for interrupts that it manages itself.
        let _ = fs::write(file, processor.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_take_turns_on_the_processors_and_one_that_is_fixed_stops_none() {
        let root = tempfile::tempdir().unwrap();
        let (device, interrupts) = (root.path().join("device"), root.path().join("irq"));
        fs::create_dir_all(device.join("msi_irqs")).unwrap();
        for number in ["40", "41", "42", "odd"] {
            fs::write(device.join("msi_irqs").join(number), "msix").unwrap();
        }
        let file = |number: u32| {
            interrupts
                .join(number.to_string())
                .join("smp_affinity_list")
        };
        for number in [7, 40, 42] {
            fs::create_dir_all(file(number).parent().unwrap()).unwrap();
            fs::write(file(number), "0-2").unwrap();
        }
        spread_device(&device, &interrupts, 3);
        let processors = [7, 40, 42].map(|number| fs::read_to_string(file(number)).unwrap());
        assert_eq!(processors, ["0-2", "1", "0"]);
        assert!(!file(41).exists());
        spread_device(&root.path().join("none"), &interrupts, 3);
        spread_device(&device, &interrupts, 0);
    }
}
