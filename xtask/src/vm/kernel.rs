//! The kernel and its modules, in the forms that an emulated processor takes least time for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::parts::Parts;
use crate::process;

/// The file of the kernel in the folder of parts.
pub(super) const IMAGE: &str = "vmlinux";

/// What is loaded, each after those it needs.
pub(super) const MODULES: &[&str] = &[
    "llc",
    "mrp",
    "stp",
    "garp",
    "8021q",
    "macvlan",
    "ipvlan",
    "bridge",
    "veth",
    "i2c-algo-bit",
    "dca",
    "igb",
    "igbvf",
];

/// Takes the kernel and the modules out of its unpacked package.
pub(super) fn prepare(parts: &Parts, package: &Path, into: &Path) -> Result<()> {
    let boot = fs::read_dir(package.join("boot"))?;
    let compressed = boot
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| stem_begins(path, "vmlinuz-"))
        .context("the kernel's package has no kernel")?;
    decompress_kernel(parts, &compressed, into)?;
    copy_modules(parts, &package.join("lib/modules"), &into.join("modules"))
}

fn stem_begins(path: &Path, with: &str) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(with)
}

/// QEMU starts the kernel proper at once; as it is packaged, it unpacks itself at first.
fn decompress_kernel(parts: &Parts, compressed: &Path, into: &Path) -> Result<()> {
    let image = fs::read(compressed)?;
    let payload = payload(&image)
        .with_context(|| format!("{} is no kernel as expected", compressed.display()))?;
    let frame = into.join("vmlinux.zst");
    fs::write(&frame, payload)?;
    let mut zstd = parts.program("usr/bin/zstd");
    zstd.args(["-q", "-d", "--rm"]).arg(&frame).arg("-o");
    process::output(zstd.arg(into.join(IMAGE)))?;
    Ok(())
}

/// The compressed kernel by the header of the boot protocol, without the size that follows it.
fn payload(image: &[u8]) -> Option<&[u8]> {
    const SETUP_SECTORS: usize = 0x1f1;
    const PAYLOAD_OFFSET: usize = 0x248;
    const PAYLOAD_LENGTH: usize = 0x24c;
    const SECTOR: usize = 512;
    const SIZE_AT_END: usize = 4;
    let setup = (usize::from(*image.get(SETUP_SECTORS)?) + 1) * SECTOR;
    let start = setup + number(image, PAYLOAD_OFFSET)?;
    let length = number(image, PAYLOAD_LENGTH)?.checked_sub(SIZE_AT_END)?;
    image.get(start..start + length)
}

fn number(image: &[u8], at: usize) -> Option<usize> {
    let bytes = image.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

fn copy_modules(parts: &Parts, from: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let found = files_below(from)?;
    for module in MODULES {
        let name = format!("{module}.ko.xz");
        let source = found.iter().find(|path| path.ends_with(&name));
        let source = source.with_context(|| format!("the kernel has no module {module}"))?;
        fs::copy(source, into.join(name))?;
    }
    let packed = files_below(into)?;
    process::output(parts.program("usr/bin/xz").arg("--decompress").args(packed))?;
    files_below(into)?
        .iter()
        .try_for_each(|module| cut_signature(module))
}

/// An emulated processor takes long to check it.
fn cut_signature(module: &Path) -> Result<()> {
    let mut content = fs::read(module)?;
    content.truncate(unsigned_length(&content));
    Ok(fs::write(module, content)?)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// The length of a module without its signature.
fn unsigned_length(module: &[u8]) -> usize {
    signature_start(module).unwrap_or(module.len())
}

/// A signature is followed by its description, the length of which stands in its last four bytes, and by a mark.
fn signature_start(module: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b"~Module signature appended~\n";
    const DESCRIPTION: usize = 12;
    let described = module.strip_suffix(MARK)?;
    let (_, length) = described.split_last_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    described
        .len()
        .checked_sub(DESCRIPTION)?
        .checked_sub(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_cut_off_and_nothing_else() {
        let mut signed = b"code".to_vec();
        signed.extend(b"sign");
        signed.extend([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 4]);
        signed.extend(b"~Module signature appended~\n");
        assert_eq!(unsigned_length(&signed), 4);
        assert_eq!(unsigned_length(b"code"), 4);
    }

    #[test]
    fn the_kernel_is_found_by_the_header() {
        let mut image = vec![0; 0x400 + 3];
        image[0x1f1] = 1;
        image[0x248] = 1;
        image[0x24c] = 6;
        image.extend(b"kernel");
        assert_eq!(payload(&image[..0x400 + 7]), Some(&[0, 0][..]));
        assert_eq!(payload(&image[..0x402]), None);
    }
}
