// SPDX-License-Identifier: GPL-2.0
//! QEMU's arguments that join a machine to the emulator.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::emulator::Endpoints;

/// Gives a machine memory that the emulator can reach: what is behind a BAR, or a window, is in a file
/// descriptor which QEMU hands over.
pub fn share_memory(qemu: &mut Command, machine: &str, size: &str) {
    qemu.args(["-machine", &format!("{machine},memory-backend=ram")]);
    qemu.args(["-m", size]);
    let memory = format!("memory-backend-memfd,id=ram,share=on,size={size}");
    qemu.args(["-object", &memory]);
}

impl Endpoints {
    /// Gives the EP's machine the endpoint controller and the outbound window.
    pub fn join_ep(&self, qemu: &mut Command) {
        // A ROM BAR would be read, and there is none. As JSON, since only there a property has properties.
        let controller = json!({
            "driver": "vfio-user-pci",
            "rombar": 0,
            "socket": { "type": "unix", "path": self.ep },
        });
        qemu.args(["-device", &controller.to_string()]);
        let window = format!("socket,id=window,path={}", value(&self.window));
        qemu.args(["-chardev", &window]);
        let device = format!(
            "vhost-user-test-device-pci,chardev=window,virtio-id={},num_vqs=1",
            epc_regs::WINDOW_VIRTIO_ID
        );
        qemu.args(["-device", &device]);
    }

    /// Gives the RC's machine the root port that takes the functions, and the monitor that plugs them. `slot` tells
    /// root ports of one machine apart.
    pub fn join_rc(&self, qemu: &mut Command, slot: u8) {
        // The reservations bound the BARs that fit below the port.
        let port = format!(
            "pcie-root-port,id={},bus=pcie.0,chassis={slot},slot={slot},pref64-reserve=64M,mem-reserve=16M",
            self.rc_bus
        );
        qemu.args(["-device", &port]);
        let monitor = format!("unix:{},server=off", value(&self.rc_qmp));
        qemu.args(["-qmp", &monitor]);
    }
}

/// Returns a path as a value in a list of properties, where a comma is written twice.
pub fn value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(join: impl FnOnce(&mut Command)) -> Vec<String> {
        let mut command = Command::new("qemu");
        join(&mut command);
        let arguments = command
            .get_args()
            .map(|argument| argument.to_string_lossy());
        arguments.map(String::from).collect()
    }

    #[test]
    fn paths_may_have_commas_and_quotes() {
        let endpoints = Endpoints::in_directory(Path::new("/run/a,\"b"));
        let ep = arguments(|qemu| endpoints.join_ep(qemu));
        let controller: serde_json::Value = serde_json::from_str(&ep[1]).expect("JSON");
        assert_eq!(
            controller["socket"]["path"],
            "/run/a,\"b/emulator.controller"
        );
        assert_eq!(ep[3], "socket,id=window,path=/run/a,,\"b/emulator.window");
        let rc = arguments(|qemu| endpoints.join_rc(qemu, 1));
        assert!(rc[1].starts_with("pcie-root-port,id=rp1,"), "{rc:?}");
        assert_eq!(rc[3], "unix:/run/a,,\"b/emulator.monitor,server=off");
    }

    #[test]
    fn memory_is_shared_and_is_that_of_the_machine() {
        let memory = arguments(|qemu| share_memory(qemu, "q35", "1G"));
        assert_eq!(memory[1], "q35,memory-backend=ram");
        assert_eq!(memory[3], "1G");
        assert_eq!(memory[5], "memory-backend-memfd,id=ram,share=on,size=1G");
    }
}
