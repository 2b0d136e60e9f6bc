//! Where plugins are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::call::Delegate;
use super::error::DelegateError;

/// The folders of `CNI_PATH`, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    text: String,
}

impl SearchPath {
    /// Folders between colons.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// As it stands in `CNI_PATH`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The plugin of a type: the first file of that name that can be run.
    ///
    /// # Errors
    /// The type is no file's name, or no folder has the plugin.
    pub fn find(&self, kind: &str) -> Result<Delegate, DelegateError> {
        if kind.is_empty() || kind.contains(['/', '\0']) || kind == "." || kind == ".." {
            return Err(DelegateError::Type(kind.to_owned()));
        }
        let mut programs = self.folders().map(|folder| folder.join(kind));
        let program = programs.find(|program| is_program(program));
        program
            .map(|program| Delegate::new(kind, program, self))
            .ok_or_else(|| DelegateError::NotFound {
                kind: kind.to_owned(),
                path: self.text.clone(),
            })
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let parts = self.text.split(':').filter(|part| !part.is_empty());
        parts.map(PathBuf::from)
    }
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, mode: u32) {
        let path = folder.join(name);
        fs::write(&path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_folder_that_has_a_program_of_that_name_counts() {
        let [first, second] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        put(first.path(), "bridge", 0o644);
        put(second.path(), "bridge", 0o755);
        put(first.path(), "tuning", 0o755);
        put(second.path(), "tuning", 0o755);
        let text = format!(
            ":/nowhere:{}:{}:",
            first.path().display(),
            second.path().display()
        );
        let path = SearchPath::new(text);
        assert_eq!(
            path.find("bridge").unwrap().program(),
            second.path().join("bridge")
        );
        assert_eq!(
            path.find("tuning").unwrap().program(),
            first.path().join("tuning")
        );
    }

    #[test]
    fn a_plugin_that_is_not_there_is_named_with_the_folders() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bridge")).unwrap();
        let path = SearchPath::new(folder.path().display().to_string());
        let error = path.find("bridge").unwrap_err().to_string();
        assert!(
            error.contains("bridge") && error.contains(path.as_str()),
            "{error}"
        );
        let error = SearchPath::new("").find("bridge").unwrap_err().to_string();
        assert!(error.contains("CNI_PATH"), "{error}");
    }

    #[test]
    fn a_type_is_a_name_and_no_path() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "bridge", 0o755);
        let path = SearchPath::new(folder.path().display().to_string());
        for kind in ["", "/bin/sh", "../bridge", "./bridge", "..", "."] {
            let found = path.find(kind);
            assert!(matches!(found, Err(DelegateError::Type(_))), "{kind}");
        }
    }
}
