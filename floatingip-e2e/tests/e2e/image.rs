//! Container images without a registry: one archive in the layout of the OCI, with a single program in it.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::kit::Kit;

/// What holds the namespaces of a pod, and what answers in it.
pub(crate) const PAUSE: Image = Image {
    name: "floatingip.test/pause:1",
    arguments: &[],
};
pub(crate) const RESIDENT: Image = Image {
    name: "floatingip.test/resident:1",
    arguments: &["serve", "8080"],
};

/// Where the program is in the image.
pub(crate) const PROGRAM: &str = "/resident";

/// The same program, started with these words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    pub(crate) name: &'static str,
    arguments: &'static [&'static str],
}

impl Image {
    /// Writes the archive that containerd imports.
    pub(crate) fn write(&self, kit: &Kit, folder: &Path) -> Result<PathBuf> {
        let program = kit.ours("resident");
        let content = std::fs::read(&program);
        let content = content.with_context(|| format!("cannot read {}", program.display()))?;
        let path = folder.join(format!("{}.tar", self.name.replace(['/', ':'], "-")));
        let layer = layer(&content)?;
        self.archive(&layer, File::create(&path)?)?;
        Ok(path)
    }

    fn archive(&self, layer: &[u8], file: File) -> Result<()> {
        let configuration = self.configuration(layer).to_string().into_bytes();
        let manifest = manifest(&configuration, layer).to_string().into_bytes();
        let mut archive = Builder::new(file);
        add(
            &mut archive,
            "oci-layout",
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        add(
            &mut archive,
            "index.json",
            self.index(&manifest).to_string().as_bytes(),
        )?;
        for blob in [layer, &configuration, &manifest] {
            add(&mut archive, &format!("blobs/sha256/{}", hash(blob)), blob)?;
        }
        Ok(archive.finish()?)
    }

    /// The program does not wait to be asked to end: the first process of a namespace is not ended by a signal that it ignores.
    fn configuration(&self, layer: &[u8]) -> Value {
        json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": [PROGRAM], "Cmd": self.arguments, "StopSignal": "SIGKILL"},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hash(layer))]},
        })
    }

    fn index(&self, manifest: &[u8]) -> Value {
        let mut entry = descriptor("manifest.v1+json", manifest);
        entry["annotations"] = json!({"io.containerd.image.name": self.name});
        json!({"schemaVersion": 2, "manifests": [entry]})
    }
}

fn manifest(configuration: &[u8], layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": media_type("manifest.v1+json"),
        "config": descriptor("config.v1+json", configuration),
        "layers": [descriptor("layer.v1.tar", layer)],
    })
}

fn descriptor(kind: &str, blob: &[u8]) -> Value {
    let digest = format!("sha256:{}", hash(blob));
    json!({"mediaType": media_type(kind), "digest": digest, "size": blob.len()})
}

fn media_type(kind: &str) -> String {
    format!("application/vnd.oci.image.{kind}")
}

fn layer(program: &[u8]) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    add(&mut archive, PROGRAM.trim_start_matches('/'), program)?;
    Ok(archive.into_inner()?)
}

fn add(archive: &mut Builder<impl std::io::Write>, name: &str, content: &[u8]) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o755);
    header.set_size(u64::try_from(content.len())?);
    Ok(archive.append_data(&mut header, name, content)?)
}

fn hash(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
