//! Archives of the form that the kernel unpacks at boot: cpio, "newc" (Linux: `Documentation/driver-api/early-userspace`).

/// An archive in the making.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a directory. Those above it must be there already.
    pub(super) fn directory(&mut self, path: &str) {
        self.entry(path, 0o040_755, (0, 0), &[]);
    }

    /// Adds a program or another file.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, 0o100_755, (0, 0), content);
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, to: &str) {
        self.entry(path, 0o120_777, (0, 0), to.as_bytes());
    }

    /// Adds a character device.
    pub(super) fn device(&mut self, path: &str, number: (u32, u32)) {
        self.entry(path, 0o020_600, number, &[]);
    }

    /// The archive, complete.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        self.entries += 1;
        let (size, name) = (content.len() as u32, path.len() as u32 + 1);
        // Number, mode, owner, group, links, time, size, device of the file system, device, length of the name, checksum.
        let header = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name, 0];
        self.bytes.extend(b"070701");
        for number in header {
            self.bytes.extend(format!("{number:08x}").bytes());
        }
        self.bytes.extend(path.bytes().chain([0]));
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn an_archive_is_as_the_kernel_wants_it() {
        let mut archive = Archive::default();
        archive.file("a", b"xyz");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        let numbers = [1, 0o100_755, 0, 0, 1, 0, 3, 0, 0, 0, 0, 2, 0];
        let header = numbers.map(|number| format!("{number:08x}")).concat();
        // The name ends in a zero byte; name and content are filled up to multiples of four.
        let rest = text.strip_prefix(&format!("070701{header}a\0xyz\0")).unwrap_or_default();
        assert!(rest.starts_with("070701"), "{text}");
        assert!(rest.ends_with("TRAILER!!!\0\0\0\0"), "{text}");
        assert_eq!(bytes.len() % 4, 0);
    }
}
